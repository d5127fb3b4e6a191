//! Objects that wait to be signed because a rule of their bucket wants it.

use std::time::Duration;

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert::{check, seconds, to_u64};
use super::list::cut;
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::Result;

/// An object that is to be signed now.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SigningTask {
    /// The row.
    pub id: i64,
    /// Which attempt it is, from 1 on.
    pub attempts: i32,
    /// The object: what has this key later is another one, and waits by itself if a rule is about it.
    pub object_id: i64,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Its version.
    pub version_id: String,
    /// The rule that wants it.
    pub rule: String,
    /// The signing key.
    pub key_name: String,
    /// Whether older clients shall find a signature too.
    pub legacy: bool,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningEnd {
    /// It is signed.
    Done,
    /// It was not its time yet: it comes again after this, and that was no attempt.
    PutOff(Duration),
    /// It failed for this reason, and comes again after this.
    Retry(Duration, String),
    /// It failed for this reason, and is given up.
    GiveUp(String),
}

/// An object that waits, or was given up.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct QueuedSigning {
    /// The row; later ones have greater ids.
    pub id: i64,
    /// The key.
    pub key: String,
    /// The rule that wants it.
    pub rule: String,
    /// Since when it waits.
    pub queued_at: OffsetDateTime,
    /// When it is tried next.
    pub due_at: OffsetDateTime,
    /// How often it was tried.
    pub attempts: i32,
    /// What came of the last attempt.
    pub error: Option<String>,
    /// When it was given up.
    pub failed_at: Option<OffsetDateTime>,
}

/// How many objects wait, and how many were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SigningBacklog {
    /// Those that wait.
    pub waiting: u64,
    /// Those that were given up.
    pub failed: u64,
}

/// Whoever ends without a word leaves it due again when its lease ends.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM signing_queue WHERE due_at <= now() AND failed_at IS NULL
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE signing_queue AS q SET attempts = q.attempts + 1, due_at = clock_timestamp() + make_interval(secs => $1)
        FROM due WHERE q.id = due.id
        RETURNING q.id, q.attempts, q.object_id, q.rule_id
    )
    SELECT c.id, c.attempts, c.object_id, b.name AS bucket, o.key, o.version_id, r.name AS rule, r.key_name, r.legacy
    FROM claimed AS c
    JOIN objects AS o ON o.id = c.object_id JOIN signing_rules AS r ON r.id = c.rule_id JOIN buckets AS b ON b.id = r.bucket_id";

const DONE: &str = "DELETE FROM signing_queue WHERE id = $1 RETURNING 1::bigint";

const PUT_OFF: &str = "
    UPDATE signing_queue SET due_at = clock_timestamp() + make_interval(secs => $2), attempts = attempts - 1
    WHERE id = $1 RETURNING 1::bigint";

const RETRY: &str = "
    UPDATE signing_queue SET due_at = clock_timestamp() + make_interval(secs => $2), error = $3
    WHERE id = $1 RETURNING 1::bigint";

const GIVE_UP: &str =
    "UPDATE signing_queue SET failed_at = clock_timestamp(), error = $2 WHERE id = $1 RETURNING 1::bigint";

const LIST: &str = "
    SELECT q.id, o.key, r.name AS rule, q.queued_at, q.due_at, q.attempts, q.error, q.failed_at
    FROM buckets AS b
    JOIN signing_rules AS r ON r.bucket_id = b.id
    JOIN signing_queue AS q ON q.rule_id = r.id
    JOIN objects AS o ON o.id = q.object_id
    WHERE b.name = $1 AND q.id > $2 AND ($3::boolean IS NULL OR (q.failed_at IS NOT NULL) = $3)
    ORDER BY q.id LIMIT $4";

const BACKLOG: &str = "
    SELECT count(*) FILTER (WHERE failed_at IS NULL), count(*) FILTER (WHERE failed_at IS NOT NULL) FROM signing_queue";

