//! Verifications that somebody waits for: a queue that all replicas share, and the answers for a while.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Index;
use super::audited::audited;
use super::convert::{check, seconds};
use crate::audit::Record;
use crate::error::Result;

/// A verification that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct QueuedVerification {
    /// Its id.
    pub id: Uuid,
    /// The artifact, as it was named.
    pub artifact: String,
    /// What was asked, as JSON.
    pub request: String,
    /// Who asked.
    pub owner: String,
    /// When.
    pub queued_at: OffsetDateTime,
    /// How often it was begun.
    pub attempts: i32,
    /// When it was begun last.
    pub begun_at: Option<OffsetDateTime>,
    /// When it was done.
    pub finished_at: Option<OffsetDateTime>,
    /// The HTTP status of the answer.
    pub status: Option<i16>,
    /// The answer, as JSON.
    pub answer: Option<String>,
}

const QUEUE: &str = audited!(6, "SELECT queue_verification($1, $2, $3, $4, $5) AS status");

const ONE: &str = "
    SELECT id, artifact, request, owner, queued_at, attempts, begun_at, finished_at, status, answer
    FROM verifications WHERE id = $1";

/// Whoever ends without a word leaves it due again when its lease ends.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM verifications WHERE due_at <= now() AND finished_at IS NULL
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE verifications AS v
    SET attempts = v.attempts + 1, begun_at = clock_timestamp(), due_at = clock_timestamp() + make_interval(secs => $1)
    FROM due WHERE v.id = due.id
    RETURNING v.id, v.artifact, v.request, v.owner, v.queued_at, v.attempts, v.begun_at, v.finished_at, v.status, v.answer";

const PUT_OFF: &str = "
    UPDATE verifications SET due_at = clock_timestamp() + make_interval(secs => $2)
    WHERE id = $1 AND finished_at IS NULL RETURNING 1::bigint";

const FINISH: &str = "
    UPDATE verifications SET finished_at = clock_timestamp(), status = $2, answer = $3
    WHERE id = $1 AND finished_at IS NULL RETURNING 1::bigint";

const FORGET: &str = "
    WITH old AS MATERIALIZED (
        SELECT id FROM verifications WHERE finished_at < clock_timestamp() - make_interval(secs => $1) LIMIT $2
    ), forgotten AS (DELETE FROM verifications AS v USING old WHERE v.id = old.id RETURNING v.id)
    SELECT count(*) FROM forgotten";

impl Index {
    /// Queues a verification.
    /// # Errors
    /// `SlowDown` where `most` wait already.
    pub async fn queue_verification(
        &self,
        id: Uuid,
        (artifact, request): (&str, &str),
        owner: &str,
        most: u32,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(QUEUE)
                    .bind(id)
                    .bind(artifact)
                    .bind(request)
                    .bind(owner)
                    .bind(i64::from(most))
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// One of them.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn verification(&self, id: Uuid) -> Result<Option<QueuedVerification>> {
        Ok(self.fetch_optional(|| sqlx::query_as(ONE).bind(id)).await?)
    }

    /// Takes the next that is due, for `lease`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_verification(&self, lease: Duration) -> Result<Option<QueuedVerification>> {
        Ok(self.fetch_optional(|| sqlx::query_as(CLAIM).bind(seconds(lease))).await?)
    }

    /// Lets one come again after a while.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn put_off_verification(&self, id: Uuid, pause: Duration) -> Result<()> {
        let _: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(PUT_OFF).bind(id).bind(seconds(pause))).await?;
        Ok(())
    }

    /// Keeps the answer of one.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn finish_verification(&self, id: Uuid, status: u16, answer: &str) -> Result<()> {
        let status = i16::try_from(status).unwrap_or(500);
        let _: Option<(i64,)> =
            self.fetch_optional(|| sqlx::query_as(FINISH).bind(id).bind(status).bind(answer)).await?;
        Ok(())
    }

    /// Forgets answers of this age; how many.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_verifications(&self, retention: Duration, limit: u32) -> Result<i64> {
        let (forgotten,): (i64,) =
            self.fetch_one(|| sqlx::query_as(FORGET).bind(seconds(retention)).bind(i64::from(limit))).await?;
        Ok(forgotten)
    }
}
