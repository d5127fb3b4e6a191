//! [`Unit`]: statements that commit together.
//!
//! The [`Index`] of a unit runs every statement on one connection, inside one transaction: all that an index can do works in it as
//! it does outside. What is not committed is undone: where a unit is dropped its connection is closed, and Postgres undoes the rest.
//! What does not live here: changes of one statement, which is a transaction by itself (`database.rs`).

use std::fmt;
use std::sync::Arc;

use sqlx::FromRow;
use sqlx::postgres::PgRow;
use tokio::sync::Mutex;

use super::Index;
use super::database::Statement;
use super::failure::Failure;
use super::pool::Loan;
use crate::error::{Error, Result};
use crate::failpoint::Failpoint;

/// A transaction that is open. While it is, a connection of the pool is its own: whoever holds one waits for nothing but the index.
#[derive(Debug)]
pub struct Unit {
    index: Index,
    open: Arc<Mutex<Open>>,
}

/// The connection of a unit.
pub(super) struct Open {
    /// None once a statement was given up in the middle, or the unit has ended.
    loan: Option<Loan>,
    /// Whether Postgres takes nothing more but to be told to undo.
    has_failed: bool,
}

impl Index {
    /// Begins a unit.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn begin(&self) -> Result<Unit> {
        let loan = self.pool.acquire().await.map_err(Failure::from)?;
        let open = Arc::new(Mutex::new(Open { loan: Some(loan), has_failed: false }));
        let index = self.within(Arc::clone(&open));
        for statement in ["BEGIN", "SAVEPOINT begun"] {
            index.command(statement).await?;
        }
        Ok(Unit { index, open })
    }

    /// A statement that gives no rows.
    async fn command(&self, statement: &'static str) -> Result<(), Failure> {
        self.fetch_all(|| -> Statement<'_, (i64,)> { sqlx::query_as(statement) }).await.map(drop)
    }
}

impl Unit {
    /// The index within this unit.
    #[must_use]
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Commits all of it. Where the connection breaks meanwhile it is not known whether it has: `IndexUnavailable` too.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` where a statement has failed and was not undone.
    pub async fn commit(self) -> Result<()> {
        // Postgres would take a commit for an order to undo, and say that all is well.
        if self.open.lock().await.has_failed {
            return Err(Error::internal("a unit was to be committed in which a statement has failed"));
        }
        Failpoint::UnitUncommitted.reached();
        self.index.command("COMMIT").await?;
        if let Some(loan) = self.open.lock().await.loan.take() {
            loan.give_back();
        }
        Ok(())
    }

    /// Undoes all of it, and gives the connection back where that goes well.
    pub async fn abandon(self) {
        if self.undo().await.is_ok() {
            // What is left to commit is nothing, and where that fails too the connection is closed.
            let _ = self.commit().await;
        }
    }

    /// Undoes all that was done in it; it goes on from where it began, failed statements or not.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn undo(&self) -> Result<()> {
        self.open.lock().await.has_failed = false;
        Ok(self.index.command("ROLLBACK TO SAVEPOINT begun").await?)
    }
}

impl Open {
    /// Runs a statement. Where it is given up in the middle the connection goes with it.
    pub(super) async fn run<'q, T>(&mut self, index: &Index, statement: Statement<'q, T>) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'q,
    {
        let mut loan = self.loan.take().ok_or(sqlx::Error::WorkerCrashed)?;
        self.has_failed = true;
        let outcome = index.on(&mut loan, statement).await;
        self.has_failed = outcome.is_err();
        if outcome.as_ref().err().is_none_or(Failure::leaves_connection_usable) {
            self.loan = Some(loan);
        }
        outcome
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("has_failed", &self.has_failed).finish_non_exhaustive()
    }
}
