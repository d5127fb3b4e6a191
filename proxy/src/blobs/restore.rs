//! Bytes that something names and the store has lost, stored once more (`crate::fsck`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::Blobs;
use super::session::OpenSession;
use super::write::{Hashed, Hashing};
use crate::audit::Record;
use crate::error::{Code, Error, Result};
use crate::index::{BlobRef, PinnedBlob};
use crate::store::ByteStream;

impl Blobs {
    /// Stores the bytes of a blob that the index knows and the store has lost. It is pinned meanwhile, as by any writer: where its
    /// last name goes while this is under way, nothing stays at the store. `audit` is recorded when the bytes are there.
    /// # Errors
    /// `BadDigest` where these are other bytes; `OperationAborted` where the blob is to be deleted by now;
    /// the stream's own error, `IndexUnavailable`, `UpstreamUnavailable`.
    pub async fn restore(&self, blob: BlobRef, size: u64, bytes: ByteStream, audit: &[Record]) -> Result<()> {
        let repository = self.index.repository(blob.repository_id).await?.as_ref().clone();
        let ttl = self.config.pin_ttl;
        let pin_id = self.index.fsck_pin(blob, ttl, false, &[]).await?;
        let pinned = PinnedBlob { blob, size, pin_id, repository };
        // Half the pin's life, as for every upload (`write.rs`).
        let restored = timeout(ttl / 2, self.store_again(&pinned, bytes)).await;
        let restored = restored.unwrap_or_else(|_| Err(Error::from(Code::UpstreamUnavailable).detail("too slow")));
        if restored.is_ok() {
            // The record commits with a pin that is due at once, and means nothing else.
            self.index.fsck_pin(blob, Duration::ZERO, false, audit).await?;
        }
        self.give_up(&pinned).await;
        restored
    }

    async fn store_again(&self, pinned: &PinnedBlob, bytes: ByteStream) -> Result<()> {
        let upload = self.store.start_upload(&pinned.repository.name).await?;
        let mut session = OpenSession::new(self.index.clone(), self.store.clone(), self.clean_ups.clone(), upload);
        session.write_down(self.config.session_ttl).await?;
        let hash = Arc::new(Mutex::new(Hashed::default()));
        let sent = session.append(Box::pin(Hashing { body: bytes, hash: Arc::clone(&hash) })).await?;
        let Hashed { hasher, size } = std::mem::take(&mut *hash.lock().unwrap_or_else(PoisonError::into_inner));
        let digest = hasher.finish();
        if digest != pinned.blob.digest || size != pinned.size || sent != size {
            let detail = format!("{sent} bytes of {digest} were to become {}", pinned.blob.digest);
            return Err(Error::from(Code::BadDigest).detail(detail));
        }
        session.finish(&digest, size).await
    }
}
