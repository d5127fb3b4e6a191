//! Upload sessions that are open at a store.

use std::time::Duration;

use super::Index;
use super::convert::seconds;
use crate::error::{Error, Result};

/// A session that is open at a store.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoreSession {
    /// The row.
    pub id: i64,
    /// The store's name.
    pub store: String,
    /// The session's location at the store: path and query.
    pub location: String,
}

const OPEN: &str = "
    INSERT INTO store_sessions (store_id, location, due_at)
    SELECT id, $2, clock_timestamp() + make_interval(secs => $3) FROM stores WHERE name = $1
    RETURNING id";

const CLOSE: &str = "
    WITH closed AS (DELETE FROM store_sessions WHERE id = $1 RETURNING 1) SELECT count(*) FROM closed";

/// Takes them for a while, so that no other replica works on the same ones; who does not close them leaves them due again.
const TAKE: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM store_sessions WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE store_sessions SET due_at = clock_timestamp() + interval '10 minutes'
    FROM due, stores
    WHERE store_sessions.id = due.id AND stores.id = store_sessions.store_id
    RETURNING store_sessions.id, stores.name AS store, store_sessions.location";

impl Index {
    /// Writes a session down before its first byte is sent.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` for a store that no bucket was ever placed at.
    pub async fn open_session(&self, store: &str, location: &str, ttl: Duration) -> Result<i64> {
        let row: Option<(i64,)> =
            self.fetch_optional(|| sqlx::query_as(OPEN).bind(store).bind(location).bind(seconds(ttl))).await?;
        row.map(|(id,)| id).ok_or_else(|| Error::internal(format!("the index has no store {store:?}")))
    }

    /// Forgets a session that was finished or cancelled.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn close_session(&self, id: i64) -> Result<()> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(CLOSE).bind(id)).await?;
        Ok(())
    }

    /// Takes up to `limit` sessions that are due; the caller cancels each at the store and then closes it. One that is not
    /// closed is due again ten minutes later.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn due_sessions(&self, limit: u32) -> Result<Vec<StoreSession>> {
        Ok(self.fetch_all(|| sqlx::query_as(TAKE).bind(i64::from(limit))).await?)
    }
}
