//! Why an attempt brought no answer to work with, and what that says about trying again.

use std::time::Duration;

use http::StatusCode;

use super::connect::{BoxError, Used};
use crate::error::{Code, Error};

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection; nothing was sent.
    Connect(BoxError),
    /// A connection was cut before the head of the answer.
    Cut {
        /// It had answered before: most likely the registry closed it while it was idle.
        reused: bool,
        source: BoxError,
    },
    /// Nothing came in time.
    Timeout(&'static str),
    /// The registry says that it cannot now: 408, 429 or 5xx.
    Status { status: StatusCode, retry_after: Option<Duration>, text: String },
    /// The breaker is open; nothing was sent.
    Open { for_another: Duration },
    /// Nothing to do with the registry: what was to be sent could not be had.
    Ours(Error),
}

impl Failure {
    /// Reads hyper's error.
    pub(super) fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() {
            return Self::Connect(Box::new(error));
        }
        if timed_out(&error) {
            return Self::Timeout("the registry stopped reading");
        }
        let mut extensions = http::Extensions::new();
        if let Some(connected) = error.connect_info() {
            connected.get_extras(&mut extensions);
        }
        let reused = extensions.get::<Used>().is_some_and(Used::is_marked);
        Self::Cut { reused, source: Box::new(error) }
    }

    /// Whether another attempt can end otherwise.
    pub(super) const fn is_transient(&self) -> bool {
        !matches!(self, Self::Open { .. } | Self::Ours(_))
    }

    /// Whether the registry has surely done nothing.
    pub(super) const fn is_undone(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Open { .. } | Self::Ours(_) => true,
            Self::Status { status, .. } => {
                matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Cut { .. } | Self::Timeout(_) => false,
        }
    }

    /// Whether it speaks against the registry's health.
    pub(super) fn counts_for_breaker(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Timeout(_) => true,
            Self::Cut { reused, .. } => !reused,
            Self::Status { status, .. } => status.is_server_error(),
            Self::Open { .. } | Self::Ours(_) => false,
        }
    }

    /// The label in metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Cut { .. } => "cut",
            Self::Timeout(_) => "timeout",
            Self::Status { .. } => "unavailable",
            Self::Open { .. } => "breaker_open",
            Self::Ours(_) => "aborted",
        }
    }

    /// What the registry asked us to wait.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Open { for_another } => Some(*for_another),
            _ => None,
        }
    }

    /// What the caller is told.
    pub(super) fn into_error(self, store: &str, operation: &str, attempts: u32) -> Error {
        let retry_after = self.retry_after();
        let at = format!("{operation} at store {store:?}, attempt {attempts}");
        let error = Error::from(Code::UpstreamUnavailable);
        let error = match self {
            Self::Ours(error) => return error,
            Self::Connect(source) => error.detail(format!("{at}: no connection")).source(source),
            Self::Cut { source, .. } => error.detail(format!("{at}: the connection was cut")).source(source),
            Self::Timeout(what) => error.detail(format!("{at}: {what}")),
            Self::Status { status, text, .. } => error.detail(format!("{at}: {status} {text}")),
            Self::Open { .. } => error.detail(format!("{at}: the breaker is open")),
        };
        match retry_after {
            // A client that comes back within the same second finds the same.
            Some(after) => error.retry_after(after.max(Duration::from_secs(1))),
            None => error,
        }
    }
}

/// Whether a time-out of ours is among the causes.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Failure {
        Failure::Status { status: StatusCode::from_u16(code).unwrap(), retry_after: None, text: String::new() }
    }

    #[test]
    fn client_statuses_never_speak_against_the_registry() {
        assert!(!status(429).counts_for_breaker());
        assert!(!status(408).counts_for_breaker());
        assert!(status(500).counts_for_breaker());
        assert!(status(503).counts_for_breaker());
    }

    #[test]
    fn a_500_may_have_been_done_and_a_503_has_not() {
        assert!(!status(500).is_undone());
        assert!(status(503).is_undone());
        assert!(!Failure::Timeout("late").is_undone());
    }

    #[test]
    fn a_connection_that_was_closed_while_idle_does_not_count() {
        assert!(!Failure::Cut { reused: true, source: "x".into() }.counts_for_breaker());
        assert!(Failure::Cut { reused: false, source: "x".into() }.counts_for_breaker());
    }

    #[test]
    fn an_open_breaker_tells_the_client_when_to_come_back() {
        let error = Failure::Open { for_another: Duration::from_millis(3200) }.into_error("s", "get_blob", 1);
        assert_eq!((error.code(), error.retry_after_seconds()), (Code::UpstreamUnavailable, Some(4)));
        let error = Failure::Open { for_another: Duration::ZERO }.into_error("s", "get_blob", 1);
        assert_eq!(error.retry_after_seconds(), Some(1));
    }

    #[test]
    fn a_fault_of_the_callers_stream_reaches_the_caller_as_it_is() {
        let error = Failure::Ours(Error::from(Code::IncompleteBody)).into_error("s", "append", 1);
        assert_eq!(error.code(), Code::IncompleteBody);
    }
}
