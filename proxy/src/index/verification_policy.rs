//! Verification policies: the documents, their versions and their history. The rules stand in `migrations/0021_verdicts.sql`.
//!
//! What does not live here: what a document means (`supply_chain/rules`), and verdicts (`verdict.rs`).

use time::OffsetDateTime;

use super::audited::audited;
use super::convert::{check, to_digest};
use super::failure::Failure;
use super::{HistoryEntry, Index};
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// Policies that there may be: their names are labels of metrics.
const MOST: i64 = 500;

/// A policy as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVerificationPolicy {
    /// Its name.
    pub name: String,
    /// The JSON text.
    pub document: String,
    /// SHA-256 of the text.
    pub digest: Digest,
    /// For people.
    pub description: String,
    /// Grows with each change of any policy.
    pub version: i64,
    /// When it became what it is.
    pub changed_at: OffsetDateTime,
    /// By whom.
    pub changed_by: String,
}

/// What a policy shall be.
#[derive(Debug, Clone, Copy)]
pub struct NewVerificationPolicy<'a> {
    /// Its name.
    pub name: &'a str,
    /// The JSON text; checked by the caller.
    pub document: &'a str,
    /// For people.
    pub description: &'a str,
    /// The version that it replaces, 0 for none; unset: whatever there is.
    pub expected: Option<i64>,
    /// Who makes the change.
    pub by: &'a str,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

const PUT: &str = audited!(8, "SELECT status, version FROM put_verification_policy($1, $2, $3, $4, $5, $6, $7)");

const DELETE: &str = audited!(4, "SELECT delete_verification_policy($1, $2, $3) AS status");

const ONE: &str = "SELECT * FROM verification_policies WHERE name = $1";

const LIST: &str =
    "SELECT * FROM verification_policies WHERE name > $1 AND starts_with(name, $2) ORDER BY name LIMIT $3";

const HISTORY: &str = "
    SELECT version, change, state, changed_at, changed_by FROM verification_policy_history
    WHERE name = $1 AND version < $2 ORDER BY version DESC LIMIT $3";

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    document: String,
    digest: Vec<u8>,
    description: String,
    version: i64,
    changed_at: OffsetDateTime,
    changed_by: String,
}

impl Row {
    fn into_policy(self) -> Result<StoredVerificationPolicy> {
        let Self { name, document, digest, description, version, changed_at, changed_by } = self;
        let digest = to_digest(&digest)?;
        Ok(StoredVerificationPolicy { name, document, digest, description, version, changed_at, changed_by })
    }
}

impl Index {
    /// Makes or replaces a policy; its new version.
    /// # Errors
    /// `PreconditionFailed` where another version stands there than expected; `LimitExceeded`.
    pub async fn put_verification_policy(&self, new: NewVerificationPolicy<'_>) -> Result<i64> {
        let records = self.canonical(new.audit);
        let digest = Digest::of(new.document.as_bytes());
        let (status, version): (String, Option<i64>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.name)
                    .bind(new.document)
                    .bind(digest.as_bytes().as_slice())
                    .bind(new.description)
                    .bind(new.expected)
                    .bind(new.by)
                    .bind(MOST)
                    .bind(&records)
            })
            .await
            .map_err(Failure::refusal)?;
        check(&status)?;
        version.ok_or_else(|| Error::internal("put_verification_policy answered without a version"))
    }

    /// Deletes a policy with its verdicts. `expected`: the version that is to be deleted; unset: whatever there is.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`.
    pub async fn delete_verification_policy(
        &self,
        name: &str,
        expected: Option<i64>,
        by: &str,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(DELETE).bind(name).bind(expected).bind(by).bind(&records))
            .await
            .map_err(Failure::refusal)?;
        check(&status)
    }

    /// One policy; `None` where there is none.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn verification_policy(&self, name: &str) -> Result<Option<StoredVerificationPolicy>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ONE).bind(name)).await?;
        row.map(Row::into_policy).transpose()
    }

    /// Policies in the order of their names: those that begin with `prefix` and come behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn list_verification_policies(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredVerificationPolicy>> {
        let rows: Vec<Row> =
            self.fetch_all(|| sqlx::query_as(LIST).bind(after).bind(prefix).bind(i64::from(limit))).await?;
        rows.into_iter().map(Row::into_policy).collect()
    }

    /// The changes of a policy, the latest first. `before`: the version that the page ends before.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn verification_policy_history(
        &self,
        name: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>> {
        let before = before.unwrap_or(i64::MAX);
        let rows = self.fetch_all(|| sqlx::query_as(HISTORY).bind(name).bind(before).bind(i64::from(limit))).await?;
        Ok(rows)
    }
}
