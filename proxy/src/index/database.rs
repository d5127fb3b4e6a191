//! The pool, and how statements are run.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres};
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::Repository;
use super::failure::Failure;
use super::pool::{Loan, Pool};
use super::unit::Open;
use crate::config::Database;
use crate::error::{Error, Result};

/// How often a transaction that was in another one's way is tried.
const ATTEMPTS: u32 = 3;

/// How much longer than Postgres we wait for a statement: a server that has gone silent does not keep its own timeout.
const DEADLINE_SLACK: Duration = Duration::from_secs(5);

/// How long [`Index::ping`] waits.
const PING_DEADLINE: Duration = Duration::from_secs(2);

/// How long a condemned blob is left to the sweeper that condemned it; must be longer than a delete request may stay on
/// its way to the store.
const RECLAIM_AFTER: Duration = Duration::from_secs(600);

/// A statement with its arguments, ready to run.
pub(super) type Statement<'q, T> = QueryAs<'q, Postgres, T, PgArguments>;

/// The index: a pool of connections to Postgres. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Index {
    pub(super) pool: Pool,
    deadline: Duration,
    pub(super) reclaim_after: Duration,
    pub(super) repositories: Arc<RwLock<HashMap<i64, Arc<Repository>>>>,
    pub(super) writer: Uuid,
    /// The unit that it belongs to; unset: every statement is a transaction by itself.
    unit: Option<Arc<Mutex<Open>>>,
}

impl Index {
    /// Opens the pool lazily: a Postgres that is down does not keep the process from starting, it keeps it from being ready.
    /// # Errors
    /// The URL cannot be read, or has an option that cannot be used.
    pub fn open(config: &Database) -> Result<Self> {
        let options = connect_options(config.url.expose())?
            .application_name("zas-proxy")
            .options(session_settings(config.statement_timeout));
        Ok(Self {
            pool: Pool::new(options, config.max_connections, config.acquire_timeout)?,
            deadline: config.statement_timeout.saturating_add(DEADLINE_SLACK),
            reclaim_after: RECLAIM_AFTER,
            repositories: Arc::default(),
            writer: Uuid::now_v7(),
            unit: None,
        })
    }

    /// The same index, within a unit.
    pub(super) fn within(&self, unit: Arc<Mutex<Open>>) -> Self {
        Self { unit: Some(unit), ..self.clone() }
    }

    /// Who this process is in the audit log; clones share it.
    #[must_use]
    pub const fn writer(&self) -> Uuid {
        self.writer
    }

    /// Changes how long a condemned blob is left to the sweeper that condemned it; for tests of crashed sweepers.
    #[must_use]
    pub fn with_reclaim_after(mut self, reclaim_after: Duration) -> Self {
        self.reclaim_after = reclaim_after;
        self
    }

    /// Asks Postgres for an answer, within two seconds.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn ping(&self) -> Result<()> {
        let ask = self.attempt(sqlx::query_as::<_, (i32,)>("SELECT 1"));
        match tokio::time::timeout(PING_DEADLINE, ask).await {
            Ok(answer) => answer.map(drop).map_err(Error::from),
            Err(_) => Err(Failure::Deadline(PING_DEADLINE).into()),
        }
    }

    /// Pool use for metrics: (connections, idle).
    #[must_use]
    pub fn pool_use(&self) -> (usize, usize) {
        self.pool.usage()
    }

    /// Closes the pool: whoever asks for a connection from now on is told that the index is unavailable. For tests.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Runs one statement, which is one transaction unless it belongs to a unit; tries again where another transaction was in its
    /// way.
    pub(super) async fn fetch_all<'q, T>(
        &self,
        statement: impl Fn() -> Statement<'q, T> + Send + Sync,
    ) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'q,
    {
        let mut attempt = 1;
        loop {
            match self.attempt(statement()).await {
                // What is in the way of a unit has undone all of it.
                Err(failure) if failure.is_conflict() && attempt < ATTEMPTS && self.unit.is_none() => {
                    let pause = rand::random_range(5..25) * u64::from(attempt);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// As [`Self::fetch_all`], for statements that give at most one row.
    pub(super) async fn fetch_optional<'q, T>(
        &self,
        statement: impl Fn() -> Statement<'q, T> + Send + Sync,
    ) -> Result<Option<T>, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'q,
    {
        Ok(self.fetch_all(statement).await?.pop())
    }

    /// As [`Self::fetch_all`], for statements that always give one row.
    pub(super) async fn fetch_one<'q, T>(
        &self,
        statement: impl Fn() -> Statement<'q, T> + Send + Sync,
    ) -> Result<T, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'q,
    {
        self.fetch_optional(statement).await?.ok_or(Failure::Database(sqlx::Error::RowNotFound))
    }

    async fn attempt<'q, T>(&self, statement: Statement<'q, T>) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'q,
    {
        if let Some(unit) = &self.unit {
            return unit.lock().await.run(self, statement).await;
        }
        let mut loan = self.pool.acquire().await?;
        let outcome = self.on(&mut loan, statement).await;
        if outcome.as_ref().err().is_none_or(Failure::leaves_connection_usable) {
            loan.give_back();
        }
        outcome
    }

    /// Runs one statement on a connection.
    pub(super) async fn on<'q, T>(&self, loan: &mut Loan, statement: Statement<'q, T>) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'q,
    {
        let rows = tokio::time::timeout(self.deadline, statement.fetch_all(loan.connection()?)).await;
        rows.map_err(|_| Failure::Deadline(self.deadline))?.map_err(Failure::from)
    }
}

/// Reads `database.url`. Neither it nor what others say of it is repeated in an error: it holds a password.
fn connect_options(text: &str) -> Result<PgConnectOptions> {
    const WANTED: &str = "postgres://user:password@host:port/database";
    if text.is_empty() {
        return Err(Error::internal(format!("database.url is not set ({WANTED})")));
    }
    // Asked here, for sqlx reads any URL as one of Postgres.
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let url = url.ok_or_else(|| Error::internal(format!("database.url is not a Postgres URL ({WANTED})")))?;
    let names = url.query_pairs().map(|(name, _)| name.into_owned()).collect::<Vec<_>>().join(", ");
    PgConnectOptions::from_str(text).map_err(|_| {
        Error::internal(format!("database.url has a port or an option that cannot be used; its options are: {names}"))
    })
}

/// What holds for every connection.
fn session_settings(statement_timeout: Duration) -> Vec<(&'static str, String)> {
    let timeout = format!("{}ms", statement_timeout.as_millis().clamp(1, 2_147_483_647));
    vec![
        ("statement_timeout", timeout.clone()),
        ("idle_in_transaction_session_timeout", timeout),
        // Postgres gives up on us when we are gone without a word.
        ("tcp_keepalives_idle", "30".to_owned()),
        ("tcp_keepalives_interval", "10".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
        // The SQL functions look again after they have waited for a lock; a frozen snapshot would not let them.
        ("default_transaction_isolation", "read committed".to_owned()),
        // Every statement is meant to walk an index in order. A plan that was made while a table was small, or before its
        // first statistics, must not read or sort whole tables later.
        ("enable_seqscan", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        ("jit", "off".to_owned()),
    ]
}
