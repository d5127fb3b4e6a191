//! Buckets.

use time::OffsetDateTime;

use super::{Index, Placement};
use crate::error::{Error, Result};

/// A bucket's row.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The row.
    pub id: i64,
    /// The name.
    pub name: String,
    /// Where its bytes go.
    pub placement: Placement,
    /// The region that GetBucketLocation answers.
    pub region: String,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A page of buckets in byte order of their names.
#[derive(Debug, Clone)]
pub struct BucketPage {
    /// The buckets.
    pub buckets: Vec<Bucket>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

/// What a new bucket is.
#[derive(Debug, Clone)]
pub struct NewBucket<'a> {
    /// The name; checked by the caller.
    pub name: &'a str,
    /// The region.
    pub region: &'a str,
    /// Who makes it.
    pub owner: &'a str,
    /// The store's name, as in the configuration; its row is made where it is missing.
    pub store: &'a str,
    /// First component of its repositories at the store.
    pub prefix: &'a str,
    /// Number of shards.
    pub shards: u16,
}

impl Index {
    /// Makes a bucket with its placement and repositories.
    /// # Errors
    /// `BucketAlreadyOwnedByYou` where the name is taken.
    pub async fn create_bucket(&self, bucket: NewBucket<'_>) -> Result<Bucket> {
        Err(Error::internal(bucket.name))
    }

    /// A bucket by name.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn bucket(&self, name: &str) -> Result<Bucket> {
        Err(Error::internal(name))
    }

    /// Buckets whose names start with `prefix` and come after `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn list_buckets(&self, prefix: &str, after: &str, limit: u32) -> Result<BucketPage> {
        Err(Error::internal(format!("{prefix}{after}{limit}")))
    }

    /// Deletes a bucket that holds no object and no upload.
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub async fn delete_bucket(&self, name: &str) -> Result<()> {
        Err(Error::internal(name))
    }

    /// Deletes up to `limit` objects and uploads of a bucket, whatever they are; 0 when it is empty. The caller goes on until then.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn empty_bucket(&self, name: &str, limit: u32, grace: std::time::Duration) -> Result<u64> {
        Err(Error::internal(format!("{name}{limit}{grace:?}")))
    }
}
