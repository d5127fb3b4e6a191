//! Upload sessions that are open at a store.

use std::time::Duration;

use super::Index;
use crate::error::{Error, Result};

/// A session that is open at a store.
#[derive(Debug, Clone)]
pub struct StoreSession {
    /// The row.
    pub id: i64,
    /// The store's name.
    pub store: String,
    /// The session's location at the store: path and query.
    pub location: String,
}

impl Index {
    /// Writes a session down before its first byte is sent.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn open_session(&self, store: &str, location: &str, ttl: Duration) -> Result<i64> {
        Err(Error::internal(format!("{store}{location}{ttl:?}")))
    }

    /// Forgets a session that was finished or cancelled.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn close_session(&self, id: i64) -> Result<()> {
        Err(Error::internal(id))
    }

    /// Takes up to `limit` sessions that are due; the caller cancels each at the store and then closes it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn due_sessions(&self, limit: u32) -> Result<Vec<StoreSession>> {
        Err(Error::internal(limit))
    }
}
