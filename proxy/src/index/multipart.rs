//! Completion of multipart uploads.

use std::time::Duration;

use sqlx::types::Json;

use super::audited::audited;
use super::convert::seconds;
use super::object::CommittedRow;
use super::{ChecksumType, Checksums, Committed, Index, WriteConditions};
use crate::audit::Record;
use crate::error::{Code, Result};

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
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

/// What an upload became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedUpload {
    /// The object's ETag.
    pub etag: String,
    /// As in [`Object::version_id`](super::Object::version_id).
    pub version_id: Option<String>,
}

/// The upload's list goes with it (`grant_completed` of `migrations/0032_access_control_lists.sql`).
const COMPLETE: &str = audited!(
    12,
    "SELECT status, object_id, modified_at, version, artifact_settle(object_id, NULL) AS oci_digest
     FROM complete_upload($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);

const COMPLETED: &str = "
    SELECT c.etag, c.version FROM completed_uploads c JOIN buckets b ON b.id = c.bucket_id
    WHERE c.id = $3 AND c.key = $2 AND b.name = $1";

impl Index {
    /// Turns an upload into an object: no byte moves. Repeating it after success gives the same answer for a day.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `InvalidPart`, `PreconditionFailed`, `NoSuchKey` for `If-Match` on nothing,
    /// `QuotaExceeded` where the bucket has no room for one more object: the bytes were counted with the parts; `AccessDenied` where the
    /// upload's list lets the public in and the bucket has come to take none that does.
    pub async fn complete_upload(&self, upload: CompleteUpload<'_>) -> Result<Committed> {
        let numbers: Vec<i32> = upload.parts.iter().map(|part| part.part_number).collect();
        let etags: Vec<&str> = upload.parts.iter().map(|part| part.etag.as_str()).collect();
        let records = self.canonical(upload.audit);
        let row: CommittedRow = self
            .fetch_one(|| {
                sqlx::query_as(COMPLETE)
                    .bind(upload.bucket)
                    .bind(upload.key)
                    .bind(upload.upload_id)
                    .bind(&numbers)
                    .bind(&etags)
                    .bind(upload.etag)
                    .bind(Json(upload.checksums))
                    .bind(upload.checksum_type.map(ChecksumType::as_str))
                    .bind(upload.conditions.absent)
                    .bind(upload.conditions.etag)
                    .bind(seconds(upload.grace))
                    .bind(&records)
            })
            .await?;
        row.into_committed()
    }

    /// The answer of a completion that has been.
    /// # Errors
    /// `NoSuchUpload`.
    pub async fn completed_upload(&self, bucket: &str, key: &str, upload_id: &str) -> Result<CompletedUpload> {
        let row: Option<(String, Option<String>)> =
            self.fetch_optional(|| sqlx::query_as(COMPLETED).bind(bucket).bind(key).bind(upload_id)).await?;
        row.map(|(etag, version_id)| CompletedUpload { etag, version_id }).ok_or_else(|| Code::NoSuchUpload.into())
    }
}
