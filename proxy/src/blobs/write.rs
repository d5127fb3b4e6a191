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
use crate::failpoint::Failpoint;
use crate::index::{PinRequest, PinnedBlob};
use crate::store::ByteStream;

/// How long a streamed blob, whose shard is fixed, waits for the end of a deletion that is under way.
const DELETION_PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks whether that deletion has ended, at first; it doubles up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

impl Blobs {
    pub(super) async fn store_bytes(&self, bucket: &str, body: Bytes, digest: Digest) -> Result<PinnedBlob> {
        let size = body.len() as u64;
        let request = PinRequest { bucket: bucket.to_owned(), digest, size, shard: None };
        let limit = self.upload_deadline();
        let pinned = self.pins.pin(request).await?;
        Failpoint::BlobPinned.reached();
        let upload = self.store.put_blob(&pinned.repository.name, &digest, body);
        timeout_at(limit, upload).await.unwrap_or_else(|_| Err(too_slow()))?;
        Ok(pinned)
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
        let mut session = OpenSession::new(self.index.clone(), self.store.clone(), self.clean_ups.clone(), upload);
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
        let (pinned, limit) = self.pin_here(request).await?;
        if pinned.repository != target.repository {
            // The bucket was deleted and made again meanwhile: what was sent lies where nothing of the new one is looked for.
            self.give_up(&pinned).await;
            return Err(Code::NoSuchBucket.into());
        }
        Failpoint::BlobPinned.reached();
        timeout_at(limit, session.finish(&digest, size)).await.unwrap_or_else(|_| Err(too_slow()))?;
        Ok(pinned)
    }

    /// Pins in the one shard that holds the bytes already, waiting out a deletion of the same blob there. Not by the queue:
    /// a large body is worth a round trip of its own, and its waiting must not hold up others.
    /// Gives the upload's deadline with it.
    async fn pin_here(&self, request: PinRequest) -> Result<(PinnedBlob, Instant)> {
        let (patience, mut pause) = (Instant::now() + DELETION_PATIENCE, FIRST_PAUSE);
        loop {
            let limit = self.upload_deadline();
            let pinned = self.index.pin_blobs(std::slice::from_ref(&request), self.config.pin_ttl).await?.pop();
            match pinned {
                Some(Ok(pinned)) => return Ok((pinned, limit)),
                Some(Err(error)) if error.code() == Code::OperationAborted && Instant::now() + pause < patience => {
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Some(Err(error)) => return Err(error),
                None => return Err(Error::internal("the index left a pin unanswered")),
            }
        }
    }

    /// Until when an upload may take whose pin is made now. Half the pin's life: the other half is for a request that we
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
pub(super) struct Hashed {
    pub(super) hasher: Hasher,
    pub(super) size: u64,
}

/// Passes a stream on and hashes it on the way.
pub(super) struct Hashing {
    pub(super) body: ByteStream,
    pub(super) hash: Arc<Mutex<Hashed>>,
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
