//! Targets of events that were made through the management API, and whom buckets tell. Addresses and secrets are sealed before they come
//! here, and opened behind it (`events/targets.rs`).

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::audited::audited;
use super::list::cut;
use super::{Index, convert};
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredEventTarget {
    /// The name that ARNs have.
    pub name: String,
    /// How events are written, as `EventFormat` names it.
    pub format: String,
    /// Where it is, without what may be a token.
    pub shown_url: String,
    /// Whether bodies are signed.
    pub signs: bool,
    /// URL and secret, sealed.
    pub sealed: Vec<u8>,
    /// The key of the ring that they are sealed under.
    pub ring_key: String,
    /// Whether it is told.
    pub enabled: bool,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it became what it is.
    pub changed_at: OffsetDateTime,
    /// By whom.
    pub changed_by: String,
}

/// A target to be made or replaced; the fields are those of [`StoredEventTarget`].
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NewEventTarget<'a> {
    pub name: &'a str,
    pub format: &'a str,
    pub shown_url: &'a str,
    pub signs: bool,
    pub sealed: &'a [u8],
    pub ring_key: &'a str,
    pub enabled: bool,
    /// The version that is replaced; 0: there shall be none yet; unset: whatever there is.
    pub expected: Option<i64>,
    pub by: &'a str,
    pub audit: &'a [Record],
}

/// Whom a bucket shall tell.
#[derive(Debug, Clone, Copy)]
pub struct NewNotification<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The document; checked by the caller.
    pub document: &'a Value,
    /// What it stands for: `name`, `target`, `events`, `prefix` and `suffix` of each rule. None: nobody is told any more.
    pub rules: &'a Value,
    /// Targets of the configuration.
    pub known: &'a [String],
    /// Who makes the change.
    pub by: &'a str,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

const PUT: &str = audited!(10, "SELECT put_event_target($1, $2, $3, $4, $5, $6, $7, $8, $9) AS status");
const DELETE: &str = audited!(3, "SELECT delete_event_target($1, $2) AS status");
const NOTIFY: &str = audited!(6, "SELECT status, missing FROM put_bucket_notification($1, $2, $3, $4, $5)");
const ONE: &str = "SELECT * FROM event_targets WHERE name = $1";
const ALL: &str = "
    SELECT * FROM event_targets WHERE name > $1 AND starts_with(name, $2) ORDER BY name LIMIT $3";
const SEALED_OTHERWISE: &str = "
    SELECT * FROM event_targets WHERE ring_key <> $2 AND name > $1 ORDER BY name LIMIT $3";
const RESEAL: &str = "
    UPDATE event_targets SET sealed = $3, ring_key = $4 WHERE name = $1 AND sealed = $2 RETURNING name";

impl Index {
    /// Makes or replaces a target.
    /// # Errors
    /// `PreconditionFailed`; `LimitExceeded`: there are 500.
    pub async fn put_event_target(&self, new: NewEventTarget<'_>) -> Result<()> {
        let records = self.canonical(new.audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.name)
                    .bind(new.format)
                    .bind(new.shown_url)
                    .bind(new.signs)
                    .bind(new.sealed)
                    .bind(new.ring_key)
                    .bind(new.enabled)
                    .bind(new.expected)
                    .bind(new.by)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Deletes a target; what waits for it is dead then.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`; `InvalidRequest`: a bucket tells it.
    pub async fn delete_event_target(&self, name: &str, expected: Option<i64>, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(DELETE).bind(name).bind(expected).bind(&records)).await?;
        check(&status)
    }

    /// A target.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn event_target(&self, name: &str) -> Result<Option<StoredEventTarget>> {
        Ok(self.fetch_optional(|| sqlx::query_as(ONE).bind(name)).await?)
    }

    /// Targets behind a name, and whether there are more.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn event_targets(&self, after: &str, prefix: &str, limit: u32) -> Result<(Vec<StoredEventTarget>, bool)> {
        let more = i64::from(limit) + 1;
        let rows = self.fetch_all(|| sqlx::query_as(ALL).bind(after).bind(prefix).bind(more)).await?;
        Ok(cut(rows, limit))
    }

    /// Targets behind `after` that are sealed under another key of the ring than `ring_key`.
    pub(crate) async fn event_targets_sealed_otherwise(
        &self,
        ring_key: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredEventTarget>> {
        let limit = i64::from(limit);
        Ok(self.fetch_all(|| sqlx::query_as(SEALED_OTHERWISE).bind(after).bind(ring_key).bind(limit)).await?)
    }

    /// Puts what was sealed anew in the place of what was read; false where another has been faster.
    pub(crate) async fn reseal_event_target(&self, of: &StoredEventTarget, new: &[u8], ring_key: &str) -> Result<bool> {
        let row: Option<(String,)> = self
            .fetch_optional(|| {
                sqlx::query_as(RESEAL).bind(&of.name).bind(of.sealed.as_slice()).bind(new).bind(ring_key)
            })
            .await?;
        Ok(row.is_some())
    }

    /// Makes whom a bucket tells what is given; the targets that there are not, where it could not be done for that.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn put_bucket_notification(&self, new: NewNotification<'_>) -> Result<Vec<String>> {
        let records = self.canonical(new.audit);
        let (status, missing): (String, Vec<String>) = self
            .fetch_one(|| {
                sqlx::query_as(NOTIFY)
                    .bind(new.bucket)
                    .bind(Json(new.document))
                    .bind(Json(new.rules))
                    .bind(new.known)
                    .bind(new.by)
                    .bind(&records)
            })
            .await?;
        if status == "NoSuchEventTarget" {
            return Ok(missing);
        }
        convert::check(&status).map(|()| Vec::new())
    }
}

/// Turns the status of one of the functions for targets into a result.
fn check(status: &str) -> Result<()> {
    match status {
        "NoSuchEventTarget" => Err(Error::new(Code::NoSuchEntity, "There is no such event target.")),
        "EventTargetInUse" => {
            Err(Error::new(Code::InvalidRequest, "A bucket's notification configuration names this event target."))
        }
        "LimitExceeded" => Err(Error::new(Code::LimitExceeded, "There are 500 event targets.")),
        status => convert::check(status),
    }
}
