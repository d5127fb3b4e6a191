//! Where bytes go whose digest is not known yet: any shard of the bucket, so that many streams spread over all of them.

use super::{Index, Repository};
use crate::error::{Error, Result};

/// A repository for an upload whose digest is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTarget {
    /// The repository.
    pub repository: Repository,
    /// Its shard: what `PinRequest::shard` takes once the digest is known.
    pub shard: u8,
}

impl Index {
    /// A repository of the bucket, chosen at random.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn upload_target(&self, bucket: &str) -> Result<UploadTarget> {
        Err(Error::internal(bucket))
    }
}
