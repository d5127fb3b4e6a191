//! Writing: pinned first, then stored; the caller commits the name.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::time::{Instant, sleep, timeout_at};

use super::Blobs;
use super::session::OpenSession;
use crate::digest::{Digest, Hasher};
use crate::error::{Code, Error, Result};
use crate::index::{PinRequest, PinnedBlob};
use crate::store::ByteStream;

/// How often a blob that is being deleted just now is put into another shard instead.
const OTHER_SHARDS: u16 = 3;

/// How long a streamed blob, whose shard is fixed, waits for the end of a deletion that is under way.
const DELETION_PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks whether that deletion has ended, at first; it doubles up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

impl Blobs {
    pub(super) async fn store_bytes(&self, bucket: &str, body: Bytes, digest: Digest) -> Result<PinnedBlob> {
        let size = body.len() as u64;
        let request = PinRequest { bucket: bucket.to_owned(), digest, size, shard: None };
        let pinned = match self.pins.pin(request.clone()).await {
            Err(error) if error.code() == Code::OperationAborted => self.pin_elsewhere(request, error).await?,
            other => other?,
        };
        let limit = self.upload_deadline();
        let upload = self.store.put_blob(&pinned.repository.name, &digest, body);
        timeout_at(limit, upload).await.unwrap_or_else(|_| Err(too_slow()))?;
        Ok(pinned)
    }

    /// Pins in other shards than the digest's own, where the same blob is being deleted just now.
    async fn pin_elsewhere(&self, request: PinRequest, mut error: Error) -> Result<PinnedBlob> {
        let shards = self.index.bucket(&request.bucket).await?.placement.shards;
        for step in 1..shards.min(OTHER_SHARDS + 1) {
            let shard = (u16::from(request.digest.shard(shards)) + step) % shards;
            let shard = u8::try_from(shard).map_err(|e| Error::internal("a shard above 255").source(e))?;
            match self.pins.pin(PinRequest { shard: Some(shard), ..request.clone() }).await {
                Err(again) if again.code() == Code::OperationAborted => error = again,
                other => return other,
            }
        }
        Err(error)
    }

    pub(super) async fn store_stream(
        &self,
        bucket: &str,
        body: ByteStream,
        verify: impl FnOnce() -> Result<()> + Send,
    ) -> Result<PinnedBlob> {
        let target = self.index.upload_target(bucket).await?;
        let upload = self.store.start_upload(&target.repository.name).await?;
        // From here on the session is cancelled at the store and closed in the index however this ends.
        let mut session = OpenSession::new(self.index.clone(), self.store.clone(), upload);
        session.write_down(self.config.session_ttl).await?;
        let hash = Arc::new(Mutex::new(Hashed::default()));
        let sent = session.append(Box::pin(Hashing { body, hash: Arc::clone(&hash) })).await?;
        verify()?;
        let Hashed { hasher, size } = std::mem::take(&mut *hash.lock().unwrap_or_else(PoisonError::into_inner));
        if sent != size {
            return Err(Error::internal(format!("{sent} bytes of {size} were sent to the store")));
        }
        let digest = hasher.finish();
        let request = PinRequest { bucket: bucket.to_owned(), digest, size, shard: Some(target.shard) };
        let pinned = self.pin_here(request).await?;
        timeout_at(self.upload_deadline(), session.finish(&digest, size)).await.unwrap_or_else(|_| Err(too_slow()))?;
        Ok(pinned)
    }

    /// Pins in the one shard that holds the bytes already, waiting out a deletion of the same blob there.
    async fn pin_here(&self, request: PinRequest) -> Result<PinnedBlob> {
        let (deadline, mut pause) = (Instant::now() + DELETION_PATIENCE, FIRST_PAUSE);
        loop {
            match self.pins.pin(request.clone()).await {
                Err(error) if error.code() == Code::OperationAborted && Instant::now() + pause < deadline => {
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                other => return other,
            }
        }
    }

    /// Until when an upload whose pin was just made may take. Half the pin's life: the other half is for a request that we
    /// have given up on and that the store still carries out, so that what it stores is found and swept when the pin is due.
    fn upload_deadline(&self) -> Instant {
        Instant::now() + self.config.pin_ttl / 2
    }
}

fn too_slow() -> Error {
    Error::from(Code::UpstreamUnavailable)
        .detail("the upload took longer than half the life of its pin (blobs.pin_ttl)")
}

/// What a stream came to.
#[derive(Default)]
struct Hashed {
    hasher: Hasher,
    size: u64,
}

/// Passes a stream on and hashes it on the way.
struct Hashing {
    body: ByteStream,
    hash: Arc<Mutex<Hashed>>,
}

impl Stream for Hashing {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.body.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            // Never contended: the other side looks when the stream has ended.
            let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
            hash.hasher.update(bytes);
            hash.size += bytes.len() as u64;
        }
        polled
    }
}
