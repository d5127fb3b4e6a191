//! `Range`: one range of bytes, as RFC 9110 section 14 and S3 read it.

use std::ops::Range;

use http::{HeaderMap, header};
use s3s::dto;
use time::OffsetDateTime;

use super::conditions;
use crate::error::{Code, Error, Result};

/// The bytes that are asked for: `None` for the whole object.
///
/// # Errors
/// `InvalidRange` where the object has none of them, with its size.
pub(crate) fn resolve(range: Option<dto::Range>, size: u64) -> Result<Option<Range<u64>>> {
    let Some(range) = range else { return Ok(None) };
    match range.check(size) {
        Ok(range) if !range.is_empty() => Ok(Some(range)),
        _ => Err(Error::from(Code::InvalidRange)
            .with("RangeRequested", range.to_header_string())
            .with("ActualObjectSize", size)),
    }
}

/// Whether a range counts: `If-Range` takes it back when the object is not the one that the client has a piece of.
pub(super) fn if_range_holds(headers: &HeaderMap, etag: &str, last_modified: OffsetDateTime) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    match conditions::parse_http_date(value) {
        Some(date) => conditions::whole_seconds(last_modified) == date,
        None => value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) == Some(etag),
    }
}

/// The value of `Content-Range`.
pub(crate) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Option<dto::Range> {
        Some(dto::Range::parse(text).unwrap())
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        for (text, expected) in
            [("bytes=0-4", 0..5), ("bytes=8-", 8..10), ("bytes=-3", 7..10), ("bytes=5-99", 5..10), ("bytes=-99", 0..10)]
        {
            assert_eq!(resolve(parsed(text), 10).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(resolve(None, 10).unwrap(), None);
    }

    #[test]
    fn a_range_behind_the_end_is_refused_with_the_size() {
        for (text, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-5", 0)] {
            let error = resolve(parsed(text), size).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRange, "{text}");
            assert!(error.details().any(|(name, value)| name == "ActualObjectSize" && value == size.to_string()));
        }
    }

    #[test]
    fn if_range_keeps_the_range_only_for_the_same_object() {
        let modified = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_500_000_000).unwrap();
        for (value, holds) in [
            ("\"abc\"", true),
            ("\"other\"", false),
            ("W/\"abc\"", false),
            ("Tue, 14 Nov 2023 22:13:20 GMT", true),
            ("Tue, 14 Nov 2023 22:13:21 GMT", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_RANGE, value.parse().unwrap())]);
            assert_eq!(if_range_holds(&headers, "abc", modified), holds, "{value}");
        }
        assert!(if_range_holds(&HeaderMap::new(), "abc", modified));
    }

    proptest! {
        #[test]
        fn a_resolved_range_lies_within_the_object(first in 0_u64..2_000, last in 0_u64..2_000, size in 0_u64..1_000) {
            prop_assume!(first <= last);
            if let Ok(Some(range)) = resolve(parsed(&format!("bytes={first}-{last}")), size) {
                prop_assert!(range.start < range.end && range.end <= size);
                prop_assert_eq!(range.start, first);
            } else {
                prop_assert!(first >= size);
            }
        }
    }
}
