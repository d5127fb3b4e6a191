//! `If-*` headers and their dates. A seed has headers, each in a line.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3s::dto::{Timestamp, TimestampFormat};
use time::OffsetDateTime;

use super::{Read, Verdict};
use crate::error::Code;
use crate::s3::conditions::{READ, delete, http_date, parse_http_date, read, write};

pub(super) fn check(input: &[u8]) -> Verdict {
    let Some(headers) = super::headers(input) else { return Ok(Read::Refused) };
    for name in [header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        if let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) {
            check_date(text)?;
        }
    }
    let conditions = read(&headers, READ);
    let says = |name: HeaderName| headers.get(name).is_some_and(|value| value.to_str().is_ok());
    ensure!(conditions.if_match.is_some() == says(header::IF_MATCH), "an If-Match is lost or made up");
    ensure!(conditions.if_none_match.is_some() == says(header::IF_NONE_MATCH), "an If-None-Match is lost or made up");
    let (writes, deletes) = (check_write(&headers)?, check_delete(&headers)?);
    Ok(if writes && deletes { Read::Taken } else { Read::Refused })
}

/// A date that is read is written so that it is the same one, and `s3s` reads it alike.
fn check_date(text: &str) -> Result<(), String> {
    let Some(date) = parse_http_date(text) else { return Ok(()) };
    if date.year() > 0 {
        let written = http_date(date);
        ensure!(parse_http_date(&written) == Some(date), "{text:?} is written as {written:?}");
    }
    if let Ok(other) = Timestamp::parse(TimestampFormat::HttpDate, text) {
        ensure!(OffsetDateTime::from(other) == date, "{text:?} is two dates");
    }
    Ok(())
}

/// Whether a write would take the conditions.
fn check_write(headers: &HeaderMap) -> Result<bool, String> {
    let conditions = match write(headers) {
        Ok(conditions) => conditions,
        Err(error) => {
            ensure!(error.code() == Code::NotImplemented, "a write is refused as {:?}", error.code());
            return Ok(false);
        }
    };
    ensure!(!conditions.absent || conditions.etag.is_none(), "there shall be none, and one with an ETag");
    ensure!(conditions.absent == headers.contains_key(header::IF_NONE_MATCH), "If-None-Match is lost or made up");
    if let Some(etag) = conditions.etag {
        ensure!(!etag.contains(','), "{etag:?} is taken for one ETag");
        let again = quoted(etag)?;
        let again = write(&again).map_err(|error| format!("{etag:?} is not taken in quotes: {error:?}"))?;
        ensure!(again.etag == Some(etag), "{etag:?} is another ETag in quotes");
    }
    Ok(true)
}

/// Whether a delete would take the condition.
fn check_delete(headers: &HeaderMap) -> Result<bool, String> {
    let etag = match delete(headers) {
        Ok(etag) => etag,
        Err(error) => {
            ensure!(error.code() == Code::NotImplemented, "a delete is refused as {:?}", error.code());
            return Ok(false);
        }
    };
    ensure!(etag.is_some() == headers.contains_key(header::IF_MATCH), "If-Match is lost or made up");
    if let Some(etag) = etag.filter(|etag| *etag != "*") {
        ensure!(!etag.contains([',', '*']), "{etag:?} is taken for one ETag");
        let again = quoted(etag)?;
        let again = delete(&again).map_err(|error| format!("{etag:?} is not taken in quotes: {error:?}"))?;
        ensure!(again == Some(etag), "{etag:?} is another ETag in quotes");
    }
    Ok(true)
}

fn quoted(etag: &str) -> Result<HeaderMap, String> {
    let value = HeaderValue::from_str(&format!("\"{etag}\"")).map_err(|_| format!("{etag:?} is no header"))?;
    Ok(HeaderMap::from_iter([(header::IF_MATCH, value)]))
}
