//! [`Pace`]: how much a second, for all checks that are under way together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets through so much a second. What is taken at once may be more than that: the next one waits for it.
pub(super) struct Pace {
    rate: u64,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At least one a second.
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), next: Mutex::default() }
    }

    /// Waits until it is this one's turn.
    pub(super) async fn take(&self, amount: u64) {
        let due = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let due = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(due + self.cost(amount));
            due
        };
        sleep_until(due).await;
    }

    fn cost(&self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_take_at_the_same_time_share_the_rate() {
        let (pace, begun) = (Pace::new(10), Instant::now());
        join_all((0..21).map(|_| pace.take(1))).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_saves_nothing_up_and_a_rate_of_nothing_still_moves() {
        let (pace, begun) = (Pace::new(0), Instant::now());
        pace.take(2).await;
        pace.take(1).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let again = Instant::now();
        pace.take(1).await;
        pace.take(1).await;
        assert_eq!(again.elapsed(), Duration::from_secs(1));
    }
}
