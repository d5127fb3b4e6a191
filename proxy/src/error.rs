//! The error table: everything that can go wrong, once.
//!
//! A [`Code`] says what happened; its [`Row`] says how each protocol tells a client: HTTP status, S3 code, OCI code,
//! whether a retry can help, and the metric label. An [`Error`] adds two texts: `message` for the client and `detail`
//! for the log. Neither ever holds a secret. `render.rs` writes an error as S3 XML, OCI JSON or our own JSON.
//! What does not live here: the decision which code a failure is; that is made where the failure is understood.

mod render;
mod table;
mod values;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub use render::{RequestId, oci_json, our_json, s3_xml};
pub(crate) use render::{escape_xml, status_elsewhere};
pub use table::{Code, Kind, Row};
pub(crate) use values::without_values;

/// A result whose error is of the table.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One failure: a code of the table, a text for the client and a text for the log.
#[derive(Debug)]
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    detail: Option<String>,
    details: Vec<(&'static str, String)>,
    problems: Option<Box<Problems>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

/// Few errors have any, and all are handed on: they stay small.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

/// What is wrong in one place of a document that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON pointer, a path, a line.
    pub field: String,
    /// Which rule it breaks.
    pub rule: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl Error {
    /// An error with a text of its own for the client.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: None,
            details: Vec::new(),
            problems: None,
            source: None,
            retry_after: None,
        }
    }

    /// A fault of ours: the client reads the table's text, the log keeps `detail`.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::from(Code::InternalError).detail(detail)
    }

    /// Adds a text for the log only.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Adds a named fact that the client may read; our JSON shows it under `details`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details.push((name, value.to_string()));
        self
    }

    /// Adds what is wrong in one place of a document; our JSON shows all of them under `problems`.
    #[must_use]
    pub fn problem(mut self, problem: Problem) -> Self {
        self.problems.get_or_insert_default().0.push(problem);
        self
    }

    /// What is wrong in the places of a document.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        self.problems.as_ref().map_or(&[], |problems| problems.0.as_slice())
    }

    /// The named facts for the client.
    pub fn details(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.details.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Adds the cause; only the log shows it.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says when a retry may succeed; rendered as `Retry-After`, in whole seconds, rounded up.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What happened.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The table's row.
    #[must_use]
    pub const fn row(&self) -> Row {
        self.code.row()
    }

    /// The text that the client may read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The text for the log only, where there is one.
    #[must_use]
    pub fn log_detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// When a retry may succeed: every 503 has an answer, one second where nothing better is known.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let row = self.row();
        match self.retry_after {
            Some(after) => Some(after.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)),
            None if row.status == 503 || row.status == 429 => Some(1),
            None => None,
        }
    }

    /// Logs a fault of ours as an error, once, and a client's mistake at debug level only.
    pub fn log(&self, request_id: &str, operation: &str) {
        let row = self.row();
        if row.kind.is_our_fault() {
            tracing::error!(request_id, operation, code = row.label, status = row.status, "{}", self.for_log());
        } else {
            tracing::debug!(request_id, operation, code = row.label, status = row.status, "{}", self.for_log());
        }
    }

    /// The text for whoever started this process: what is wrong, without what a client would be told of a fault of ours.
    #[must_use]
    pub fn for_operator(&self) -> String {
        let text = self.for_log();
        let for_clients = format!("{}: ", Code::InternalError.row().message);
        text.strip_prefix(&for_clients).map(str::to_owned).unwrap_or(text)
    }

    /// The text for the log: message, detail and every cause.
    #[must_use]
    pub fn for_log(&self) -> String {
        let mut text = self.message.to_string();
        if let Some(detail) = &self.detail {
            text.push_str(": ");
            text.push_str(detail);
        }
        let mut cause: Option<&dyn std::error::Error> = self.source.as_deref().map(|s| s as _);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.row().message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.row().s3, self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

/// S3 operations answer with `s3s`'s error type: our code, client text and status go into it. The fault itself is
/// logged where the error is turned, for `s3s` keeps no log text.
impl From<Error> for s3s::S3Error {
    fn from(error: Error) -> Self {
        let row = error.row();
        let mut out = Self::with_message(
            s3s::S3ErrorCode::from_bytes(row.s3.as_bytes()).unwrap_or(s3s::S3ErrorCode::InternalError),
            error.message.to_string(),
        );
        if let Ok(status) = http::StatusCode::from_u16(row.status) {
            out.set_status_code(status);
        }
        if let Some(seconds) = error.retry_after_seconds() {
            out.set_headers(http::HeaderMap::from_iter([(
                http::header::RETRY_AFTER,
                http::HeaderValue::from(seconds),
            )]));
        }
        out.set_source(Box::new(error));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_503_carries_a_retry_after() {
        for code in Code::ALL.iter().copied().filter(|code| code.row().status == 503) {
            assert!(Error::from(code).retry_after_seconds().is_some(), "{code:?}");
        }
    }

    #[test]
    fn a_retry_after_is_rounded_up_to_whole_seconds() {
        let error = Error::from(Code::SlowDown).retry_after(Duration::from_millis(1200));
        assert_eq!(error.retry_after_seconds(), Some(2));
    }

    #[test]
    fn the_client_text_never_holds_the_detail() {
        let error = Error::internal("password=hunter2 in /var/lib");
        assert!(!error.message().contains("hunter2"));
        assert!(!error.to_string().contains("hunter2"));
        assert!(error.for_log().contains("/var/lib"));
    }
}
