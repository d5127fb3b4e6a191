//! `If-*` headers of reads, of a copy's source and of writes (RFC 9110 section 13; AWS, *Conditional requests*).

use http::{HeaderMap, HeaderName, header};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::error::{Code, Error, Result};
use crate::index::{ObjectHead, Preconditions, WriteConditions};

const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The names of the four headers: a copy's source has its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    if_match: HeaderNameStr,
    if_none_match: HeaderNameStr,
    if_modified_since: HeaderNameStr,
    if_unmodified_since: HeaderNameStr,
}

type HeaderNameStr = &'static str;

/// The headers of a read.
pub(super) const READ: Names = Names {
    if_match: "if-match",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
    if_unmodified_since: "if-unmodified-since",
};

/// The headers about a copy's source.
pub(super) const COPY_SOURCE: Names = Names {
    if_match: "x-amz-copy-source-if-match",
    if_none_match: "x-amz-copy-source-if-none-match",
    if_modified_since: "x-amz-copy-source-if-modified-since",
    if_unmodified_since: "x-amz-copy-source-if-unmodified-since",
};

/// The headers about what is renamed.
pub(super) const RENAME_SOURCE: Names = Names {
    if_match: "x-amz-rename-source-if-match",
    if_none_match: "x-amz-rename-source-if-none-match",
    if_modified_since: "x-amz-rename-source-if-modified-since",
    if_unmodified_since: "x-amz-rename-source-if-unmodified-since",
};

/// Reads the four headers; a date that is none is ignored, as RFC 9110 asks.
pub(super) fn read(headers: &HeaderMap, names: Names) -> Preconditions {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Preconditions {
        if_match: text(names.if_match).map(str::to_owned),
        if_none_match: text(names.if_none_match).map(str::to_owned),
        if_modified_since: text(names.if_modified_since).and_then(parse_http_date),
        if_unmodified_since: text(names.if_unmodified_since).and_then(parse_http_date),
    }
}

/// Checks an object in the order of RFC 9110 section 13.2.2.
///
/// # Errors
/// `PreconditionFailed` naming the condition, or `NotModified` with the validators that a 304 carries.
pub(super) fn check(conditions: &Preconditions, head: &ObjectHead) -> Result<()> {
    let modified = whole_seconds(head.last_modified);
    if let Some(wanted) = &conditions.if_match {
        if !matches_etag(wanted, &head.etag, Comparison::Strong) {
            return Err(failed("If-Match"));
        }
    } else if conditions.if_unmodified_since.is_some_and(|date| modified > date) {
        return Err(failed("If-Unmodified-Since"));
    }
    let unchanged = match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(known), _) => matches_etag(known, &head.etag, Comparison::Weak),
        (None, Some(date)) => modified <= date,
        (None, None) => false,
    };
    if unchanged {
        return Err(Error::from(Code::NotModified)
            .with("ETag", format_args!("\"{}\"", head.etag))
            .with("Last-Modified", http_date(head.last_modified)));
    }
    Ok(())
}

/// As [`check`] for a copy's source: there is no 304 for a write.
pub(super) fn check_copy_source(conditions: &Preconditions, head: &ObjectHead) -> Result<()> {
    check(conditions, head).map_err(|error| match error.code() {
        Code::NotModified => failed("x-amz-copy-source-If-None-Match"),
        _ => error,
    })
}

/// The conditions of a write: `If-None-Match: *` or `If-Match` with one ETag, as S3 has them.
///
/// # Errors
/// `NotImplemented` for everything else that the two headers can say.
pub(super) fn write(headers: &HeaderMap) -> Result<WriteConditions<'_>> {
    let value = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (value(header::IF_NONE_MATCH), value(header::IF_MATCH)) {
        (None, None) => Ok(WriteConditions::default()),
        (Some("*"), None) => Ok(WriteConditions { absent: true, etag: None }),
        (None, Some(etag)) if etag != "*" && !etag.contains(',') && !etag.starts_with("W/") => {
            Ok(WriteConditions { absent: false, etag: Some(etag.trim_matches('"')) })
        }
        _ => Err(Error::new(
            Code::NotImplemented,
            "A write takes 'If-None-Match: *' or 'If-Match' with one ETag; nothing else is implemented.",
        )),
    }
}

/// The condition of a delete: `If-Match` with one ETag, without its quotes, or `*`.
///
/// # Errors
/// `NotImplemented` for everything else that the header can say.
pub(super) fn delete(headers: &HeaderMap) -> Result<Option<&str>> {
    let value = headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default());
    match value {
        None | Some("*") => Ok(value),
        Some(etag) if !etag.contains([',', '*']) && !etag.starts_with("W/") && !etag.is_empty() => {
            Ok(Some(etag.trim_matches('"')))
        }
        Some(_) => Err(Error::new(
            Code::NotImplemented,
            "A delete takes 'If-Match' with one ETag or '*'; nothing else is implemented.",
        )),
    }
}

