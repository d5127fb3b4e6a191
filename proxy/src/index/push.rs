//! What was put or deleted at the registry: written down before a request is forwarded, and followed when it is over.
//!
//! What does not live here: what it is about (`supply_chain::evidence`), and what counts for nothing meanwhile: `known_of`
//! (`index/evidence.rs`) and `verdict_counts` (`migrations/0028_verdicts.sql`) ask for deletions that are under way.

use std::time::Duration;

use time::OffsetDateTime;

use super::Index;
use super::convert::{seconds, to_digest};
use crate::digest::Digest;
use crate::error::Result;

/// A manifest that was put or deleted at the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The repository.
    pub repository: String,
    /// The tag or digest.
    pub reference: String,
    /// When it was told.
    pub told_at: OffsetDateTime,
    /// How often it was taken.
    pub attempts: i32,
}

const CLAIM_PUSH: &str = "
    WITH due AS MATERIALIZED (
        SELECT repository, reference FROM evidence_pushes WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE evidence_pushes AS p
    SET attempts = p.attempts + 1,
        due_at = clock_timestamp() + LEAST(interval '1 hour', make_interval(secs => $1 * power(2, LEAST(p.attempts, 10))))
    FROM due WHERE p.repository = due.repository AND p.reference = due.reference
    RETURNING p.repository, p.reference, p.told_at, p.attempts";

/// One that was told again meanwhile stays.
const FORGET_PUSH: &str = "
    WITH gone AS (DELETE FROM evidence_pushes WHERE repository = $1 AND reference = $2 AND told_at = $3 RETURNING 1)
    SELECT count(*) FROM gone";

const EXPECT_PUSH: &str = "
    WITH expected AS (
        INSERT INTO evidence_pushes AS p (repository, reference, due_at)
        SELECT $1, named.reference, clock_timestamp() + make_interval(secs => $3)
        FROM (SELECT DISTINCT reference FROM unnest($2::text[]) AS reference) AS named ORDER BY named.reference
        ON CONFLICT (repository, reference) DO UPDATE SET
            told_at = clock_timestamp(), due_at = LEAST(p.due_at, EXCLUDED.due_at), attempts = 0
        RETURNING 1
    )
    SELECT count(*) FROM expected";

/// Every replica is told of what it may be about, for each remembers what is known.
const EXPECT_DELETION: &str = "
    WITH expected AS (
        INSERT INTO evidence_pushes AS p (repository, reference, due_at, is_deletion)
        SELECT $1, named.reference, clock_timestamp() + make_interval(secs => $3), true
        FROM (SELECT DISTINCT reference FROM unnest($2::text[]) AS reference) AS named ORDER BY named.reference
        ON CONFLICT (repository, reference) DO UPDATE SET
            told_at = clock_timestamp(), due_at = LEAST(p.due_at, EXCLUDED.due_at), attempts = 0, is_deletion = true
        RETURNING 1
    ), concerned AS (
        SELECT s.digest FROM evidence e JOIN evidence_subjects s ON s.id = e.subject_id JOIN sbom_scopes c ON c.id = s.scope_id
        WHERE e.carrier = ANY ($4) AND c.kind = 'repository' AND c.name = $1
        UNION SELECT unnest($4)
    )
    SELECT digest, tell_evidence('repository', $1, digest)::text FROM concerned";

const PUSHED: &str = "
    WITH due AS (
        UPDATE evidence_pushes SET told_at = clock_timestamp(), due_at = clock_timestamp()
        WHERE repository = $1 AND reference = ANY ($2) RETURNING 1
    )
    SELECT count(*) FROM due";

impl Index {
    /// Writes down that a manifest is about to be put at the registry, by these tags and digests: it is asked about each after
    /// `grace` at the latest.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn expect_push(&self, repository: &str, references: &[String], grace: Duration) -> Result<()> {
        let _: (i64,) = self
            .fetch_one(|| sqlx::query_as(EXPECT_PUSH).bind(repository).bind(references).bind(seconds(grace)))
            .await?;
        Ok(())
    }

    /// As [`expect_push`](Self::expect_push), of a manifest that is about to be deleted: in the same transaction whatever it has said
    /// counts for nothing, until somebody has looked at what became of it. The artifacts that it may be about.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn expect_deletion(
        &self,
        repository: &str,
        references: &[String],
        grace: Duration,
    ) -> Result<Vec<Digest>> {
        let digests: Vec<Digest> = references.iter().filter_map(|reference| reference.parse().ok()).collect();
        let carriers: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes().as_slice()).collect();
        let rows: Vec<(Vec<u8>, Option<String>)> = self
            .fetch_all(|| {
                sqlx::query_as(EXPECT_DELETION).bind(repository).bind(references).bind(seconds(grace)).bind(&carriers)
            })
            .await?;
        rows.iter().map(|(digest, _)| to_digest(digest)).collect()
    }

    /// Says that the request about a manifest is over: it is asked about now.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn pushed(&self, repository: &str, references: &[String]) -> Result<()> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(PUSHED).bind(repository).bind(references)).await?;
        Ok(())
    }

    /// Takes a push that is due, for `lease`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_push(&self, lease: Duration) -> Result<Option<Push>> {
        let row: Option<(String, String, OffsetDateTime, i32)> =
            self.fetch_optional(|| sqlx::query_as(CLAIM_PUSH).bind(seconds(lease))).await?;
        Ok(row.map(|(repository, reference, told_at, attempts)| Push { repository, reference, told_at, attempts }))
    }

    /// Forgets a push that was dealt with.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_push(&self, push: &Push) -> Result<()> {
        let _: (i64,) = self
            .fetch_one(|| sqlx::query_as(FORGET_PUSH).bind(&push.repository).bind(&push.reference).bind(push.told_at))
            .await?;
        Ok(())
    }
}
