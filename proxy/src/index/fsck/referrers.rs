//! What refers to artifacts: manifests that must be at the store, and those there that no row names.

use crate::digest::Digest;
use crate::error::Result;
use crate::index::Index;
use crate::index::convert::{to_digest, to_u64};

/// A referrer as the index knows it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedReferrer {
    /// The row.
    pub id: i64,
    /// The repository at the store.
    pub repository: String,
    /// The bucket whose artifact it refers to; unset where there is none any more.
    pub bucket: Option<String>,
    /// The manifest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// What it refers to.
    pub subject: Digest,
    /// Whether its manifest must be at the store: it was stored, and nothing is to delete it.
    pub must_be_stored: bool,
}

const PAGE: &str = "
    SELECT r.id, r.repository, b.name AS bucket, r.digest, r.size, r.subject,
           r.stored_at IS NOT NULL AND r.condemned_at IS NULL AS must_be_stored
    FROM (SELECT * FROM referrers WHERE id > $1 ORDER BY id LIMIT $2) AS r
    LEFT JOIN buckets AS b ON b.placement_id = r.placement_id
    ORDER BY r.id";

const STILL: &str = "
    SELECT EXISTS (SELECT FROM referrers WHERE id = $1 AND stored_at IS NOT NULL AND condemned_at IS NULL)";

const BLOBS: &str = "
    SELECT digest, size FROM referrer_blobs WHERE referrer_id = $1 AND digest > $2 ORDER BY digest LIMIT $3";

/// One look a subject, by the index of referrers that are seen.
const NEXT_SUBJECT: &str = "
    SELECT subject FROM referrers
    WHERE repository = $1 AND subject > $2 AND stored_at IS NOT NULL AND condemned_at IS NULL
    ORDER BY subject LIMIT 1";

/// Of any state: whoever adds a manifest has its row before the store has it, and loses it after.
const KNOWN: &str = "SELECT EXISTS (SELECT FROM referrers WHERE repository = $1 AND digest = $2)";

#[derive(sqlx::FromRow)]
struct ReferrerRow {
    id: i64,
    repository: String,
    bucket: Option<String>,
    digest: Vec<u8>,
    size: i64,
    subject: Vec<u8>,
    must_be_stored: bool,
}

impl Index {
    /// Referrers behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_referrers(&self, after: i64, limit: u32) -> Result<Vec<CheckedReferrer>> {
        let rows: Vec<ReferrerRow> = self.fetch_all(|| sqlx::query_as(PAGE).bind(after).bind(i64::from(limit))).await?;
        rows.into_iter()
            .map(|row| {
                Ok(CheckedReferrer {
                    id: row.id,
                    repository: row.repository,
                    bucket: row.bucket,
                    digest: to_digest(&row.digest)?,
                    size: to_u64(row.size),
                    subject: to_digest(&row.subject)?,
                    must_be_stored: row.must_be_stored,
                })
            })
            .collect()
    }

    /// Whether a referrer's manifest must still be at the store.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_must_be_stored(&self, referrer: i64) -> Result<bool> {
        let (must,): (bool,) = self.fetch_one(|| sqlx::query_as(STILL).bind(referrer)).await?;
        Ok(must)
    }

    /// Digests and sizes of the blobs that a referrer's manifest names, behind a digest.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_referrer_blobs(
        &self,
        referrer: i64,
        after: Option<Digest>,
        limit: u32,
    ) -> Result<Vec<(Digest, u64)>> {
        let after = after.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default();
        let rows: Vec<(Vec<u8>, i64)> =
            self.fetch_all(|| sqlx::query_as(BLOBS).bind(referrer).bind(&after).bind(i64::from(limit))).await?;
        rows.iter().map(|(digest, size)| Ok((to_digest(digest)?, to_u64(*size)))).collect()
    }

    /// The subject behind `after` that something in a repository refers to.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_next_subject(&self, repository: &str, after: Option<Digest>) -> Result<Option<Digest>> {
        let after = after.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default();
        let row: Option<(Vec<u8>,)> =
            self.fetch_optional(|| sqlx::query_as(NEXT_SUBJECT).bind(repository).bind(&after)).await?;
        row.map(|(subject,)| to_digest(&subject)).transpose()
    }

    /// Whether a row of any state names a manifest.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_knows_manifest(&self, repository: &str, digest: &Digest) -> Result<bool> {
        let digest = digest.as_bytes().as_slice();
        let (known,): (bool,) = self.fetch_one(|| sqlx::query_as(KNOWN).bind(repository).bind(digest)).await?;
        Ok(known)
    }
}
