//! The connections to Postgres that requests share.
//!
//! Not sqlx's own pool: that one asks every connection for a sign of life when it comes back, a second exchange with Postgres
//! for every statement. Here a connection comes back unasked when its statement has ended in order, and is closed otherwise;
//! only one that was idle for a while is asked, before it is used.

use std::fmt;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::error::{Error, Result};

/// A connection that was idle for longer is asked whether it still stands before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long that answer may take.
const RECYCLE_LIMIT: Duration = Duration::from_secs(2);

/// A connection that is older is replaced, so that caches at Postgres' end do not grow for ever and a changed DNS entry is
/// noticed.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(deadpool::managed::Pool<Connector>);

/// A connection on loan. Goes back to the pool only by [`Loan::give_back`]; dropped otherwise, as by a request that was given
/// up in the middle of a statement, it is closed: what would be answered on it answers a question that nobody asks any more.
pub(super) struct Loan(Option<Object<Connector>>);

/// Makes connections, and looks at them before they are used again.
struct Connector {
    options: PgConnectOptions,
}

impl Pool {
    /// Opened lazily: nothing is connected yet. `patience` is how long a caller waits for a free connection, and for a new
    /// one to be made.
    /// # Errors
    /// None in practice: the pool's builder wants a runtime for its timeouts, and has one.
    pub(super) fn new(options: PgConnectOptions, size: u32, patience: Duration) -> Result<Self> {
        let size = usize::try_from(size.max(1)).map_err(Error::internal)?;
        let pool = deadpool::managed::Pool::builder(Connector { options })
            .max_size(size)
            // The connection used last is the one whose caches are warm.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(patience))
            .create_timeout(Some(patience))
            .recycle_timeout(Some(RECYCLE_LIMIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(Error::internal)?;
        Ok(Self(pool))
    }

    /// A connection, waited for if need be.
    pub(super) async fn acquire(&self) -> sqlx::Result<Loan> {
        match self.0.get().await {
            Ok(object) => Ok(Loan(Some(object))),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(TimeoutType::Create)) => {
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "Postgres did not let us in in time").into())
            }
            Err(PoolError::Timeout(_)) => Err(sqlx::Error::PoolTimedOut),
            Err(_) => Err(sqlx::Error::PoolClosed),
        }
    }

    /// How connections are made; holds the password.
    pub(super) fn connect_options(&self) -> PgConnectOptions {
        self.0.manager().options.clone()
    }

    /// Connections, and how many of them are idle.
    pub(super) fn usage(&self) -> (usize, usize) {
        let status = self.0.status();
        (status.size, status.available)
    }

    /// Closes what is idle now and everything else when it comes back; for tests.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Loan {
    /// The connection.
    /// # Errors
    /// None: it is there until it is given back.
    pub(super) fn connection(&mut self) -> sqlx::Result<&mut PgConnection> {
        self.0.as_deref_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Gives the connection back: its last statement has been answered to the end, with rows or with an error.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        // On the heap, as the ping below: rare, and every request that may need it would carry its size around.
        Box::pin(self.options.connect()).await
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("old"));
        }
        if metrics.last_used() > TRUSTED_IDLE {
            Box::pin(connection.ping()).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.0.status()).finish()
    }
}
