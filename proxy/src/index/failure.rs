//! What a failed statement means to a client: the one place where `sqlx`'s errors become ours.

use std::time::Duration;

use serde::Deserialize;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::bucket_configuration::PublicAccessBlock;
use crate::error::{Code, Error};

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Postgres or the way to it failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// No answer in time; the connection was thrown away.
    #[error("no answer from Postgres within {0:?}")]
    Deadline(Duration),
}

/// What our own SQL functions raise where a blob that was to be named is no longer there for it.
const CONDEMNED: &str = "ZA001";

/// And where a bucket's quota has no room; the detail is a [`NoRoom`].
const QUOTA_EXCEEDED: &str = "ZA004";

/// And where a version is to be locked whose bucket locks nothing.
const NO_OBJECT_LOCK: &str = "ZA005";

/// And where one was to be removed that is locked.
const LOCKED: &str = "ZA006";

/// And where a list lets the public in that the bucket's public access block refuses.
const PUBLIC_LIST: &str = "ZA007";

/// Which limit was in the way.
#[derive(Deserialize)]
struct NoRoom {
    /// `bytes` or `objects`.
    quota: String,
    limit: i64,
    used: i64,
    added: i64,
}

impl Failure {
    /// The SQLSTATE, where Postgres has answered (PostgreSQL manual, appendix A).
    pub(super) fn sqlstate(&self) -> Option<&str> {
        self.answer().map(PgDatabaseError::code)
    }

    /// Whether the transaction was undone only because another one was in its way, so that it may be tried again.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self.sqlstate(), Some("40001" | "40P01")) || self.is_late_for_partition()
    }

    /// Whether a row was on its way into a default partition when a partition was attached that it belongs to: the next attempt finds it.
    /// Postgres calls that a violated check, but names no constraint.
    fn is_late_for_partition(&self) -> bool {
        let is_default = |error: &PgDatabaseError| error.table().is_some_and(|table| table.ends_with("_default"));
        self.sqlstate() == Some("23514") && self.constraint().is_none() && self.answer().is_some_and(is_default)
    }

    /// Whether a blob that was to be named is gone or condemned.
    pub(super) fn is_blob_gone(&self) -> bool {
        match self.sqlstate() {
            Some(CONDEMNED) => true,
            Some("23503") => self.constraint().is_some_and(|name| name.ends_with("_blob_fkey")),
            _ => false,
        }
    }

    /// Whether the connection is as good as before: Postgres has answered, and not with its farewell.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        self.answer().is_some_and(|error| !matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
    }

    /// The constraint that was violated.
    pub(super) fn constraint(&self) -> Option<&str> {
        self.answer().and_then(PgDatabaseError::constraint)
    }

    /// What a change means that was refused because of what it found: another version than it expected, or nothing.
    pub(super) fn refusal(self) -> Error {
        match self.sqlstate() {
            Some("ZA002") => {
                Error::new(Code::PreconditionFailed, "It was changed in the meantime: its version is another.")
            }
            Some("ZA003") => Code::NoSuchEntity.into(),
            _ => self.into(),
        }
    }

    fn answer(&self) -> Option<&PgDatabaseError> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.try_downcast_ref(),
            Self::Database(_) | Self::Deadline(_) => None,
        }
    }

    /// The code of the table. Where the connection broke while a write committed its outcome is not known: that is
    /// `IndexUnavailable` too, never a success.
    fn code(&self) -> Code {
        match self {
            Self::Deadline(_) => Code::IndexUnavailable,
            Self::Database(error) => match error {
                sqlx::Error::Database(_) if self.is_conflict() => Code::OperationAborted,
                sqlx::Error::Database(_) => self.sqlstate().map_or(Code::InternalError, code_of),
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::BeginFailed
                | sqlx::Error::WorkerCrashed => Code::IndexUnavailable,
                _ => Code::InternalError,
            },
        }
    }
}

/// What a SQLSTATE means.
fn code_of(sqlstate: &str) -> Code {
    match sqlstate {
        "40001" | "40P01" => Code::OperationAborted,
        CONDEMNED => Code::OperationAborted,
        NO_OBJECT_LOCK => Code::ObjectLockMissing,
        // Text that Postgres cannot hold: NUL is the only one that a Rust string can have.
        "22021" => Code::InvalidArgument,
        // Read only (a standby, or a disk that is nearly full), a statement that took too long, a lock that was not had,
        // and a server that does not let us in (28: authorisation, 3D000: no such database, 42501: no right).
        "25006" | "57014" | "55P03" | "3D000" | "42501" => Code::IndexUnavailable,
        _ if ["08", "28", "53", "57P", "58"].iter().any(|class| sqlstate.starts_with(class)) => Code::IndexUnavailable,
        _ => Code::InternalError,
    }
}

/// The refusal, with what the client may know of the limit.
fn quota_exceeded(failure: &Failure) -> Error {
    let detail = failure.answer().and_then(PgDatabaseError::detail).unwrap_or_default();
    match serde_json::from_str(detail) {
        Ok(NoRoom { quota, limit, used, added }) => {
            let text = format!("The bucket may hold {limit} {quota}: it holds {used}, and this would add {added}.");
            let error = Error::new(Code::QuotaExceeded, text).with("Quota", quota);
            error.with("Limit", limit).with("Used", used).with("Added", added)
        }
        Err(error) => Error::from(Code::QuotaExceeded).source(error),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.sqlstate() == Some(QUOTA_EXCEEDED) {
            return quota_exceeded(&failure);
        }
        if failure.sqlstate() == Some(LOCKED) {
            return super::delete::locked().source(failure);
        }
        if failure.sqlstate() == Some(PUBLIC_LIST) {
            return Self::new(Code::AccessDenied, PublicAccessBlock::ACLS_BLOCKED).source(failure);
        }
        let error = Self::from(failure.code());
        match failure.sqlstate().map(|state| format!("Postgres answered with SQLSTATE {state}")) {
            Some(detail) => error.detail(detail).source(failure),
            None => error.source(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_down_full_or_read_only_is_unavailable() {
        for state in ["08006", "25006", "28P01", "3D000", "53100", "53300", "57014", "57P01", "57P03", "58030"] {
            assert_eq!(code_of(state), Code::IndexUnavailable, "{state}");
        }
        for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::Io(std::io::Error::other("cut"))]
        {
            assert_eq!(Error::from(Failure::from(error)).code(), Code::IndexUnavailable);
        }
        assert_eq!(Error::from(Failure::Deadline(Duration::from_secs(1))).code(), Code::IndexUnavailable);
    }

    #[test]
    fn a_mistake_in_our_sql_is_a_fault_of_ours() {
        for state in ["42601", "42P01", "22P02", "23505", "P0001"] {
            assert_eq!(code_of(state), Code::InternalError, "{state}");
        }
    }
}
