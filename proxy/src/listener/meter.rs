//! When a body stands still.

use std::time::Duration;

use tokio::time::Instant;

/// The slowest rate at which a body may move, over one stall timeout; below it, it stands still.
const RATE_BYTES_MIN: u64 = 1024;

/// Counts the time spent waiting for the client, and grants more for every so many bytes.
///
/// Only the waits between [`Self::deadline`] and [`Self::moved`] count: a client is not to blame for our own pauses.
#[derive(Debug)]
pub(super) struct Meter {
    allowance: Duration,
    left: Duration,
    bytes: u64,
    bytes_needed: u64,
    waiting_since: Option<Instant>,
}

impl Meter {
    pub(super) fn new(allowance: Duration) -> Self {
        let bytes_needed = RATE_BYTES_MIN.saturating_mul(allowance.as_secs()).max(1);
        Self { allowance, left: allowance, bytes: 0, bytes_needed, waiting_since: None }
    }

    /// Begins to wait, or goes on waiting: when it must be over.
    pub(super) fn deadline(&mut self) -> Instant {
        *self.waiting_since.get_or_insert_with(Instant::now) + self.left
    }

    /// Bytes moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes >= self.bytes_needed {
            self.bytes = 0;
            self.left = self.allowance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_trickle_does_not_extend_the_deadline_and_a_flow_does() {
        let mut meter = Meter::new(Duration::from_secs(30));
        let began = Instant::now();
        for _ in 0..10 {
            meter.deadline();
            advance(Duration::from_secs(2)).await;
            meter.moved(1);
        }
        assert_eq!(meter.deadline(), began + Duration::from_secs(30));
        meter.moved(64 * 1024);
        assert_eq!(meter.deadline(), Instant::now() + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_pauses_do_not_count() {
        let mut meter = Meter::new(Duration::from_secs(30));
        meter.deadline();
        meter.moved(1);
        advance(Duration::from_secs(600)).await;
        assert_eq!(meter.deadline(), Instant::now() + Duration::from_secs(30));
    }
}
