//! When so many days are over: at midnight UTC, as AWS counts.

use time::{Duration, OffsetDateTime, Time, UtcOffset};

/// The first midnight UTC that comes later than so many days after `from`; none where no calendar reaches.
pub(super) fn after_days(from: OffsetDateTime, days: i32) -> Option<OffsetDateTime> {
    let from = from.to_offset(UtcOffset::UTC);
    from.checked_add(Duration::days(i64::from(days) + 1)).map(|later| later.replace_time(Time::MIDNIGHT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn days_end_at_the_midnight_that_follows() {
        for (from, days, due) in [
            (datetime!(2014-01-15 10:30 UTC), 3, datetime!(2014-01-19 00:00 UTC)),
            (datetime!(2014-01-15 23:59:59.999 UTC), 1, datetime!(2014-01-17 00:00 UTC)),
            (datetime!(2014-01-15 00:00 UTC), 1, datetime!(2014-01-17 00:00 UTC)),
            (datetime!(2014-01-15 23:30 -2), 1, datetime!(2014-01-18 00:00 UTC)),
            (datetime!(2024-02-28 12:00 UTC), 1, datetime!(2024-03-01 00:00 UTC)),
            (datetime!(2023-12-31 12:00 UTC), 365, datetime!(2024-12-31 00:00 UTC)),
        ] {
            assert_eq!(after_days(from, days), Some(due), "{from} and {days} days");
        }
    }

    #[test]
    fn what_no_calendar_reaches_is_never_due() {
        assert_eq!(after_days(datetime!(2024-01-01 00:00 UTC), i32::MAX), None);
    }
}
