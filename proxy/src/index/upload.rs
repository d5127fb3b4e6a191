//! Multipart uploads: begun, looked up, given up. Their parts are in `part.rs`, their completion in `multipart.rs`.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;
use zas_policy::AccessControlList;

use super::audited::audited;
use super::convert::{check, seconds, to_i64, to_u64};
use super::{ChecksumType, Headers, Index, Metadata, NewLock, Tags};
use crate::audit::Record;
use crate::bucket_configuration::acl;
use crate::error::{Code, Error, Result};

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
    /// Tags of the object.
    pub tags: &'a Tags,
    /// Storage class of the object.
    pub storage_class: &'a str,
    /// How the object is locked, where the uploader says so.
    pub lock: NewLock,
    /// Who uploads.
    pub owner: &'a str,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
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

/// The columns of [`UploadRow`], of a table that is called `u`.
macro_rules! upload_columns {
    () => {
        "u.id, u.key, u.checksum_algorithm, u.checksum_type, u.storage_class, u.owner, u.initiated_at"
    };
}
pub(super) use upload_columns;

const CREATE: &str = audited!(
    10,
    "SELECT status, initiated, tag_upload($1, $11) AS tagged, lock_upload($1, $12, $13, $14) AS locked,
            CASE WHEN $15 IS NOT NULL THEN grant_upload($1, $15) END AS granted
     FROM create_upload($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);

const ABORT: &str = audited!(5, "SELECT abort_upload($1, $2, $3, $4) AS status");

/// No row: no bucket. A row of nothing: no upload. Room is asked for on behalf of an upload that is there.
const ONE: &str = concat!(
    "SELECT ",
    upload_columns!(),
    ", CASE WHEN u.id IS NOT NULL AND $4 IS NOT NULL THEN expect_room_for_part(b.id, u.id, $4, $5) END AS has_room
    FROM buckets b LEFT JOIN uploads u ON u.id = $3 AND u.bucket_id = b.id AND u.key = $2 WHERE b.name = $1"
);

/// Answers of completions are kept for a day.
const FORGET_COMPLETED: &str = "
    WITH old AS (
        SELECT id FROM completed_uploads WHERE completed_at < now() - interval '1 day'
        ORDER BY completed_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), forgotten AS (
        DELETE FROM completed_uploads USING old WHERE completed_uploads.id = old.id RETURNING 1
    )
    SELECT count(*) FROM forgotten";

/// An upload's columns, all of them nothing where there is none.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct UploadRow {
    id: Option<String>,
    key: Option<String>,
    checksum_algorithm: Option<String>,
    checksum_type: Option<String>,
    storage_class: Option<String>,
    owner: Option<String>,
    initiated_at: Option<OffsetDateTime>,
}

impl UploadRow {
    pub(super) fn into_upload(self) -> Option<Upload> {
        Some(Upload {
            id: self.id?,
            key: self.key?,
            checksum_algorithm: self.checksum_algorithm,
            checksum_type: self.checksum_type.as_deref().and_then(ChecksumType::parse),
            storage_class: self.storage_class?,
            owner: self.owner?,
            initiated_at: self.initiated_at?,
        })
    }
}

impl Index {
    /// Begins an upload.
    /// # Errors
    /// `NoSuchBucket`; `QuotaExceeded` where the bucket has no room for one more object.
    pub async fn create_upload(&self, upload: NewUpload<'_>) -> Result<Upload> {
        self.create_upload_with(upload, None).await
    }

    /// As [`Self::create_upload`], for an object with a list.
    /// # Errors
    /// As [`Self::create_upload`].
    pub async fn create_upload_with(&self, upload: NewUpload<'_>, list: Option<&AccessControlList>) -> Result<Upload> {
        let list = list.and_then(acl::written);
        // Version 7 grows with time: uploads of one key are listed in the order in which they began.
        let id = uuid::Uuid::now_v7().simple().to_string();
        let records = self.canonical(upload.audit);
        let (status, initiated_at): (String, Option<OffsetDateTime>) = self
            .fetch_one(|| {
                sqlx::query_as(CREATE)
                    .bind(&id)
                    .bind(upload.bucket)
                    .bind(upload.key)
                    .bind(upload.checksum_algorithm)
                    .bind(upload.checksum_type.map(ChecksumType::as_str))
                    .bind(Json(upload.headers))
                    .bind(Json(upload.metadata))
                    .bind(upload.storage_class)
                    .bind(upload.owner)
                    .bind(&records)
                    .bind((!upload.tags.is_empty()).then_some(Json(upload.tags)))
                    .bind(upload.lock.mode())
                    .bind(upload.lock.until())
                    .bind(upload.lock.legal_hold)
                    .bind(list.as_ref().map(Json))
            })
            .await?;
        check(&status)?;
        Ok(Upload {
            id,
            key: upload.key.to_owned(),
            checksum_algorithm: upload.checksum_algorithm.map(str::to_owned),
            checksum_type: upload.checksum_type,
            storage_class: upload.storage_class.to_owned(),
            owner: upload.owner.to_owned(),
            initiated_at: initiated_at.ok_or_else(|| Error::internal("create_upload answered without a row"))?,
        })
    }

    /// An upload by bucket, key and id. With a part, its number and size, the bucket must have room for it as things are now;
    /// its commit may be refused all the same.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `QuotaExceeded`.
    pub async fn upload(&self, bucket: &str, key: &str, upload_id: &str, part: Option<(i32, u64)>) -> Result<Upload> {
        let number = part.map(|(number, _)| number);
        let size = part.map(|(_, size)| to_i64(size)).transpose()?;
        let row: Option<UploadRow> = self
            .fetch_optional(|| sqlx::query_as(ONE).bind(bucket).bind(key).bind(upload_id).bind(number).bind(size))
            .await?;
        let row = row.ok_or(Code::NoSuchBucket)?;
        row.into_upload().ok_or_else(|| Code::NoSuchUpload.into())
    }

    /// Gives an upload up and lets its parts go.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn abort_upload(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        grace: Duration,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(ABORT).bind(bucket).bind(key).bind(upload_id).bind(seconds(grace)).bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Gives up to `limit` uploads up that began more than `ttl` ago, but for those whose end a lifecycle rule says; how many it was.
    /// Forgets as many old completions.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn abort_stale_uploads(&self, ttl: Duration, limit: u32, grace: Duration) -> Result<u64> {
        let limit = i64::from(limit);
        let (aborted,): (i64,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT abort_stale_uploads($1, $2, $3)")
                    .bind(seconds(ttl))
                    .bind(limit)
                    .bind(seconds(grace))
            })
            .await?;
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(FORGET_COMPLETED).bind(limit)).await?;
        Ok(to_u64(aborted))
    }
}
