//! Reading the audit log, for those who check it, ask it, or are told of it. Everything is read in pages by key.

use std::collections::HashSet;

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::convert::seconds;
use super::{AuditHead, Index};
use crate::error::Result;

/// An event's row.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditEvent {
    /// When it happened.
    pub time: OffsetDateTime,
    /// Its id.
    pub id: Uuid,
    /// Who wrote it down.
    pub writer: Uuid,
    /// The record's kind.
    pub kind: String,
    /// The request.
    pub request_id: Option<String>,
    /// Who asked.
    pub principal: Option<String>,
    /// Bucket or repository.
    pub resource: Option<String>,
    /// What was asked for.
    pub action: Option<String>,
    /// What was answered.
    pub status: Option<i32>,
    /// The canonical bytes.
    pub record: String,
    /// Whether it is an intent whose outcome was not heard of.
    #[sqlx(default)]
    pub is_open: bool,
}

/// A seal's row.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditSeal {
    /// Whose chain.
    pub writer: Uuid,
    /// From 1 without a gap.
    pub number: i64,
    /// Whose events, where not the writer's own.
    pub origin: Option<Uuid>,
    /// The hash of the seal before.
    pub previous: Vec<u8>,
    /// When the events happened.
    pub times: Vec<OffsetDateTime>,
    /// The events.
    pub ids: Vec<Uuid>,
    /// SHA-256 of each record, one after the other.
    pub hashes: Vec<u8>,
    /// The seal's hash.
    pub hash: Vec<u8>,
}

/// A day that was retired.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditTombstone {
    /// The day.
    pub day: Date,
    /// The event that says so.
    pub event_time: OffsetDateTime,
    /// The event that says so.
    pub event_id: Uuid,
    /// Where each chain stood at the end of the day: JSON.
    pub heads: String,
}

/// What is looked for in the log.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    /// Events from then on.
    pub from: OffsetDateTime,
    /// Events before then.
    pub to: OffsetDateTime,
    /// Of this bucket or repository.
    pub resource: Option<String>,
    /// Of this principal, as records name it.
    pub principal: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// With this status.
    pub status: Option<u16>,
    /// Of this request.
    pub request_id: Option<String>,
}

/// A place in the log: events behind it have a later time, or the same and a larger id.
pub type AuditPlace = (OffsetDateTime, Uuid);

macro_rules! event_columns {
    () => {
        "e.time, e.id, e.writer, e.kind, e.request_id, e.principal, e.resource, e.action, e.status, e.record"
    };
}

/// The writers, one step of the index each.
const WRITERS: &str = "
    WITH RECURSIVE known AS (
        (SELECT writer FROM audit_seal ORDER BY writer LIMIT 1)
        UNION ALL
        SELECT next.writer FROM known CROSS JOIN LATERAL (
            SELECT s.writer FROM audit_seal AS s WHERE s.writer > known.writer ORDER BY s.writer LIMIT 1
        ) AS next
    )
    SELECT writer FROM known";

const SEALS: &str = "
    SELECT writer, number, origin, previous, times, ids, hashes, hash FROM audit_seal
    WHERE writer = $1 AND number > $2 AND sealed_at >= $3 ORDER BY number LIMIT $4";

const EVENTS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM unnest($1::timestamptz[], $2::uuid[]) AS t (time, id)
    JOIN audit_event AS e ON e.time = t.time AND e.id = t.id
    WHERE e.time BETWEEN $3 AND $4"
);

const KEYS: &str = "
    SELECT time, id FROM audit_event WHERE time < $1 AND (time, id) > ($2, $3) AND time >= $2 ORDER BY time, id LIMIT $4";

const UNACCOUNTED: &str = "
    SELECT time, id FROM audit_event WHERE time >= $1 AND time < $2
    EXCEPT SELECT unnest(times), unnest(ids) FROM audit_seal WHERE sealed_at >= $1 - interval '10 minutes'
    EXCEPT SELECT time, id FROM audit_unsealed
    ORDER BY 1, 2 LIMIT 1";

/// One statement a leading column, so that each walks the index that is made for it; the other filters look at its rows.
macro_rules! search {
    ($leading:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", i.id IS NOT NULL AND i.time < now() - interval '10 minutes' AS is_open
            FROM audit_event AS e LEFT JOIN audit_intent AS i ON i.id = e.id
            WHERE e.time >= $1 AND e.time < $2 AND (e.time, e.id) > ($3, $4) AND ",
            $leading,
            " AND ($5::text IS NULL OR e.resource = $5) AND ($6::text IS NULL OR e.principal = $6)
            AND ($7::text IS NULL OR e.action = $7) AND ($8::integer IS NULL OR e.status = $8)
            AND ($9::text IS NULL OR e.request_id = $9)
            ORDER BY e.time, e.id LIMIT $10"
        )
    };
}

