//! Objects: one row a version.

use std::ops::Range;
use std::time::Duration;

use time::OffsetDateTime;

use super::{ChecksumType, Checksums, Headers, Index, Metadata, Segments};
use crate::error::{Error, Result};
use crate::index::PinnedBlob;

/// Everything about an object but where its bytes are.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// The row.
    pub id: i64,
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Without quotes: MD5 in hex, or `md5-of-md5s-N`.
    pub etag: String,
    /// 0 for an object put in one piece, else the number of parts.
    pub part_count: i32,
    /// Checksums by algorithm.
    pub checksums: Checksums,
    /// What the checksums cover.
    pub checksum_type: Option<ChecksumType>,
    /// Standard headers.
    pub headers: Headers,
    /// User metadata.
    pub metadata: Metadata,
    /// Storage class.
    pub storage_class: String,
    /// Who wrote it.
    pub owner: String,
    /// When; whole milliseconds.
    pub last_modified: OffsetDateTime,
}

/// An object as a read needs it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Everything else.
    pub head: ObjectHead,
    /// Number of segments; where it is above 1 they are asked for by [`Index::segments`].
    pub segment_count: i32,
    /// The one segment, where there is just one.
    pub segment: Option<super::Segment>,
}

/// A new version, its bytes already pinned and stored.
#[derive(Debug, Clone)]
pub struct NewObject<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The stored bytes; `None` for an object of no bytes.
    pub blob: Option<&'a PinnedBlob>,
    /// Without quotes.
    pub etag: &'a str,
    /// Checksums by algorithm.
    pub checksums: &'a Checksums,
    /// Standard headers.
    pub headers: &'a Headers,
    /// User metadata.
    pub metadata: &'a Metadata,
    /// Storage class.
    pub storage_class: &'a str,
    /// Who writes it.
    pub owner: &'a str,
    /// What must hold of the version that is replaced.
    pub conditions: WriteConditions<'a>,
    /// How long the bytes of the replaced version stay readable.
    pub grace: Duration,
}

/// What must hold of the current version when a write commits; checked in the write's transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteConditions<'a> {
    /// `If-None-Match: *`: there is none.
    pub absent: bool,
    /// `If-Match`: its ETag, without quotes.
    pub etag: Option<&'a str>,
}

/// What a commit did.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The version's row.
    pub id: i64,
    /// When it was written.
    pub last_modified: OffsetDateTime,
}

/// What a delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was anything. S3 answers 204 either way.
    pub existed: bool,
}

/// The If-* headers of a read, or of a copy's source.
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    /// `If-Match`, raw: `*` or ETags.
    pub if_match: Option<String>,
    /// `If-None-Match`, raw.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<OffsetDateTime>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<OffsetDateTime>,
}

/// A copy: no bytes move, the new version names the same segments.
#[derive(Debug, Clone)]
pub struct CopySource<'a> {
    /// The source's row, as the caller read it ([`ObjectHead::id`]): if it is gone or replaced meanwhile, `NoSuchKey`.
    pub object_id: i64,
    /// The destination's bucket.
    pub bucket: &'a str,
    /// The destination's key.
    pub key: &'a str,
    /// New headers and metadata, or `None` to keep the source's.
    pub replace: Option<(&'a Headers, &'a Metadata)>,
    /// Storage class of the destination.
    pub storage_class: &'a str,
    /// Who copies.
    pub owner: &'a str,
    /// What must hold of the destination.
    pub conditions: WriteConditions<'a>,
    /// As in [`NewObject::grace`].
    pub grace: Duration,
}

impl Index {
    /// The current version of an object; one round trip.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Object> {
        Err(Error::internal(format!("{bucket}{key}")))
    }

    /// The segments of a version that hold `range` of its bytes, cut to it. Only needed where `segment_count` is above 1.
    /// # Errors
    /// `NoSuchKey` where the version is gone.
    pub async fn segments(&self, object_id: i64, range: Range<u64>) -> Result<Segments> {
        Err(Error::internal(format!("{object_id}{range:?}")))
    }

    /// Commits a new version and lets go of the one it replaces and of the writer's pin; one round trip, one transaction.
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` for `If-Match` on nothing, `OperationAborted` where the pin had lapsed and the blob is gone.
    pub async fn commit_object(&self, object: NewObject<'_>) -> Result<Committed> {
        Err(Error::internal(object.key))
    }

    /// Commits a copy.
    /// # Errors
    /// As [`Self::commit_object`]; `NoSuchKey` where the source is gone.
    pub async fn copy_object(&self, copy: CopySource<'_>) -> Result<Committed> {
        Err(Error::internal(copy.key))
    }

    /// Deletes an object.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn delete_object(&self, bucket: &str, key: &str, grace: Duration) -> Result<Deleted> {
        Err(Error::internal(format!("{bucket}{key}{grace:?}")))
    }

    /// Deletes up to 1,000 objects in one transaction; the answers stand in the order of `keys`.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn delete_objects(&self, bucket: &str, keys: &[String], grace: Duration) -> Result<Vec<Deleted>> {
        Err(Error::internal(format!("{bucket}{keys:?}{grace:?}")))
    }
}