const BACKLOG_OF: &str = "
    SELECT count(*) FILTER (WHERE q.failed_at IS NULL), count(*) FILTER (WHERE q.failed_at IS NOT NULL)
    FROM buckets AS b JOIN signing_rules AS r ON r.bucket_id = b.id JOIN signing_queue AS q ON q.rule_id = r.id
    WHERE b.name = $1";

const RETRY_ALL: &str = audited!(2, "SELECT status, retried FROM retry_signing($1)");

const IS_SIGNED: &str = "
    SELECT EXISTS (
        SELECT FROM buckets AS b JOIN referrers AS r ON r.repository = referrer_repository(b.placement_id)
        WHERE b.name = $1 AND r.subject = $2 AND r.stored_at IS NOT NULL AND r.condemned_at IS NULL
          AND r.owner = $3 AND r.annotations->>$4 = $5
    )";

impl Index {
    /// Takes the next object that is due, for `lease`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_signing(&self, lease: Duration) -> Result<Option<SigningTask>> {
        Ok(self.fetch_optional(|| sqlx::query_as(CLAIM).bind(seconds(lease))).await?)
    }

    /// Says what became of it; nothing where it is gone meanwhile.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn end_signing(&self, id: i64, end: &SigningEnd) -> Result<()> {
        let _: Option<(i64,)> = self
            .fetch_optional(|| match end {
                SigningEnd::Done => sqlx::query_as(DONE).bind(id),
                SigningEnd::PutOff(wait) => sqlx::query_as(PUT_OFF).bind(id).bind(seconds(*wait)),
                SigningEnd::Retry(wait, error) => sqlx::query_as(RETRY).bind(id).bind(seconds(*wait)).bind(error),
                SigningEnd::GiveUp(error) => sqlx::query_as(GIVE_UP).bind(id).bind(error),
            })
            .await?;
        Ok(())
    }

    /// What waits in a bucket behind the row `after`, and whether there is more; with `failed`, only what was given up, or only what
    /// was not.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn signing_queue(
        &self,
        bucket: &str,
        failed: Option<bool>,
        after: i64,
        limit: u32,
    ) -> Result<(Vec<QueuedSigning>, bool)> {
        let more = i64::from(limit) + 1;
        let rows: Vec<QueuedSigning> =
            self.fetch_all(|| sqlx::query_as(LIST).bind(bucket).bind(after).bind(failed).bind(more)).await?;
        Ok(cut(rows, limit))
    }

    /// How much waits, in a bucket or in all of them.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn signing_backlog(&self, bucket: Option<&str>) -> Result<SigningBacklog> {
        let (waiting, failed): (i64, i64) = match bucket {
            Some(bucket) => self.fetch_one(|| sqlx::query_as(BACKLOG_OF).bind(bucket)).await?,
            None => self.fetch_one(|| sqlx::query_as(BACKLOG)).await?,
        };
        Ok(SigningBacklog { waiting: to_u64(waiting), failed: to_u64(failed) })
    }

    /// Lets everything be tried again that was given up in a bucket; how much it was.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn retry_signing(&self, bucket: &str, audit: &[Record]) -> Result<u64> {
        let records = self.canonical(audit);
        let (status, retried): (String, Option<i64>) =
            self.fetch_one(|| sqlx::query_as(RETRY_ALL).bind(bucket).bind(&records)).await?;
        check(&status)?;
        Ok(to_u64(retried.unwrap_or_default()))
    }

    /// Whether `owner` has attached something to an object of this manifest that has the annotation.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn has_attached(
        &self,
        bucket: &str,
        subject: &Digest,
        owner: &str,
        (name, value): (&str, &str),
    ) -> Result<bool> {
        let subject = subject.as_bytes().as_slice();
        let (found,): (bool,) = self
            .fetch_one(|| sqlx::query_as(IS_SIGNED).bind(bucket).bind(subject).bind(owner).bind(name).bind(value))
            .await?;
        Ok(found)
    }
}
