//! Parts of multipart uploads.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::audited::audited;
use super::convert::{check, seconds, to_i64, to_u64};
use super::upload::{UploadRow, upload_columns};
use super::{Checksums, Index, PinnedBlob, Segment, Upload};
use crate::audit::Record;
use crate::error::{Code, Error, Result};

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
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
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

const PUT: &str =
    audited!(14, "SELECT status, modified_at FROM put_part($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");

/// No row: no bucket. A row without an upload: no upload. A row without a part: none behind the marker.
const LIST: &str = concat!(
    "SELECT ",
    upload_columns!(),
    ", p.part_number, p.size, p.etag, p.checksums, p.last_modified
    FROM buckets b
    LEFT JOIN uploads u ON u.id = $3 AND u.bucket_id = b.id AND u.key = $2
    LEFT JOIN LATERAL (
        SELECT * FROM upload_parts WHERE upload_id = u.id AND part_number > $4 ORDER BY part_number LIMIT $5
    ) p ON true
    WHERE b.name = $1
    ORDER BY p.part_number"
);

#[derive(sqlx::FromRow)]
struct PartRow {
    #[sqlx(flatten)]
    upload: UploadRow,
    part_number: Option<i32>,
    size: Option<i64>,
    etag: Option<String>,
    checksums: Option<Json<Checksums>>,
    last_modified: Option<OffsetDateTime>,
}

impl PartRow {
    fn split(self) -> (UploadRow, Option<Part>) {
        let part = (|| {
            Some(Part {
                part_number: self.part_number?,
                size: to_u64(self.size?),
                etag: self.etag?,
                checksums: self.checksums?.0,
                last_modified: self.last_modified?,
            })
        })();
        (self.upload, part)
    }
}

impl Index {
    /// Commits a part, replacing one of the same number.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `QuotaExceeded`; `NoSuchKey` where the blob of a copied segment is gone; `OperationAborted` where the pin had lapsed.
    pub async fn put_part(&self, part: NewPart<'_>) -> Result<OffsetDateTime> {
        let size = to_i64(part.size)?;
        let records = self.canonical(part.audit);
        let sizes = part.segments.iter().map(|s| to_i64(s.size)).collect::<Result<Vec<i64>>>()?;
        let offsets = part.segments.iter().map(|s| to_i64(s.blob_offset)).collect::<Result<Vec<i64>>>()?;
        let repositories: Vec<i64> = part.segments.iter().map(|s| s.blob.repository_id).collect();
        let digests: Vec<&[u8]> = part.segments.iter().map(|s| s.blob.digest.as_bytes().as_slice()).collect();
        let (status, modified_at): (String, Option<OffsetDateTime>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(part.bucket)
                    .bind(part.key)
                    .bind(part.upload_id)
                    .bind(part.part_number)
                    .bind(size)
                    .bind(part.etag)
                    .bind(Json(part.checksums))
                    .bind(&sizes)
                    .bind(&repositories)
                    .bind(&digests)
                    .bind(&offsets)
                    .bind(part.pin.map(|pinned| pinned.pin_id))
                    .bind(seconds(part.grace))
                    .bind(&records)
            })
            .await
            .map_err(|failure| match (failure.is_blob_gone(), part.pin) {
                (true, Some(_)) => Error::from(Code::OperationAborted).source(failure),
                (true, None) => Error::from(Code::NoSuchKey).source(failure),
                (false, _) => failure.into(),
            })?;
        check(&status)?;
        modified_at.ok_or_else(|| Error::internal("put_part answered without a time"))
    }

    /// Parts behind `after`, at most `limit`.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn parts(&self, bucket: &str, key: &str, upload_id: &str, after: i32, limit: u32) -> Result<PartPage> {
        let fetch = i64::from(limit) + i64::from(limit > 0);
        let rows: Vec<PartRow> = self
            .fetch_all(|| sqlx::query_as(LIST).bind(bucket).bind(key).bind(upload_id).bind(after).bind(fetch))
            .await?;
        let mut rows = rows.into_iter().map(PartRow::split);
        let (upload, first) = rows.next().ok_or(Code::NoSuchBucket)?;
        let upload = upload.into_upload().ok_or(Code::NoSuchUpload)?;
        let parts = first.into_iter().chain(rows.filter_map(|(_, part)| part)).collect();
        let (parts, truncated) = super::list::cut(parts, limit);
        Ok(PartPage { upload, parts, truncated })
    }
}
