//! Pins: until a pin is due nothing deletes its blob. See `blobs` for the life of a blob.

use std::time::Duration;

use super::{BlobRef, Index, Repository};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A blob that is about to be uploaded.
#[derive(Debug, Clone)]
pub struct PinRequest {
    /// The bucket's name.
    pub bucket: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size.
    pub size: u64,
    /// The shard it goes to; `None` for the shard of the digest.
    pub shard: Option<u8>,
}

/// A pinned blob: what a commit needs to name it.
#[derive(Debug, Clone)]
pub struct PinnedBlob {
    /// The blob.
    pub blob: BlobRef,
    /// Its size.
    pub size: u64,
    /// The pin's row; the commit removes it.
    pub pin_id: i64,
    /// Where to upload it.
    pub repository: Repository,
}

/// A blob that a sweep may have to delete.
#[derive(Debug, Clone)]
pub struct DuePin {
    /// The blob.
    pub blob: BlobRef,
    /// Where it is.
    pub repository: Repository,
}

impl Index {
    /// Pins many blobs in one round trip; each has its own answer, in the order of `requests`.
    /// # Errors
    /// `IndexUnavailable` for all; `NoSuchBucket` for one.
    pub async fn pin_blobs(&self, requests: &[PinRequest], ttl: Duration) -> Result<Vec<Result<PinnedBlob>>> {
        Err(Error::internal(format!("{requests:?}{ttl:?}")))
    }

    /// A repository's place by its row, for reads. Rows never change, so the answer is cached.
    /// # Errors
    /// `InternalError` where there is none.
    pub async fn repository(&self, id: i64) -> Result<std::sync::Arc<Repository>> {
        Err(Error::internal(id))
    }
}
