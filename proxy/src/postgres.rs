//! A private Postgres: what `zas-proxy dev` and the tests keep their index in.
//!
//! [`Server::start`] finds an installed Postgres or fetches one (`find.rs`, `fetch.rs`), drops root where it must and
//! prepares the folder (`home.rs`), takes over from a run that was killed (`stale.rs`), and starts it under a watchdog
//! (`watchdog.rs`), so that it ends with this process however that ends.
//! What does not live here: the schema (`index`), and the Postgres of a production system, which is its operator's.

mod boot;
mod error;
mod fetch;
mod find;
mod home;
mod stale;
pub mod testing;
mod watchdog;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

pub use error::PostgresError;
use find::Installation;
use home::Home;
use watchdog::Watched;

/// The superuser of a private Postgres; what URLs of [`Server::url`] log in as.
const USER: &str = "zas";

/// How long a shutdown may take before it is given up; the watchdog itself loses patience earlier.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one administrative statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the programs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An installed Postgres of version 14 or later; where there is none, a fetched one.
    InstalledOrFetched,
    /// An installed one, or an error.
    Installed,
    /// A fetched one, whatever is installed.
    Fetched,
}

/// How a private Postgres runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its programs come from.
    pub source: Source,
    /// Whether a commit waits for the disk. Off, a crash of the machine loses everything: for tests only.
    pub fsync: bool,
    /// Connections it accepts.
    pub max_connections: u16,
    /// Its page cache, as Postgres writes it: `64MB`.
    pub shared_buffers: String,
    /// Whether its folder goes when it ends; for tests.
    pub remove_at_end: bool,
    /// Where a fetched Postgres is kept; the user's cache folder where unset.
    pub install_dir: Option<PathBuf>,
    /// How long preparing and starting may take, recovery from a crash included, fetching not.
    pub start_timeout: Duration,
    /// How long fetching may take.
    pub fetch_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: Source::InstalledOrFetched,
            fsync: true,
            max_connections: 100,
            shared_buffers: "128MB".to_owned(),
            remove_at_end: false,
            install_dir: None,
            start_timeout: Duration::from_secs(120),
            fetch_timeout: Duration::from_secs(600),
        }
    }
}

/// A running private Postgres. It ends when this is dropped or when the process ends, even by SIGKILL;
/// [`Server::stop`] also waits until it has.
#[derive(Debug)]
pub struct Server {
    watched: Watched,
    installation: Installation,
    home: Home,
    port: u16,
    // Held for as long as the server runs: another process that finds it taken leaves the folder alone.
    _lock: File,
}

impl Server {
    /// Starts a Postgres whose state is kept in `data_dir`, which is made where it is missing.
    ///
    /// Started by root, Postgres runs as another user; if that user cannot reach `data_dir` the state is kept in a folder
    /// of the system instead, and `data_dir` remembers which.
    /// # Errors
    /// Nothing to run, a folder in use by another process, or a Postgres that does not start in time.
    pub async fn start(data_dir: &Path, options: Options) -> Result<Self, PostgresError> {
        let account = home::account(data_dir)?;
        let lock = home::lock(data_dir)?;
        let home = home::open(data_dir, account).await?;
        let installation = installation(&home, &options).await?;
        let limit = options.start_timeout;
        let (watched, port) = tokio::time::timeout(limit, boot::boot(&home, &installation, &options))
            .await
            .map_err(|_| PostgresError::StartTimeout { limit, log: home.log() })??;
        Ok(Self { watched, installation, home, port, _lock: lock })
    }

    /// The URL of a database, password included: never print it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let database = percent_encoding::utf8_percent_encode(database, percent_encoding::NON_ALPHANUMERIC);
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}?sslmode=disable", self.home.password(), self.port)
    }

    /// Creates a database; one that exists already is left as it is.
    /// # Errors
    /// Postgres refuses the name, or does not answer within a minute.
    pub async fn create_database(&self, name: &str) -> Result<(), PostgresError> {
        match self.execute("postgres", &format!("CREATE DATABASE {}", quoted(name))).await {
            Err(PostgresError::Statement(sqlx::Error::Database(error))) if error.code().as_deref() == Some("42P04") => {
                Ok(())
            }
            other => other,
        }
    }

    /// What runs: version and folder, for people.
    #[must_use]
    pub fn description(&self) -> String {
        format!("PostgreSQL {} from {}", self.installation.version, self.installation.bin.display())
    }

    /// The server's log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.home.log()
    }

    /// Shuts Postgres down and waits until it has ended.
    /// # Errors
    /// It did not end within a minute.
    pub async fn stop(mut self) -> Result<(), PostgresError> {
        self.watched.stop(STOP_TIMEOUT).await
    }

    /// Runs one statement in a database over a connection of its own.
    async fn execute(&self, database: &str, statement: &str) -> Result<(), PostgresError> {
        let options = connect_options(&self.home, self.port, database);
        let run = async {
            let mut connection = options.connect().await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
            connection.close().await
        };
        tokio::time::timeout(STATEMENT_TIMEOUT, run)
            .await
            .map_err(|_| PostgresError::StatementTimeout { limit: STATEMENT_TIMEOUT })?
            .map_err(PostgresError::Statement)
    }
}

/// The programs to run: of the same major version as the data, if there is any.
async fn installation(home: &Home, options: &Options) -> Result<Installation, PostgresError> {
    let wanted = home.major()?;
    if options.source != Source::Fetched
        && let Some(found) = find::installed(home.account(), wanted).await
    {
        return Ok(found);
    }
    if options.source == Source::Installed {
        return Err(PostgresError::NotInstalled);
    }
    let fetched = fetch::fetched(home.account(), options).await?;
    match wanted {
        Some(major) if major != fetched.major => {
            Err(PostgresError::OtherMajor { folder: home.folder().to_owned(), data: major, found: fetched.major })
        }
        _ => Ok(fetched),
    }
}

fn connect_options(home: &Home, port: u16, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(USER)
        .password(home.password())
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging()
}

/// An SQL identifier in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