impl Index {
    /// Events that pass the filter behind `after`, in the order of time and id, at most `limit`.
    /// # Errors
    /// `IndexUnavailable`, also where too little is found in too large a range.
    pub async fn audit_events(
        &self,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>> {
        let statement = match (&filter.resource, &filter.principal) {
            (Some(_), _) => search!("e.resource = $5"),
            (None, Some(_)) => search!("e.principal = $6"),
            (None, None) => search!("true"),
        };
        let (time, id) = after.unwrap_or((filter.from, Uuid::nil()));
        let rows = self
            .fetch_all(|| {
                sqlx::query_as(statement)
                    .bind(filter.from.max(time))
                    .bind(filter.to)
                    .bind(time)
                    .bind(id)
                    .bind(filter.resource.as_deref())
                    .bind(filter.principal.as_deref())
                    .bind(filter.action.as_deref())
                    .bind(filter.status.map(i32::from))
                    .bind(filter.request_id.as_deref())
                    .bind(i64::from(limit))
            })
            .await?;
        Ok(rows)
    }

    /// Everybody who has a seal.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_writers(&self) -> Result<Vec<Uuid>> {
        let rows: Vec<(Uuid,)> = self.fetch_all(|| sqlx::query_as(WRITERS)).await?;
        Ok(rows.into_iter().map(|(writer,)| writer).collect())
    }

    /// The heads of all chains, as their writers noted them.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_heads(&self) -> Result<Vec<AuditHead>> {
        const HEADS: &str = "SELECT id AS writer, number, hash FROM audit_writer WHERE number > 0 ORDER BY id";
        Ok(self.fetch_all(|| sqlx::query_as(HEADS)).await?)
    }

    /// Seals of a writer behind a number, made since `from`, at most `limit`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_seals(
        &self,
        writer: Uuid,
        after: i64,
        from: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<AuditSeal>> {
        let limit = i64::from(limit);
        Ok(self.fetch_all(|| sqlx::query_as(SEALS).bind(writer).bind(after).bind(from).bind(limit)).await?)
    }

    /// The events of a seal that are there.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_events_of(&self, times: &[OffsetDateTime], ids: &[Uuid]) -> Result<Vec<AuditEvent>> {
        let (first, last) = (times.iter().min().copied(), times.iter().max().copied());
        Ok(self.fetch_all(|| sqlx::query_as(EVENTS).bind(times).bind(ids).bind(first).bind(last)).await?)
    }

    /// Keys of events behind a place and before `to`, at most `limit`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_keys(&self, after: AuditPlace, to: OffsetDateTime, limit: u32) -> Result<Vec<AuditPlace>> {
        let limit = i64::from(limit);
        Ok(self.fetch_all(|| sqlx::query_as(KEYS).bind(to).bind(after.0).bind(after.1).bind(limit)).await?)
    }

    /// Events before `to` that no seal covers yet.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_unsealed(&self, to: OffsetDateTime) -> Result<HashSet<AuditPlace>> {
        const UNSEALED: &str = "SELECT time, id FROM audit_unsealed WHERE time < $1";
        let rows: Vec<AuditPlace> = self.fetch_all(|| sqlx::query_as(UNSEALED).bind(to)).await?;
        Ok(rows.into_iter().collect())
    }

    /// The first event of a time range that neither a seal nor the sealer's queue knows of.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn unaccounted_audit_event(
        &self,
        (from, to): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Option<AuditPlace>> {
        Ok(self.fetch_optional(|| sqlx::query_as(UNACCOUNTED).bind(from).bind(to)).await?)
    }

    /// Days that were retired, in their order.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_tombstones(&self) -> Result<Vec<AuditTombstone>> {
        const ALL: &str =
            "SELECT day, event_time, event_id, heads FROM audit_tombstone ORDER BY day, event_time, event_id";
        Ok(self.fetch_all(|| sqlx::query_as(ALL)).await?)
    }

    /// Whether this process is the one that tells a webhook, for as long as `lease`; a new webhook begins with what comes.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn lease_audit_webhook(&self, name: &str, lease: std::time::Duration) -> Result<bool> {
        let (is_ours,): (bool,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT audit_lease($1, $2, $3)").bind(name).bind(self.writer).bind(seconds(lease))
            })
            .await?;
        Ok(is_ours)
    }

    /// Chains with seals that a webhook was not told of, each with the last seal that it was, and the last that there is.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_backlog(&self, name: &str, limit: u32) -> Result<Vec<(Uuid, i64, i64)>> {
        const BACKLOG: &str = "
            SELECT w.id, COALESCE(c.number, 0), w.number FROM audit_writer AS w
            LEFT JOIN audit_cursor AS c ON c.name = $1 AND c.writer = w.id
            WHERE w.number > COALESCE(c.number, 0) ORDER BY w.id LIMIT $2";
        Ok(self.fetch_all(|| sqlx::query_as(BACKLOG).bind(name).bind(i64::from(limit))).await?)
    }

    /// Notes that a webhook has been told of a chain up to this seal; it never goes back.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn set_audit_cursor(&self, name: &str, writer: Uuid, number: i64) -> Result<()> {
        const SET: &str = "
            INSERT INTO audit_cursor AS c (name, writer, number) VALUES ($1, $2, $3)
            ON CONFLICT (name, writer) DO UPDATE SET number = greatest(c.number, EXCLUDED.number)
            RETURNING c.number";
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(SET).bind(name).bind(writer).bind(number)).await?;
        Ok(())
    }
}
