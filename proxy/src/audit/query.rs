//! Asking the log: pages by key over time and id, in a time range that must be given.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::index::{AuditEvent, AuditFilter, AuditPlace, Index};

/// Most events in a page.
const MAX_PAGE: u32 = 1_000;

/// A page of events in the order of time and id.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<AuditPlace>,
}

/// Events that pass the filter behind `after`; at most `limit`, and never more than 1,000.
/// # Errors
/// `InvalidArgument` where the range is empty or `limit` is 0; `IndexUnavailable`.
pub async fn query(index: &Index, filter: &AuditFilter, after: Option<AuditPlace>, limit: u32) -> Result<Page> {
    if filter.from >= filter.to {
        let text = "to: the time range is empty, `from` must be before `to`";
        return Err(Error::new(Code::InvalidArgument, text).with("field", "to"));
    }
    if limit == 0 {
        return Err(Error::new(Code::InvalidArgument, "The limit must be at least 1.").with("field", "limit"));
    }
    let limit = limit.min(MAX_PAGE);
    let mut events = index.audit_events(filter, after, limit + 1).await?;
    let is_more = events.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if is_more {
        events.pop();
    }
    let next = events.last().filter(|_| is_more).map(|last| (last.time, last.id));
    Ok(Page { events, next })
}

/// A place as a token for clients, who give it back as it is.
#[must_use]
pub fn token((time, id): AuditPlace) -> String {
    format!("{}.{}", time.unix_timestamp_nanos() / 1000, id.simple())
}

/// Reads a token.
/// # Errors
/// `InvalidArgument`.
pub fn place(token: &str) -> Result<AuditPlace> {
    let parse = || {
        let (micros, id) = token.split_once('.')?;
        let nanos = micros.parse::<i64>().ok().map(|micros| i128::from(micros) * 1000)?;
        Some((OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?, Uuid::try_parse(id).ok()?))
    };
    let place = parse().filter(|place| self::token(*place) == token);
    place.ok_or_else(|| Error::new(Code::InvalidArgument, "after: not a `next` of this list").with("field", "after"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let here = (datetime!(2026-01-02 03:04:05.678901 UTC), Uuid::now_v7());
        assert_eq!(place(&token(here)).unwrap(), here);
        let (zeros, dashes) = ("0".repeat(32), "00000000-0000-0000-0000-000000000000");
        let others = [format!("99999999999999999999.{zeros}"), format!("01.{zeros}"), format!("1.{dashes}")];
        for bad in ["", ".", "1", "x.y", "1.2"].into_iter().chain(others.iter().map(String::as_str)) {
            assert_eq!(place(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
