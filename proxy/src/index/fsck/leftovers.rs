//! What should have ended by itself: pins, and upload sessions at the store.

use std::time::Duration;

use crate::error::Result;
use crate::index::convert::{seconds, to_digest};
use crate::index::{BlobRef, Index};

/// A pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPin {
    /// The row.
    pub id: i64,
    /// What it pins.
    pub blob: BlobRef,
    /// Whether there is no such blob.
    pub is_dangling: bool,
    /// Whether it has been due for long.
    pub is_overdue: bool,
    /// Whether it lasts longer than any pin is made for.
    pub is_lasting: bool,
}

/// An upload session at a store.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CheckedSession {
    /// The row.
    pub id: i64,
    /// The store's name.
    pub store: String,
    /// Where it is at the store.
    pub location: String,
    /// Whether it has been due for long.
    pub is_stale: bool,
}

const PINS: &str = "
    SELECT p.id, p.repository_id, p.digest, b.digest IS NULL AS is_dangling,
           p.due_at <= now() - make_interval(secs => $3) AS is_overdue,
           p.due_at > now() + make_interval(secs => $4) AS is_lasting
    FROM (SELECT * FROM blob_pins WHERE id > $1 ORDER BY id LIMIT $2) AS p
    LEFT JOIN blobs AS b ON b.repository_id = p.repository_id AND b.digest = p.digest
    ORDER BY p.id";

const SESSIONS: &str = "
    SELECT s.id, stores.name AS store, s.location, s.due_at <= now() - make_interval(secs => $3) AS is_stale
    FROM (SELECT * FROM store_sessions WHERE id > $1 ORDER BY id LIMIT $2) AS s
    JOIN stores ON stores.id = s.store_id
    ORDER BY s.id";

/// Nobody has taken it up since.
const STILL_STALE: &str = "
    SELECT EXISTS (SELECT FROM store_sessions WHERE id = $1 AND due_at <= now() - make_interval(secs => $2))";

#[derive(sqlx::FromRow)]
struct PinRow {
    id: i64,
    repository_id: i64,
    digest: Vec<u8>,
    is_dangling: bool,
    is_overdue: bool,
    is_lasting: bool,
}

impl Index {
    /// Pins behind `after`. One is overdue that was due `stale` ago, and lasts too long where it is not due within `longest`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_pins(
        &self,
        after: i64,
        limit: u32,
        stale: Duration,
        longest: Duration,
    ) -> Result<Vec<CheckedPin>> {
        let rows: Vec<PinRow> = self
            .fetch_all(|| {
                sqlx::query_as(PINS).bind(after).bind(i64::from(limit)).bind(seconds(stale)).bind(seconds(longest))
            })
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(CheckedPin {
                    id: row.id,
                    blob: BlobRef { repository_id: row.repository_id, digest: to_digest(&row.digest)? },
                    is_dangling: row.is_dangling,
                    is_overdue: row.is_overdue,
                    is_lasting: row.is_lasting,
                })
            })
            .collect()
    }

    /// Upload sessions behind `after`. One is stale that was due `stale` ago.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_sessions(&self, after: i64, limit: u32, stale: Duration) -> Result<Vec<CheckedSession>> {
        Ok(self.fetch_all(|| sqlx::query_as(SESSIONS).bind(after).bind(i64::from(limit)).bind(seconds(stale))).await?)
    }

    /// Whether a session is there and stale.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_is_stale(&self, session: i64, stale: Duration) -> Result<bool> {
        let (is_stale,): (bool,) =
            self.fetch_one(|| sqlx::query_as(STILL_STALE).bind(session).bind(seconds(stale))).await?;
        Ok(is_stale)
    }
}
