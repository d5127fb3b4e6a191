//! What repairs change in the index; each with its audit record. Counters are recounted by `index/quota.rs`.

use std::time::Duration;

use crate::audit::Record;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::audited::audited;
use crate::index::convert::{check, seconds, to_i64};
use crate::index::{BlobRef, Index};

/// A manifest at the store that no row names.
#[derive(Debug, Clone, Copy)]
pub struct OrphanManifest<'a> {
    /// The repository.
    pub repository: &'a str,
    /// The placement that the repository belongs to.
    pub placement_id: i64,
    /// The manifest.
    pub digest: &'a Digest,
    /// What it refers to.
    pub subject: &'a Digest,
    /// Its media type.
    pub media_type: &'a str,
    /// Its size.
    pub size: u64,
}

const PIN: &str = audited!(5, "SELECT status, pin_id FROM fsck_pin_blob($1, $2, $3, $4)");

const ADOPT: &str = audited!(5, "SELECT fsck_adopt_blob($1, $2, $3, $4) AS status");

const CLOSE: &str = audited!(2, "SELECT fsck_close_session($1) AS status");

const CONDEMN: &str = audited!(7, "SELECT fsck_condemn_manifest($1, $2, $3, $4, $5, $6) AS status");

impl Index {
    /// Pins a blob for `ttl`; the pin's row. With `is_orphan` only where nothing names or pins it: the sweep deletes it when the pin
    /// is due, unless something names it by then.
    /// # Errors
    /// `OperationAborted` where the blob is gone, condemned or, with `is_orphan`, no orphan any more.
    pub async fn fsck_pin(&self, blob: BlobRef, ttl: Duration, is_orphan: bool, audit: &[Record]) -> Result<i64> {
        let records = self.canonical(audit);
        let (status, pin): (String, Option<i64>) = self
            .fetch_one(|| {
                sqlx::query_as(PIN)
                    .bind(blob.repository_id)
                    .bind(blob.digest.as_bytes().as_slice())
                    .bind(seconds(ttl))
                    .bind(is_orphan)
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        Ok(pin.unwrap_or_default())
    }

    /// Makes a blob known that is at the store and was not: the sweep deletes it after `ttl`, unless something names it by then.
    /// # Errors
    /// `OperationAborted` where the index knows it by now.
    pub async fn fsck_adopt(&self, blob: BlobRef, size: u64, ttl: Duration, audit: &[Record]) -> Result<()> {
        let (records, size) = (self.canonical(audit), to_i64(size)?);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(ADOPT)
                    .bind(blob.repository_id)
                    .bind(blob.digest.as_bytes().as_slice())
                    .bind(size)
                    .bind(seconds(ttl))
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Forgets an upload session that was cancelled at the store.
    /// # Errors
    /// `OperationAborted` where somebody else has by now.
    pub async fn fsck_close(&self, session: i64, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self.fetch_one(|| sqlx::query_as(CLOSE).bind(session).bind(&records)).await?;
        check(&status)
    }

    /// Condemns a manifest that no row names: it is deleted at the store as any other that was condemned.
    /// # Errors
    /// `OperationAborted` where a row names it by now.
    pub async fn fsck_condemn(&self, orphan: OrphanManifest<'_>, audit: &[Record]) -> Result<()> {
        let (records, size) = (self.canonical(audit), to_i64(orphan.size)?);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(CONDEMN)
                    .bind(orphan.repository)
                    .bind(orphan.placement_id)
                    .bind(orphan.digest.as_bytes().as_slice())
                    .bind(orphan.subject.as_bytes().as_slice())
                    .bind(orphan.media_type)
                    .bind(size)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }
}
