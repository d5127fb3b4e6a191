//! `Range`, for an object of any size. A seed has the size, a line feed and the header's value.

use std::ops::Range;

use s3s::dto;

use super::{Read, Verdict};
use crate::error::Code;
use crate::s3::range::{content_range, resolve};

pub(super) fn check(input: &[u8]) -> Verdict {
    let parts = std::str::from_utf8(input).ok().and_then(|text| text.split_once('\n'));
    let Some((Ok(size), text)) = parts.map(|(size, text)| (size.parse::<u64>(), text)) else {
        return Ok(Read::Refused);
    };
    let Ok(asked) = dto::Range::parse(text) else { return Ok(Read::Refused) };
    let again = dto::Range::parse(&asked.to_header_string());
    ensure!(again.is_ok_and(|again| again == asked), "{asked:?} is not read back");
    match (resolve(Some(asked), size), expected(asked, size)) {
        (Ok(Some(found)), Some(expected)) => {
            ensure!(found == expected, "{asked:?} of {size}: {found:?}, not {expected:?}");
            ensure!(found.start < found.end && found.end <= size, "{found:?} does not lie within {size}");
            check_answer(&found, size)?;
            Ok(Read::Taken)
        }
        (Err(error), None) => {
            ensure!(error.code() == Code::InvalidRange, "{asked:?} of {size}: {:?}", error.code());
            Ok(Read::Refused)
        }
        (found, expected) => Err(format!("{asked:?} of {size}: {found:?}, not {expected:?}")),
    }
}

/// RFC 9110, section 14.1.2, by itself: the bytes that there are of those that are asked for, if any.
fn expected(asked: dto::Range, size: u64) -> Option<Range<u64>> {
    let (start, end) = match asked {
        dto::Range::Int { first, last } => (first, last.map_or(size, |last| last.saturating_add(1).min(size))),
        dto::Range::Suffix { length } => (size.saturating_sub(length), size),
    };
    (start < end).then_some(start..end)
}

/// `Content-Range` says the same bytes.
fn check_answer(found: &Range<u64>, size: u64) -> Result<(), String> {
    let answer = content_range(found, size);
    let read = || {
        let (bytes, whole) = answer.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?, whole.parse().ok()?))
    };
    let said: Option<(u64, u64, u64)> = read();
    ensure!(said == Some((found.start, found.end - 1, size)), "{found:?} of {size} is answered as {answer}");
    Ok(())
}