fn failed(condition: &'static str) -> Error {
    Error::from(Code::PreconditionFailed).with("Condition", condition)
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of ETags holds `etag`. Clients also send a bare ETag without quotes, and S3 takes it.
fn matches_etag(list: &str, etag: &str, comparison: Comparison) -> bool {
    list.split(',').map(str::trim).any(|candidate| {
        if candidate == "*" {
            return true;
        }
        let (weak, tag) = candidate.strip_prefix("W/").map_or((false, candidate), |tag| (true, tag));
        tag.trim_matches('"') == etag && (!weak || comparison == Comparison::Weak)
    })
}

/// HTTP dates have whole seconds, and so have comparisons with them.
pub(super) fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}

/// Reads an HTTP date of the preferred format.
pub(super) fn parse_http_date(text: &str) -> Option<OffsetDateTime> {
    time::PrimitiveDateTime::parse(text, HTTP_DATE).ok().map(time::PrimitiveDateTime::assume_utc)
}

/// Writes an HTTP date.
pub(super) fn http_date(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(HTTP_DATE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::testing::head;

    fn conditions(pairs: &[(&'static str, &str)]) -> Preconditions {
        read(&headers(pairs), READ)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn verdict(pairs: &[(&'static str, &str)]) -> Option<Code> {
        // The object was modified at 22:13:20.5 on 14 November 2023.
        check(&conditions(pairs), &head("abc", 1_700_000_000_500)).err().map(|error| error.code())
    }

    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
    const AT: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

    #[test]
    fn each_condition_alone() {
        for (pairs, expected) in [
            (&[("if-match", "\"abc\"")][..], None),
            (&[("if-match", "abc")], None),
            (&[("if-match", "*")], None),
            (&[("if-match", "\"x\", \"abc\"")], None),
            (&[("if-match", "W/\"abc\"")], Some(Code::PreconditionFailed)),
            (&[("if-match", "\"x\"")], Some(Code::PreconditionFailed)),
            (&[("if-none-match", "\"abc\"")], Some(Code::NotModified)),
            (&[("if-none-match", "W/\"abc\"")], Some(Code::NotModified)),
            (&[("if-none-match", "*")], Some(Code::NotModified)),
            (&[("if-none-match", "\"x\"")], None),
            (&[("if-modified-since", AT)], Some(Code::NotModified)),
            (&[("if-modified-since", BEFORE)], None),
            (&[("if-unmodified-since", AT)], None),
            (&[("if-unmodified-since", BEFORE)], Some(Code::PreconditionFailed)),
            (&[("if-modified-since", "yesterday")], None),
        ] {
            assert_eq!(verdict(pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn an_etag_takes_precedence_over_a_date() {
        assert_eq!(verdict(&[("if-match", "\"abc\""), ("if-unmodified-since", BEFORE)]), None);
        assert_eq!(verdict(&[("if-none-match", "\"x\""), ("if-modified-since", AT)]), None);
    }

    #[test]
    fn a_failed_match_comes_before_not_modified() {
        let pairs = &[("if-match", "\"x\""), ("if-none-match", "\"abc\"")];
        assert_eq!(verdict(pairs), Some(Code::PreconditionFailed));
    }

    #[test]
    fn a_copy_of_an_unchanged_source_is_a_failed_precondition() {
        let headers = headers(&[("x-amz-copy-source-if-none-match", "\"abc\"")]);
        let error = check_copy_source(&read(&headers, COPY_SOURCE), &head("abc", 0)).unwrap_err();
        assert_eq!(error.code(), Code::PreconditionFailed);
    }

    #[test]
    fn a_304_carries_the_validators() {
        let error = check(&conditions(&[("if-none-match", "*")]), &head("abc", 1_700_000_000_500)).unwrap_err();
        let details: Vec<_> = error.details().collect();
        assert_eq!(details, [("ETag", "\"abc\""), ("Last-Modified", AT)]);
    }

    #[test]
    fn writes_take_two_forms_and_no_other() {
        let absent = headers(&[("if-none-match", "*")]);
        assert!(write(&absent).unwrap().absent);
        let etag = headers(&[("if-match", "\"abc\"")]);
        assert_eq!(write(&etag).unwrap().etag, Some("abc"));
        for pairs in [
            &[("if-none-match", "\"abc\"")][..],
            &[("if-match", "*")],
            &[("if-match", "\"a\", \"b\"")],
            &[("if-match", "W/\"a\"")],
            &[("if-match", "\"a\""), ("if-none-match", "*")],
        ] {
            assert_eq!(write(&headers(pairs)).unwrap_err().code(), Code::NotImplemented, "{pairs:?}");
        }
    }

    #[test]
    fn a_delete_takes_one_etag_or_any() {
        for (value, expected) in [("\"abc\"", "abc"), ("abc", "abc"), ("*", "*")] {
            assert_eq!(delete(&headers(&[("if-match", value)])).unwrap(), Some(expected), "{value}");
        }
        assert_eq!(delete(&headers(&[])).unwrap(), None);
        for value in ["\"a\", \"b\"", "W/\"a\"", "\"*\"", ""] {
            let error = delete(&headers(&[("if-match", value)])).unwrap_err();
            assert_eq!(error.code(), Code::NotImplemented, "{value}");
        }
    }

    #[test]
    fn http_dates_are_read_back() {
        let at = parse_http_date(AT).unwrap();
        assert_eq!(at.unix_timestamp(), 1_700_000_000);
        assert_eq!(http_date(at), AT);
    }
}
