//! How referrers go: with their bucket, some time after their object, or because somebody has removed them. They are taken out
//! of sight first, then deleted at the store, then forgotten; as blobs are (`sweep.rs`).

use std::time::Duration;

use super::Index;
use super::convert::{seconds, to_digest, to_u64};
use crate::digest::Digest;
use crate::error::Result;

/// A referrer that is to be deleted at the store.
#[derive(Debug, Clone)]
pub struct CondemnedReferrer {
    /// The row.
    pub id: i64,
    /// The repository at the store.
    pub repository: String,
    /// The manifest.
    pub digest: Digest,
    /// Whether another row still needs the manifest, so that only this row is to go.
    pub is_named: bool,
}

const CLAIM: &str = "SELECT id, repository, digest, is_named FROM claim_condemned_referrers($1, $2)";

const FORGET: &str = "
    WITH forgotten AS (DELETE FROM referrers WHERE id = $1 AND condemned_at IS NOT NULL RETURNING 1)
    SELECT count(*) FROM forgotten";

impl Index {
    /// Looks at up to `limit` referrers that were not looked at for `interval`, and condemns those whose bucket is gone, whose
    /// object has been gone for `retention`, or whose manifest has not come for `pending`; how many it looked at.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn age_referrers(
        &self,
        limit: u32,
        interval: Duration,
        retention: Duration,
        pending: Duration,
    ) -> Result<u64> {
        const AGE: &str = "SELECT age_referrers($1, $2, $3, $4)";
        let (looked_at,): (i64,) = self
            .fetch_one(|| {
                sqlx::query_as(AGE)
                    .bind(i64::from(limit))
                    .bind(seconds(interval))
                    .bind(seconds(retention))
                    .bind(seconds(pending))
            })
            .await?;
        Ok(to_u64(looked_at))
    }

    /// Takes up to `limit` condemned referrers; the caller deletes each at the store and then forgets it. One that is not
    /// forgotten comes again.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_condemned_referrers(&self, limit: u32) -> Result<Vec<CondemnedReferrer>> {
        let rows: Vec<(i64, String, Vec<u8>, bool)> =
            self.fetch_all(|| sqlx::query_as(CLAIM).bind(i64::from(limit)).bind(seconds(self.reclaim_after))).await?;
        rows.into_iter()
            .map(|(id, repository, digest, is_named)| {
                Ok(CondemnedReferrer { id, repository, digest: to_digest(&digest)?, is_named })
            })
            .collect()
    }

    /// Forgets a condemned referrer: the store has answered that its manifest is deleted, or not there.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_referrer(&self, id: i64) -> Result<()> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(FORGET).bind(id)).await?;
        Ok(())
    }
}
