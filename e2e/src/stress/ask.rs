//! What an answer means: done, refused for what was seen, certainly not done, or unknown.

use std::time::Duration;

use anyhow::Result;
use http::StatusCode;

use super::xml::element;
use crate::{
    harness::Endpoint,
    linearizability::{Action, Condition, Observation},
    s3::{Answer, Lost, S3, Session},
};

/// The sidecars.
#[derive(Debug)]
pub(super) struct Doors(Vec<S3>);

impl Doors {
    pub(super) fn new(endpoints: &[Endpoint]) -> Self {
        Self(endpoints.iter().map(S3::new).collect())
    }

    /// A connection to each, for one thread.
    pub(super) fn sessions(&self, deadline: Duration) -> Result<Vec<Session>> {
        self.0.iter().map(|door| door.session(deadline)).collect()
    }
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It happened before the answer came.
    Done,
    /// It did not happen, for this was so.
    Refused(Observation),
    /// It did not happen, and never will.
    NotDone,
    /// It may have happened, or may yet.
    Unknown,
    /// No such answer may come.
    Wrong(String),
}

/// What an answer says of a change, which `action` is if it happened.
pub(super) fn outcome(answer: &Result<Answer, Lost>, action: &Action) -> Outcome {
    let answer = match answer {
        Err(Lost::NotSent(_)) => return Outcome::NotDone,
        Err(Lost::NoAnswer(_)) => return Outcome::Unknown,
        Ok(answer) => answer,
    };
    let condition = match action {
        Action::Write(_, condition) | Action::Delete(condition) => condition,
        Action::Observe(_) => &Condition::None,
    };
    // CompleteMultipartUpload may begin its answer with 200 and think otherwise.
    let code = code(answer);
    match (code.as_deref(), condition) {
        (None, _) if answer.status.is_success() => Outcome::Done,
        (Some("PreconditionFailed"), Condition::Absent) => Outcome::Refused(Observation::Present),
        (Some("PreconditionFailed"), Condition::Is(etag)) => Outcome::Refused(Observation::IsNot(etag.clone())),
        (Some("NoSuchKey"), Condition::Is(_)) => Outcome::Refused(Observation::Absent),
        // "Try again".
        (Some("ConditionalRequestConflict" | "OperationAborted"), _) => Outcome::NotDone,
        _ if is_unavailable(answer) => Outcome::Unknown,
        _ => Outcome::Wrong(describe(answer)),
    }
}

/// What an answer says of a read; `Err` is what no answer may be, and nothing is learned from one that did not come.
pub(super) fn learned(answer: &Result<Answer, Lost>) -> Result<Option<&Answer>, String> {
    match answer {
        Err(_) => Ok(None),
        Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND => Ok(Some(answer)),
        Ok(answer) if is_unavailable(answer) => Ok(None),
        Ok(answer) => Err(describe(answer)),
    }
}

/// Why an answer is none that a service gives all of whose parts run; nothing where it is one.
pub(super) fn failure(answer: &Result<Answer, Lost>) -> Option<String> {
    match answer {
        Err(lost) => Some(lost.to_string()),
        Ok(answer) if answer.status == StatusCode::OK => {
            let code = code(answer)?;
            (!REFUSALS.contains(&code.as_str())).then(|| describe(answer))
        }
        Ok(answer) => is_unavailable(answer).then(|| describe(answer)),
    }
}

/// What an answer that began with 200 may end with though nothing has failed: what was asked could not be.
const REFUSALS: [&str; 5] =
    ["PreconditionFailed", "NoSuchKey", "NoSuchUpload", "ConditionalRequestConflict", "OperationAborted"];

/// Whether an upload is said not to be there.
pub(super) fn is_no_such_upload(answer: &Answer) -> bool {
    code(answer).as_deref() == Some("NoSuchUpload")
}

/// Whether it is a fault of the server, that may pass.
pub(super) fn is_unavailable(answer: &Answer) -> bool {
    // An error inside a 200 has the status of the answer that it began as.
    answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS || answer.status == StatusCode::OK
}

/// The code of an error.
pub(super) fn code(answer: &Answer) -> Option<String> {
    let text = std::str::from_utf8(&answer.body).ok().filter(|text| text.contains("<Error>"))?;
    element(text, "Code")
}

pub(super) fn describe(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(answer.body.get(..600).unwrap_or(&answer.body)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, code: &str) -> Result<Answer, Lost> {
        let body = if code.is_empty() { Bytes::new() } else { format!("<Error><Code>{code}</Code></Error>").into() };
        Ok(Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body })
    }

    #[test]
    fn what_may_yet_happen_is_told_from_what_never_will() {
        let put = Action::Write("new".into(), Condition::None);
        assert_eq!(outcome(&answer(200, ""), &put), Outcome::Done);
        assert_eq!(outcome(&answer(503, "SlowDown"), &put), Outcome::Unknown);
        assert_eq!(outcome(&answer(200, "InternalError"), &put), Outcome::Unknown);
        assert_eq!(outcome(&answer(409, "OperationAborted"), &put), Outcome::NotDone);
        assert_eq!(outcome(&Err(Lost::NotSent(anyhow::anyhow!("refused"))), &put), Outcome::NotDone);
        assert_eq!(outcome(&Err(Lost::NoAnswer(anyhow::anyhow!("reset"))), &put), Outcome::Unknown);
        assert!(matches!(outcome(&answer(412, "PreconditionFailed"), &put), Outcome::Wrong(_)));
        assert!(matches!(outcome(&answer(403, "AccessDenied"), &put), Outcome::Wrong(_)));
        assert!(matches!(outcome(&answer(404, "NoSuchUpload"), &put), Outcome::Wrong(_)));
    }

    #[test]
    fn an_answer_that_does_not_come_or_says_5xx_is_none_of_a_service_that_runs() {
        for (status, code) in
            [(500, "InternalError"), (503, "SlowDown"), (501, "NotImplemented"), (429, ""), (200, "InternalError")]
        {
            assert!(failure(&answer(status, code)).is_some(), "{status} {code}");
        }
        assert!(failure(&Err(Lost::NotSent(anyhow::anyhow!("refused")))).is_some());
        assert!(failure(&Err(Lost::NoAnswer(anyhow::anyhow!("reset")))).is_some());
        for (status, code) in
            [(200, ""), (204, ""), (404, "NoSuchKey"), (409, "OperationAborted"), (412, "PreconditionFailed")]
        {
            assert_eq!(failure(&answer(status, code)), None, "{status} {code}");
        }
        assert_eq!(failure(&answer(200, "PreconditionFailed")), None);
    }

    #[test]
    fn a_refused_condition_tells_what_was_there() {
        let refused = |status, code, condition| outcome(&answer(status, code), &Action::Delete(condition));
        let is = || Condition::Is("old".into());
        assert_eq!(refused(412, "PreconditionFailed", is()), Outcome::Refused(Observation::IsNot("old".into())));
        assert_eq!(refused(412, "PreconditionFailed", Condition::Absent), Outcome::Refused(Observation::Present));
        assert_eq!(refused(404, "NoSuchKey", is()), Outcome::Refused(Observation::Absent));
        assert!(matches!(refused(404, "NoSuchBucket", is()), Outcome::Wrong(_)));
    }

    #[test]
    fn a_read_teaches_nothing_where_the_server_is_unavailable() {
        assert!(learned(&answer(503, "SlowDown")).unwrap().is_none());
        assert!(learned(&answer(404, "NoSuchKey")).unwrap().is_some());
        assert!(learned(&answer(403, "AccessDenied")).is_err());
    }
}
