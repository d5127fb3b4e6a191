//! Object lock as requests and answers say it: headers, documents, and the rights that it takes.
//!
//! What does not live here: what it means that a version is locked (`index::object_lock`).

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto;
use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};
use zas_policy::{Action, KeyName};

use super::access::authorize;
use crate::app::App;
use crate::authz::{Caller, Conditions, Permit};
use crate::error::{Code, Error, Result};
use crate::index::{NewLock, ObjectHead, Retention, RetentionMode};

const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const LEGAL_HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");
const BYPASS: HeaderName = HeaderName::from_static("x-amz-bypass-governance-retention");

/// How a write wants its object locked.
///
/// # Errors
/// `InvalidArgument` where a header cannot be read, one of two is missing, or the time is past.
pub(super) fn of_headers(headers: &HeaderMap) -> Result<NewLock> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let retention = match (text(&MODE), text(&UNTIL)) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = RetentionMode::parse(mode)
                .ok_or_else(|| Error::new(Code::InvalidArgument, "Unknown wormMode directive."))?;
            let until = OffsetDateTime::parse(until, &Iso8601::DEFAULT).map_err(|_| {
                Error::new(Code::InvalidArgument, "The retain until date must be provided in ISO 8601 format.")
            })?;
            Some(future(Retention { mode, until })?)
        }
        _ => {
            let text = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied.";
            return Err(Error::new(Code::InvalidArgument, text));
        }
    };
    let legal_hold = text(&LEGAL_HOLD).map(hold).transpose()?;
    Ok(NewLock { retention, legal_hold })
}

/// The retention of a document; an empty one is none.
///
/// # Errors
/// `MalformedXML` where half of it is missing, `InvalidArgument` where the time is past.
pub(super) fn of_document(document: Option<dto::ObjectLockRetention>) -> Result<Option<Retention>> {
    let document = document.ok_or(Code::MalformedXml)?;
    match (document.mode, document.retain_until_date) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => {
            let mode = RetentionMode::parse(mode.as_str()).ok_or(Code::MalformedXml)?;
            future(Retention { mode, until: OffsetDateTime::from(until) }).map(Some)
        }
        _ => Err(Code::MalformedXml.into()),
    }
}

/// Reads ON or OFF.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn hold(status: &str) -> Result<bool> {
    match status {
        dto::ObjectLockLegalHoldStatus::ON => Ok(true),
        dto::ObjectLockLegalHoldStatus::OFF => Ok(false),
        _ => Err(Error::new(Code::InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'.")),
    }
}

fn future(retention: Retention) -> Result<Retention> {
    if retention.until > OffsetDateTime::now_utc() {
        return Ok(retention);
    }
    Err(Error::new(Code::InvalidArgument, "The retain until date must be in the future!"))
}

/// What a request says under the condition keys about locks, so that a policy may say how long is too long.
pub(super) fn saying(conditions: Conditions, lock: NewLock) -> Conditions {
    let conditions = match lock.retention {
        Some(Retention { mode, until }) => {
            let days = (until - OffsetDateTime::now_utc()).whole_days();
            conditions
                .with(KeyName::ObjectLockMode, mode.as_str())
                .with(KeyName::ObjectLockRetainUntilDate, written(until))
                .with(KeyName::ObjectLockRemainingRetentionDays, days.to_string())
        }
        None => conditions,
    };
    match lock.legal_hold {
        Some(hold) => conditions.with(KeyName::ObjectLockLegalHold, if hold { "ON" } else { "OFF" }),
        None => conditions,
    }
}

/// The rights to lock an object while it is written, beside the right to write it.
///
/// # Errors
/// `AccessDenied`.
pub(super) async fn permit_to_give(app: &App, caller: &Caller, mut permit: Permit, lock: NewLock) -> Result<Permit> {
    let asked = [
        (lock.retention.is_some(), Action::PutObjectRetention),
        (lock.legal_hold.is_some(), Action::PutObjectLegalHold),
    ];
    for (_, action) in asked.into_iter().filter(|(is_asked, _)| *is_asked) {
        let given = authorize(app, caller, action, permit.resource().clone()).await?;
        permit = permit.beside(&given);
    }
    Ok(permit)
}

/// Whether a request asks to bypass governance; whoever asks must have the right.
///
/// # Errors
/// `AccessDenied`.
pub(super) async fn bypass(app: &App, permit: Permit, headers: &HeaderMap) -> Result<(Permit, bool)> {
    let is_asked = headers.get(BYPASS).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if !is_asked {
        return Ok((permit, false));
    }
    let given = authorize(app, permit.caller(), Action::BypassGovernanceRetention, permit.resource().clone()).await?;
    Ok((permit.beside(&given), true))
}

/// Says how a version is locked, to those who may know.
pub(super) fn tell(app: &App, permit: &Permit, head: &ObjectHead, headers: &mut HeaderMap) {
    let may = |action| app.authority.may_know(permit.caller(), action, permit.resource());
    if let Some(Retention { mode, until }) = head.retention
        && may(Action::GetObjectRetention)
        && let Ok(until) = HeaderValue::try_from(written(until))
    {
        headers.insert(MODE, HeaderValue::from_static(mode.as_str()));
        headers.insert(UNTIL, until);
    }
    if head.legal_hold && may(Action::GetObjectLegalHold) {
        headers.insert(LEGAL_HOLD, HeaderValue::from_static(dto::ObjectLockLegalHoldStatus::ON));
    }
}

fn written(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(HeaderName, &'static str)]) -> Result<NewLock> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        of_headers(&headers.collect())
    }

    #[test]
    fn a_lock_is_said_by_two_headers_or_none() {
        assert_eq!(read(&[]).unwrap(), NewLock::default());
        let lock = read(&[(MODE, "COMPLIANCE"), (UNTIL, "2999-01-01T00:00:00Z"), (LEGAL_HOLD, "ON")]).unwrap();
        let retention = lock.retention.unwrap();
        assert_eq!(
            (retention.mode, retention.until.year(), lock.legal_hold),
            (RetentionMode::Compliance, 2999, Some(true))
        );
        for headers in [
            &[(MODE, "COMPLIANCE")][..],
            &[(UNTIL, "2999-01-01T00:00:00Z")],
            &[(MODE, "compliance"), (UNTIL, "2999-01-01T00:00:00Z")],
            &[(MODE, "GOVERNANCE"), (UNTIL, "tomorrow")],
            &[(MODE, "GOVERNANCE"), (UNTIL, "2001-01-01T00:00:00.000Z")],
            &[(LEGAL_HOLD, "on")],
        ] {
            assert_eq!(read(headers).unwrap_err().code(), Code::InvalidArgument, "{headers:?}");
        }
    }

    #[test]
    fn an_empty_retention_is_none() {
        assert_eq!(of_document(Some(dto::ObjectLockRetention::default())).unwrap(), None);
        let half = dto::ObjectLockRetention {
            mode: Some(dto::ObjectLockRetentionMode::from_static("GOVERNANCE")),
            retain_until_date: None,
        };
        for malformed in [None, Some(half)] {
            assert_eq!(of_document(malformed).unwrap_err().code(), Code::MalformedXml);
        }
    }
}
