//! What can go wrong with a private Postgres, told to the person who started it.

use std::path::PathBuf;
use std::time::Duration;

/// Why there is no private Postgres. Every text says what the reader can do.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Another live process uses the folder.
    #[error("{} is in use by another running process; stop it, or choose another data folder", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// A folder or file could not be prepared.
    #[error("cannot {action} {}: {source}", path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// We are root and there is nobody to run Postgres as.
    #[error(
        "Postgres does not run as root, and neither user `postgres` nor `nobody` exists to run it as; start as another user, or pass --postgres URL"
    )]
    NoAccount,
    /// No folder can be reached by the user that Postgres runs as.
    #[error("user `{user}`, which Postgres runs as, can reach neither {} nor any of /var/lib, /var/tmp and the temporary folder; choose another data folder", folder.display())]
    Unreachable {
        /// The user.
        user: String,
        /// The data folder.
        folder: PathBuf,
    },
    /// Nothing installed, and fetching was not asked for.
    #[error("no PostgreSQL 14 or later is installed; install one, or pass --postgres URL")]
    NotInstalled,
    /// Fetching failed.
    #[error(
        "no suitable PostgreSQL is installed and fetching one failed ({reason}); install PostgreSQL 14 or later, or pass --postgres URL"
    )]
    Fetch {
        /// Why.
        reason: String,
    },
    /// The data was written by another major version.
    #[error("the data in {} is of PostgreSQL {data} but only PostgreSQL {found} is at hand; install PostgreSQL {data}, or delete the folder to start over", folder.display())]
    OtherMajor {
        /// The folder.
        folder: PathBuf,
        /// The data's version.
        data: u32,
        /// The programs' version.
        found: u32,
    },
    /// The data is there, its password is not.
    #[error("{} is missing but the data it opens is there; restore it, or delete {} to start over", password.display(), folder.display())]
    PasswordMissing {
        /// The password file.
        password: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// A Postgres of an earlier run goes on and cannot be stopped.
    #[error(
        "a Postgres of an earlier run (process {pid}) still uses the data folder and does not stop; stop it by hand"
    )]
    StillRunning {
        /// The process.
        pid: u32,
    },
    /// A program of Postgres could not be started at all.
    #[error("cannot run {}: {source}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `initdb` failed.
    #[error("initdb failed; the end of its output:\n{output}")]
    Init {
        /// The end of its output.
        output: String,
    },
    /// Postgres ended instead of starting.
    #[error("Postgres ended while it started; the end of its log {}:\n{output}", log.display())]
    Start {
        /// The log.
        log: PathBuf,
        /// Its end.
        output: String,
    },
    /// Postgres did not get ready in time.
    #[error("Postgres was not ready within {limit:?}; see {}", log.display())]
    StartTimeout {
        /// The limit.
        limit: Duration,
        /// The log.
        log: PathBuf,
    },
    /// Postgres did not end in time.
    #[error("Postgres did not end within {limit:?}")]
    StopTimeout {
        /// The limit.
        limit: Duration,
    },
    /// A statement failed.
    #[error("Postgres refused: {0}")]
    Statement(#[source] sqlx::Error),
    /// A statement took too long.
    #[error("Postgres did not answer within {limit:?}")]
    StatementTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The schema could not be brought into a test's database.
    #[error("cannot prepare the test database: {0}")]
    Prepare(String),
}

impl PostgresError {
    /// Maps an I/O error on `path`.
    pub(super) fn folder(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Folder { action, path: path.to_owned(), source }
    }
}
