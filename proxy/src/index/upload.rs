//! Multipart uploads and their parts.

use std::time::Duration;

use time::OffsetDateTime;

use super::{ChecksumType, Checksums, Committed, Headers, Index, Metadata, PinnedBlob, Segment, WriteConditions};
use crate::error::{Error, Result};

/// A new upload.
#[derive(Debug, Clone)]
pub struct NewUpload<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// Lower-case checksum algorithm, where the client named one.
    pub checksum_algorithm: Option<&'a str>,
    /// What the object's checksum will cover.
    pub checksum_type: Option<ChecksumType>,
    /// Standard headers of the object.
    pub headers: &'a Headers,
    /// User metadata of the object.
    pub metadata: &'a Metadata,
    /// Storage class of the object.
    pub storage_class: &'a str,
    /// Who uploads.
    pub owner: &'a str,
}

/// An upload in progress.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The upload id, as clients see it.
    pub id: String,
    /// The key.
    pub key: String,
    /// As in [`NewUpload`].
    pub checksum_algorithm: Option<String>,
    /// As in [`NewUpload`].
    pub checksum_type: Option<ChecksumType>,
    /// As in [`NewUpload`].
    pub storage_class: String,
    /// As in [`NewUpload`].
    pub owner: String,
    /// When it began.
    pub initiated_at: OffsetDateTime,
}

/// A part that was uploaded, or a copied range of an object.
#[derive(Debug, Clone)]
pub struct NewPart<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The key; the upload must be of it.
    pub key: &'a str,
    /// The upload.
    pub upload_id: &'a str,
    /// 1 to 10,000.
    pub part_number: i32,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: &'a str,
    /// Checksums by algorithm.
    pub checksums: &'a Checksums,
    /// Where the bytes are; several for a copy of a multipart object's range.
    pub segments: &'a [Segment],
    /// The pin of a fresh upload; the commit removes it. A copy has none: its segments are named by its source, which must still be there.
    pub pin: Option<&'a PinnedBlob>,
    /// How long bytes of a replaced part stay.
    pub grace: Duration,
}

/// A part of an upload.
#[derive(Debug, Clone)]
pub struct Part {
    /// 1 to 10,000.
    pub part_number: i32,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Checksums by algorithm.
    pub checksums: Checksums,
    /// When it was uploaded.
    pub last_modified: OffsetDateTime,
}

/// A page of parts in order.
#[derive(Debug, Clone)]
pub struct PartPage {
    /// The upload.
    pub upload: Upload,
    /// The parts.
    pub parts: Vec<Part>,
    /// Whether there are more.
    pub truncated: bool,
}

/// A page of uploads, by key and then by id, rolled up by a delimiter as objects are.
#[derive(Debug, Clone)]
pub struct UploadPage {
    /// The uploads.
    pub uploads: Vec<Upload>,
    /// Common prefixes.
    pub prefixes: Vec<String>,
    /// Whether there are more.
    pub truncated: bool,
    /// Key marker of the next page.
    pub next_key: String,
    /// Upload id marker of the next page; empty behind a common prefix.
    pub next_id: String,
}

/// The object that an upload becomes; the caller has checked the parts against [`Index::parts`].
#[derive(Debug, Clone)]
pub struct CompletedPart {
    /// The part.
    pub part_number: i32,
    /// Its ETag as it was checked: if the part was replaced meanwhile the completion fails with `InvalidPart`.
    pub etag: String,
}

/// A completion.
#[derive(Debug, Clone)]
pub struct CompleteUpload<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The upload.
    pub upload_id: &'a str,
    /// The parts to use, in order; others are let go.
    pub parts: &'a [CompletedPart],
    /// `md5-of-md5s-N`.
    pub etag: &'a str,
    /// Checksums of the object.
    pub checksums: &'a Checksums,
    /// What they cover.
    pub checksum_type: Option<ChecksumType>,
    /// What must hold of the version that is replaced.
    pub conditions: WriteConditions<'a>,
    /// As in `NewObject`.
    pub grace: Duration,
}

impl Index {
    /// Begins an upload.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn create_upload(&self, upload: NewUpload<'_>) -> Result<Upload> {
        Err(Error::internal(upload.key))
    }

    /// An upload by bucket, key and id.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn upload(&self, bucket: &str, key: &str, upload_id: &str) -> Result<Upload> {
        Err(Error::internal(format!("{bucket}{key}{upload_id}")))
    }

    /// Commits a part, replacing one of the same number.
    /// # Errors
    /// `NoSuchUpload`; `NoSuchKey` where the blob of a copied segment is gone; `OperationAborted` where the pin had lapsed and the blob is gone.
    pub async fn put_part(&self, part: NewPart<'_>) -> Result<OffsetDateTime> {
        Err(Error::internal(part.key))
    }

    /// Parts behind `after`, at most `limit`.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn parts(&self, bucket: &str, key: &str, upload_id: &str, after: i32, limit: u32) -> Result<PartPage> {
        Err(Error::internal(format!("{bucket}{key}{upload_id}{after}{limit}")))
    }

    /// Uploads in progress behind (`after_key`, `after_id`).
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn list_uploads(&self, request: super::ListRequest<'_>, after_id: &str) -> Result<UploadPage> {
        Err(Error::internal(format!("{request:?}{after_id}")))
    }

    /// Turns an upload into an object: no byte moves. Repeating it after success gives the same answer for a day.
    /// # Errors
    /// `NoSuchUpload`, `InvalidPart`, `PreconditionFailed`.
    pub async fn complete_upload(&self, upload: CompleteUpload<'_>) -> Result<Committed> {
        Err(Error::internal(upload.key))
    }

    /// The answer of a completion that has been: the object's ETag.
    /// # Errors
    /// `NoSuchUpload`.
    pub async fn completed_upload(&self, bucket: &str, key: &str, upload_id: &str) -> Result<String> {
        Err(Error::internal(format!("{bucket}{key}{upload_id}")))
    }

    /// Gives an upload up and lets its parts go.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn abort_upload(&self, bucket: &str, key: &str, upload_id: &str, grace: Duration) -> Result<()> {
        Err(Error::internal(format!("{bucket}{key}{upload_id}{grace:?}")))
    }

    /// Gives up to `limit` uploads up that began more than `ttl` ago; how many it was.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn abort_stale_uploads(&self, ttl: Duration, limit: u32, grace: Duration) -> Result<u64> {
        Err(Error::internal(format!("{ttl:?}{limit}{grace:?}")))
    }
}
