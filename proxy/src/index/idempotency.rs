//! Requests that are carried out once, and their answers. The claim stands in `migrations/0013_management.sql`; what an answer holds,
//! and what it is sealed with, is not known here (`admin/idempotency.rs`).

use std::time::Duration;

use super::Index;
use super::convert::seconds;
use crate::error::{Code, Error, Result};

/// How soon whoever comes while the first request is under way should come again: a change of the index takes a fraction of it.
const SOON: Duration = Duration::from_secs(1);

/// A request that is to be carried out once.
#[derive(Debug, Clone, Copy)]
pub struct OnceRequest<'a> {
    /// Whose key it is: SHA-256.
    pub owner: [u8; 32],
    /// The key: 1 to 255 characters.
    pub key: &'a str,
    /// What is asked for: SHA-256 of method, path, query and body.
    pub request: [u8; 32],
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The answer, sealed where there is a `ring_key`.
    pub bytes: Vec<u8>,
    /// The key of the ring that it is sealed under.
    pub ring_key: Option<String>,
}

/// What there is to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is the first such request: nobody else carries it out until the unit ends.
    First,
    /// It was carried out before, and this was its answer.
    Answered(KeptAnswer),
}

const CLAIM: &str = "SELECT status, answer, ring_key FROM claim_idempotency_key($1, $2, $3, $4)";

/// Whoever keeps an answer holds the claim. A row that is there has lapsed.
const KEEP: &str = "
    INSERT INTO idempotency_keys (owner, key, request, answer, ring_key, expires_at)
    VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))
    ON CONFLICT (owner, key) DO UPDATE SET
        request = EXCLUDED.request, answer = EXCLUDED.answer, ring_key = EXCLUDED.ring_key,
        created_at = clock_timestamp(), expires_at = EXCLUDED.expires_at
    RETURNING 1::bigint";

const FORGET: &str = "
    DELETE FROM idempotency_keys WHERE (owner, key) IN (
        SELECT owner, key FROM idempotency_keys WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT $1
        FOR UPDATE SKIP LOCKED)
    RETURNING 1::bigint";

impl Index {
    /// Claims a request until the unit ends that this index belongs to; one owner may have `most` answers that are kept.
    /// # Errors
    /// `IdempotencyKeyInUse`: another is carrying it out; `IdempotencyMismatch`: the key is another request's;
    /// `TooManyIdempotencyKeys`.
    pub async fn claim(&self, once: &OnceRequest<'_>, most: u32) -> Result<Claimed> {
        let (status, answer, ring_key): (String, Option<Vec<u8>>, Option<String>) = self
            .fetch_one(|| {
                sqlx::query_as(CLAIM).bind(&once.owner[..]).bind(once.key).bind(&once.request[..]).bind(i64::from(most))
            })
            .await?;
        Err(match (status.as_str(), answer) {
            ("ok", _) => return Ok(Claimed::First),
            ("Answered", Some(bytes)) => return Ok(Claimed::Answered(KeptAnswer { bytes, ring_key })),
            ("UnderWay", _) => Error::from(Code::IdempotencyKeyInUse).retry_after(SOON),
            ("Mismatch", _) => Code::IdempotencyMismatch.into(),
            ("TooMany", _) => Code::TooManyIdempotencyKeys.into(),
            (other, _) => Error::internal(format!("the index answered with the unknown status {other:?}")),
        })
    }

    /// Keeps the answer of a request that was claimed within the same unit.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn keep_answer(&self, once: &OnceRequest<'_>, answer: &KeptAnswer, keep: Duration) -> Result<()> {
        let (_,): (i64,) = self
            .fetch_one(|| {
                sqlx::query_as(KEEP)
                    .bind(&once.owner[..])
                    .bind(once.key)
                    .bind(&once.request[..])
                    .bind(&answer.bytes)
                    .bind(&answer.ring_key)
                    .bind(seconds(keep))
            })
            .await?;
        Ok(())
    }

    /// Forgets up to `limit` answers that have lapsed; how many it were.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_answers(&self, limit: u32) -> Result<usize> {
        let rows: Vec<(i64,)> = self.fetch_all(|| sqlx::query_as(FORGET).bind(i64::from(limit))).await?;
        Ok(rows.len())
    }
}
