//! The life of a blob: pinned, uploaded, named, let go, swept.
//!
//! **The invariant.** A blob that a committed version names is never deleted; one that nothing names is deleted within a
//! bounded time. Every blob has a row in `blobs` before its first byte reaches the store. A writer pins first
//! (`pins.rs`, many writers share one round trip), then uploads (`write.rs`), then commits a row that references the blob,
//! which takes a key-share lock on it. The sweeper (`sweep.rs`) takes the row's update lock, looks for names and pins, and
//! only then deletes at the store and forgets the row.
//! An upload session at the store is written down before its first byte (`session.rs`), so that a crash leaves none for good.
//! What does not live here: names and versions (`index`), the registry's API (`store`).

mod pins;
mod read;
mod restore;
mod session;
mod sweep;
mod write;

use std::fmt;

use bytes::Bytes;
use tokio_util::task::TaskTracker;

use self::pins::PinQueue;
use self::read::Source;
pub use self::sweep::SweepReport;
use crate::config;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::{Index, PinnedBlob, Segments};
use crate::store::{ByteStream, Store};

/// Writes, reads and sweeps blobs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    index: Index,
    store: Store,
    config: config::Blobs,
    pins: PinQueue,
    /// Ends of upload sessions that nobody waits for.
    clean_ups: TaskTracker,
}

impl Blobs {
    /// Ties index and store together and starts the pin queue; must be called within a tokio runtime.
    #[must_use]
    pub fn new(index: Index, store: Store, config: config::Blobs) -> Self {
        let pins = PinQueue::start(index.clone(), config.pin_ttl);
        Self { index, store, config, pins, clean_ups: TaskTracker::new() }
    }

    /// Pins and stores a body held in memory; when it returns the bytes are durable, and safe until the pin is due.
    /// # Errors
    /// `NoSuchBucket`, `IndexUnavailable`, `UpstreamUnavailable`; `OperationAborted` where the same blob is being deleted
    /// just now, wherever it could go.
    pub async fn put_bytes(&self, bucket: &str, body: Bytes, digest: Digest) -> Result<PinnedBlob> {
        self.store_bytes(bucket, body, digest).await
    }

    /// Streams a body of unknown digest to the store while hashing it, pins it before it is finalised; memory stays flat.
    /// `verify` is called with nothing when the whole body has been read and before it becomes a blob: an error from it (a
    /// wrong checksum, say) cancels the upload. After any error, and when the future is dropped, nothing stays at the store.
    /// # Errors
    /// The stream's or `verify`'s own error, `NoSuchBucket`, `IndexUnavailable`, `UpstreamUnavailable`, `OperationAborted`
    /// as in [`Self::put_bytes`].
    pub async fn put_stream(
        &self,
        bucket: &str,
        body: ByteStream,
        verify: impl FnOnce() -> Result<()> + Send,
    ) -> Result<PinnedBlob> {
        self.store_stream(bucket, body, verify).await
    }

    /// Gives a blob up that was stored and will not be named: the next sweep deletes it, unless something else names it.
    pub async fn give_up(&self, blob: &PinnedBlob) {
        if let Err(error) = self.index.lapse_pin(blob).await {
            tracing::debug!(digest = %blob.blob.digest, "a blob is left until its pin is due: {}", error.for_log());
        }
    }

    /// Waits until the upload sessions that were given up are cancelled, so that the end of the process does not leave them
    /// to the sweeper. Called when no more are begun; takes as long as the store does, so the caller sets a deadline.
    pub async fn wait_for_clean_ups(&self) {
        self.clean_ups.close();
        self.clean_ups.wait().await;
    }

    /// Reads segments one after the other; the next one is asked for while the last one flows.
    #[must_use]
    pub fn read(&self, segments: Segments) -> ByteStream {
        read::read(Source { index: self.index.clone(), store: self.store.clone() }, segments)
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("store", &self.store).field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
