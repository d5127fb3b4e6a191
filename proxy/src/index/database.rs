//! The pool, migrations, and what database failures mean to a client.

use sqlx::PgPool;

use crate::config::Database;
use crate::error::{Error, Result};

/// The index: a pool of connections to Postgres. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Index {
    pool: PgPool,
}

impl Index {
    /// Opens the pool lazily: a Postgres that is down does not keep the process from starting, it keeps it from being ready.
    /// # Errors
    /// The URL cannot be read.
    pub fn open(config: &Database) -> Result<Self> {
        Err(Error::internal(config.max_connections))
    }

    /// Wraps a pool; for tests.
    #[must_use]
    pub const fn from_pool(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for the other files of this folder.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Asks Postgres for an answer, within two seconds.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn ping(&self) -> Result<()> {
        Err(Error::internal(""))
    }

    /// Pool use for metrics: (connections, idle).
    #[must_use]
    pub fn pool_use(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }
}

/// Brings the schema up to date, under an advisory lock so that replicas that start together do not collide.
/// # Errors
/// `IndexUnavailable`, or a fault of a migration.
pub async fn migrate(index: &Index) -> Result<()> {
    index.ping().await
}
