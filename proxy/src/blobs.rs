//! The life of a blob: pinned, uploaded, named, let go, swept.
//!
//! **The invariant.** A blob that a committed version names is never deleted; one that nothing names is deleted within a
//! bounded time. Every blob has a row in `blobs` before its first byte reaches the store. A writer pins first
//! (`pins.rs`, many writers share one round trip), then uploads (`write.rs`), then commits a row that references the blob,
//! which takes a key-share lock on it. The sweeper (`sweep.rs`) takes the row's update lock, looks for names and pins, and
//! only then deletes at the store and forgets the row.
//! What does not live here: names and versions (`index`), the registry's API (`store`).

use bytes::Bytes;

use crate::config;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::{Index, PinnedBlob, Segments};
use crate::store::{ByteStream, Store};

/// Writes, reads and sweeps blobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    index: Index,
    store: Store,
    config: config::Blobs,
}

impl Blobs {
    /// Ties index and store together and starts the pin queue; must be called within a tokio runtime.
    #[must_use]
    pub fn new(index: Index, store: Store, config: config::Blobs) -> Self {
        Self { index, store, config }
    }

    /// Pins and stores a body held in memory; when it returns the bytes are durable, and safe until the pin is due.
    /// # Errors
    /// `NoSuchBucket`, `IndexUnavailable`, `UpstreamUnavailable`.
    pub async fn put_bytes(&self, bucket: &str, body: Bytes, digest: Digest) -> Result<PinnedBlob> {
        Err(Error::internal(format!("{bucket}{body:?}{digest}{:?}{:?}{:?}", self.index, self.store, self.config)))
    }

    /// Streams a body of unknown digest to the store while hashing it, pins it before it is finalised; memory stays flat.
    /// `verify` is called with nothing when the whole body has been read and before it becomes a blob: an error from it (a
    /// wrong checksum, say) cancels the upload.
    /// # Errors
    /// The stream's or `verify`'s own error, `NoSuchBucket`, `IndexUnavailable`, `UpstreamUnavailable`.
    pub async fn put_stream(
        &self,
        bucket: &str,
        body: ByteStream,
        verify: impl FnOnce() -> Result<()> + Send,
    ) -> Result<PinnedBlob> {
        drop(body);
        verify()?;
        Err(Error::internal(bucket))
    }

    /// Reads segments one after the other; the next one is asked for while the last one flows.
    #[must_use]
    pub fn read(&self, segments: Segments) -> ByteStream {
        drop(segments);
        Box::pin(futures::stream::empty())
    }
}
