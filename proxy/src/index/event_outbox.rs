//! Events that are to be told: taken lane by lane, so that of a key each target hears in order (`migrations/0030_events.sql`).

use std::time::Duration;

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert::{check, seconds, to_u64};
use super::list::cut;
use crate::audit::Record;
use crate::error::Result;

/// Something that has happened to an object, and that a target is to hear of.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    /// The row; of a key, later events have greater ids.
    pub id: i64,
    /// Whose attempt it is.
    pub claim: i64,
    /// Which attempt it is, from 1 on; 0: there was none.
    pub attempts: i32,
    /// The configuration of the bucket's document that asks for it.
    pub rule: String,
    /// The bucket.
    pub bucket: String,
    /// Whose bucket it is.
    pub owner: String,
    /// The bucket's region.
    pub region: String,
    /// The key.
    pub key: String,
    /// What has happened, as S3 names it, without `s3:`.
    pub event: String,
    /// The version; none in a bucket that never had any.
    pub version_id: Option<String>,
    /// Bytes of the object.
    pub size: Option<i64>,
    /// Its `ETag`, without quotes.
    pub etag: Option<String>,
    /// Who has done it.
    pub principal: Option<String>,
    /// When.
    pub occurred_at: OffsetDateTime,
    /// What came of the last attempt.
    pub error: Option<String>,
    /// When it was given up.
    pub failed_at: Option<OffsetDateTime>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventEnd {
    /// It was taken.
    Delivered,
    /// It was not, for this reason, and comes again after this; what is behind it in its lane waits for it.
    Retry(Duration, String),
    /// It was not, for this reason, and is dead.
    GiveUp(String),
}

/// What waits for a target, and what is dead.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventBacklog {
    /// The target.
    pub target: String,
    /// Events that wait.
    pub pending: i64,
    /// Events that are dead.
    pub failed: i64,
    /// When the oldest of those that wait has happened.
    pub oldest: Option<OffsetDateTime>,
}

/// What was given up of a bucket's events because too many of them wait for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOverflow {
    /// The target.
    pub target: String,
    /// The bucket.
    pub bucket: String,
    /// How many it was.
    pub events: u64,
}

const CLAIM: &str = "SELECT * FROM claim_event($1, $2)";

const END: &str = "SELECT end_event($1, $2, $3, $4, $5)";

const REDELIVER: &str = audited!(3, "SELECT status, redelivered FROM redeliver_events($1, $2)");

const DEAD: &str = "
    SELECT * FROM event_outbox WHERE target = $1 AND failed_at IS NOT NULL AND id > $2 ORDER BY id LIMIT $3";

const BACKLOG: &str = "
    SELECT target, sum(pending)::bigint AS pending, sum(failed)::bigint AS failed, min(oldest) AS oldest
    FROM (
        SELECT target, count(*) AS pending, 0 AS failed, min(occurred_at) AS oldest
        FROM event_outbox WHERE failed_at IS NULL AND ($1::text[] IS NULL OR target = ANY ($1)) GROUP BY target
        UNION ALL
        SELECT target, 0, count(*), NULL
        FROM event_outbox WHERE failed_at IS NOT NULL AND ($1::text[] IS NULL OR target = ANY ($1)) GROUP BY target
    ) AS counted
    GROUP BY target ORDER BY target";

const BOUND: &str = "SELECT target, bucket, events FROM bound_events($1, $2)";

const END_STRAY: &str = "SELECT target, events FROM end_stray_events($1, $2, $3)";

const FORGET: &str = "SELECT target, events FROM forget_dead_events($1, $2, $3)";

impl Index {
    /// Takes the next event for a target, for `lease`: the first of a key that nobody is at.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_event(&self, target: &str, lease: Duration) -> Result<Option<Event>> {
        Ok(self.fetch_optional(|| sqlx::query_as(CLAIM).bind(target).bind(seconds(lease))).await?)
    }

    /// Says what became of it. False where the lease was over, and another has taken it since.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn end_event(&self, event: &Event, end: &EventEnd) -> Result<bool> {
        let (outcome, wait, error) = match end {
            EventEnd::Delivered => ("delivered", Duration::ZERO, None),
            EventEnd::Retry(wait, error) => ("retry", *wait, Some(error.as_str())),
            EventEnd::GiveUp(error) => ("dead", Duration::ZERO, Some(error.as_str())),
        };
        let (is_ours,): (bool,) = self
            .fetch_one(|| {
                sqlx::query_as(END).bind(event.id).bind(event.claim).bind(outcome).bind(seconds(wait)).bind(error)
            })
            .await?;
        Ok(is_ours)
    }

    /// What waits and what is dead, of these targets or of all, as far as they have any.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn event_backlog(&self, targets: Option<&[&str]>) -> Result<Vec<EventBacklog>> {
        Ok(self.fetch_all(|| sqlx::query_as(BACKLOG).bind(targets)).await?)
    }

    /// Dead events of a target behind the row `after`, and whether there are more.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn dead_events(&self, target: &str, after: i64, limit: u32) -> Result<(Vec<Event>, bool)> {
        let more = i64::from(limit) + 1;
        let rows = self.fetch_all(|| sqlx::query_as(DEAD).bind(target).bind(after).bind(more)).await?;
        Ok(cut(rows, limit))
    }

    /// Lets up to `limit` dead events of a target be told after all, the oldest first; how many it was.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn redeliver_events(&self, target: &str, limit: u32, audit: &[Record]) -> Result<u64> {
        let records = self.canonical(audit);
        let (status, redelivered): (String, Option<i64>) =
            self.fetch_one(|| sqlx::query_as(REDELIVER).bind(target).bind(i64::from(limit)).bind(&records)).await?;
        check(&status)?;
        Ok(to_u64(redelivered.unwrap_or_default()))
    }

    /// Gives up what is beyond `most` events of a bucket that wait for a target, the newest first, up to `limit` in all. Nothing where
    /// another replica keeps events up.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn bound_events(&self, most: u32, limit: u32) -> Result<Vec<EventOverflow>> {
        let rows: Vec<(String, String, i64)> =
            self.fetch_all(|| sqlx::query_as(BOUND).bind(i64::from(most)).bind(i64::from(limit))).await?;
        let overflow = |(target, bucket, count)| EventOverflow { target, bucket, events: to_u64(count) };
        Ok(rows.into_iter().map(overflow).collect())
    }

    /// Gives up what has waited for `age` for targets that are neither in the index nor in `configured`, up to `limit`; how many it was,
    /// by target. Nothing where another replica keeps events up.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn end_stray_events(
        &self,
        configured: &[String],
        age: Duration,
        limit: u32,
    ) -> Result<Vec<(String, u64)>> {
        let rows: Vec<(String, i64)> = self
            .fetch_all(|| sqlx::query_as(END_STRAY).bind(configured).bind(seconds(age)).bind(i64::from(limit)))
            .await?;
        Ok(rows.into_iter().map(|(target, count)| (target, to_u64(count))).collect())
    }

    /// Forgets dead events that are older than `retention`, and of one target those beyond `most`; up to `limit` of each kind. How many it
    /// was, by target; a target may be there twice. Nothing where another replica keeps events up.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_dead_events(&self, retention: Duration, most: u32, limit: u32) -> Result<Vec<(String, u64)>> {
        let rows: Vec<(String, i64)> = self
            .fetch_all(|| sqlx::query_as(FORGET).bind(seconds(retention)).bind(i64::from(most)).bind(i64::from(limit)))
            .await?;
        Ok(rows.into_iter().map(|(target, count)| (target, to_u64(count))).collect())
    }
}
