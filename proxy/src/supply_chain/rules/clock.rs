//! [`Clock`]: the present, and when the next answer about it changes.
//!
//! Rules ask it alone, and only whether an instant has come. So until the earliest instant that has not come yet every answer stays as
//! it is, and with the answers the verdict.

use std::cell::Cell;
use std::time::Duration;

use time::OffsetDateTime;

/// How much later than ours the clock of whoever made a document may be.
const LEEWAY: Duration = Duration::from_secs(5 * 60);

/// The present of one evaluation.
#[derive(Debug)]
pub(super) struct Clock {
    now: OffsetDateTime,
    next: Cell<Option<OffsetDateTime>>,
}

/// How a time that a document tells lies to the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It is young enough.
    Fresh,
    /// It is older than what is taken.
    Stale,
    /// It has not come yet.
    Future,
}

impl Clock {
    pub(super) const fn new(now: OffsetDateTime) -> Self {
        Self { now, next: Cell::new(None) }
    }

    /// The present, for whoever tells the clock of every instant that it is compared with ([`Self::has_come`]).
    pub(super) const fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// Whether an instant has come.
    pub(super) fn has_come(&self, instant: OffsetDateTime) -> bool {
        if instant <= self.now {
            return true;
        }
        let next = self.next.get();
        self.next.set(Some(next.map_or(instant, |next| next.min(instant))));
        false
    }

    /// How old something is that was made at a time; without a limit nothing is too old.
    pub(super) fn age(&self, made: OffsetDateTime, most: Option<Duration>) -> Age {
        if !self.has_come(made.saturating_sub(leeway())) {
            return Age::Future;
        }
        match most {
            Some(most) if self.has_come(later(made, most)) => Age::Stale,
            _ => Age::Fresh,
        }
    }

    /// The earliest instant that was asked about and has not come.
    pub(super) fn next(&self) -> Option<OffsetDateTime> {
        self.next.get()
    }
}

fn leeway() -> time::Duration {
    time::Duration::try_from(LEEWAY).unwrap_or(time::Duration::ZERO)
}

fn later(instant: OffsetDateTime, by: Duration) -> OffsetDateTime {
    instant.saturating_add(time::Duration::try_from(by).unwrap_or(time::Duration::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_next_change_is_the_earliest_instant_that_has_not_come() {
        let clock = Clock::new(NOW);
        assert!(clock.has_come(NOW) && clock.has_come(NOW - DAY));
        assert_eq!(clock.next(), None);
        assert!(!clock.has_come(NOW + 2 * DAY) && !clock.has_come(NOW + DAY) && !clock.has_come(NOW + 3 * DAY));
        assert_eq!(clock.next(), Some(NOW + DAY));
    }

    #[test]
    fn something_is_fresh_until_it_is_as_old_as_it_may_be() {
        let clock = Clock::new(NOW);
        assert_eq!(clock.age(NOW - DAY, Some(DAY)), Age::Stale);
        assert_eq!(clock.age(NOW - DAY, None), Age::Fresh);
        assert_eq!(clock.next(), None);
        assert_eq!(clock.age(NOW - DAY / 2, Some(DAY)), Age::Fresh);
        assert_eq!(clock.next(), Some(NOW + DAY / 2));
        assert_eq!(clock.age(NOW + LEEWAY, Some(DAY)), Age::Fresh);
        assert_eq!(clock.age(NOW + DAY, Some(DAY)), Age::Future);
    }

    #[test]
    fn no_instant_is_too_far_away() {
        let clock = Clock::new(NOW);
        assert_eq!(clock.age(NOW, Some(Duration::MAX)), Age::Fresh);
        assert_eq!(clock.age(datetime!(-9999-01-01 0:00 UTC), Some(DAY)), Age::Stale);
    }

    proptest! {
        #[test]
        fn until_the_next_change_every_answer_is_the_same(
            made in proptest::collection::vec((-1000_i64..1000, 0_u64..1000), 0..10), later in 0_i64..2000,
        ) {
            let ask = |now: OffsetDateTime| {
                let clock = Clock::new(now);
                let at = |hours: i64| NOW + time::Duration::hours(hours);
                let answers: Vec<Age> =
                    made.iter().map(|(made, most)| clock.age(at(*made), Some(Duration::from_secs(most * 3600)))).collect();
                (answers, clock.next())
            };
            let (answers, next) = ask(NOW);
            let then = NOW + time::Duration::minutes(later * 30);
            if next.is_none_or(|next| then < next) {
                prop_assert_eq!(ask(then).0, answers);
            }
        }
    }
}
