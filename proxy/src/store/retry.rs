//! Trying again: the one place that decides whether, when and how often.
//!
//! A request says what repeating it means ([`Repeat`]); a failure says whether the registry may have done it already.
//! Pauses grow, are shortened at random, and follow a `Retry-After`. All requests of a store share one budget, so that
//! retries stay a small share of the load when the registry is in trouble.
//! What does not live here: HTTP, and the breaker, which an attempt asks by itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::Failure;
use crate::config;

/// What repeating a request means, its body being at hand. A request whose body is a stream does not come here: it cannot
/// be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Idempotent and replayable: the same result however often it is done.
    Always,
    /// Not idempotent: repeated only where the registry has surely not done it.
    IfUndone,
}

/// How failed requests of one store are tried again.
#[derive(Debug)]
pub(super) struct Retry {
    config: config::Retry,
    budget: Budget,
}

/// Who hears of retries.
pub(super) trait Observer {
    /// A failed attempt is about to be followed by another.
    fn retrying(&self, failure: &Failure, pause: Duration);
}

impl Retry {
    pub(super) fn new(config: config::Retry) -> Self {
        let budget = Budget::new(config.budget);
        Self { config, budget }
    }

    /// Runs attempts until one succeeds or no more make sense. An attempt gets the time that is left for it; `extra` is
    /// added to the configured deadline. Gives the number of attempts with either end.
    pub(super) async fn run<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        repeat: Repeat,
        extra: Duration,
        observer: &impl Observer,
        mut attempt: impl FnMut(Duration) -> F,
    ) -> (Result<T, Failure>, u32) {
        let deadline = Instant::now() + self.config.deadline + extra;
        let mut attempts = 0;
        let mut free_retry = true;
        self.budget.deposit();
        loop {
            attempts += 1;
            let failure = match attempt(deadline.saturating_duration_since(Instant::now())).await {
                Ok(done) => return (Ok(done), attempts),
                Err(failure) => failure,
            };
            // The registry closed an idle connection just as we used it: no sign of trouble, so it costs nothing.
            let was_stale = matches!(failure, Failure::Cut { reused: true, .. });
            let pause = if was_stale && repeat == Repeat::Always && std::mem::take(&mut free_retry) {
                Duration::ZERO
            } else {
                match self.pause(repeat, &failure, attempts, deadline) {
                    Some(pause) if self.budget.withdraw() => pause,
                    _ => return (Err(failure), attempts),
                }
            };
            observer.retrying(&failure, pause);
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    /// How long to wait before the next attempt; `None` where there is to be none.
    fn pause(&self, repeat: Repeat, failure: &Failure, attempts: u32, deadline: Instant) -> Option<Duration> {
        let allowed = match repeat {
            Repeat::Always => failure.is_transient(),
            Repeat::IfUndone => failure.is_transient() && failure.is_undone(),
        };
        if !allowed || attempts >= self.config.max_attempts {
            return None;
        }
        let backoff = self.backoff(attempts, rand::random::<f64>());
        let pause = match failure.retry_after() {
            Some(asked) if asked > self.config.max_delay => return None,
            Some(asked) => asked.max(backoff),
            None => backoff,
        };
        (Instant::now() + pause < deadline).then_some(pause)
    }

    /// `first_delay`, longer by `factor` each time up to `max_delay`, then shortened by `random` (0 to 1) of a half.
    fn backoff(&self, attempts: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.config.first_delay.as_secs_f64() * self.config.factor.powi(exponent);
        let capped = grown.min(self.config.max_delay.as_secs_f64());
        Duration::try_from_secs_f64(capped * random.mul_add(-0.5, 1.0)).unwrap_or(self.config.max_delay)
    }
}

/// A token bucket that requests fill and retries empty.
#[derive(Debug)]
struct Budget {
    share: f64,
    tokens: Mutex<f64>,
}

/// Retries that a quiet store has in hand, and the most that a busy one can save up.
const RESERVE: f64 = 10.0;
const CAPACITY: f64 = 100.0;

impl Budget {
    fn new(share: f64) -> Self {
        Self { share, tokens: Mutex::new(if share > 0.0 { RESERVE } else { 0.0 }) }
    }

    fn deposit(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + self.share).min(CAPACITY);
    }

    fn withdraw(&self) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = *tokens >= 1.0;
        if enough {
            *tokens -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http::StatusCode;

    use super::*;
    use crate::error::{Code, Error};

    struct Pauses(Mutex<Vec<Duration>>);

    impl Observer for Pauses {
        fn retrying(&self, _: &Failure, pause: Duration) {
            self.0.lock().unwrap().push(pause);
        }
    }

    fn status(code: u16, retry_after: Option<Duration>) -> Failure {
        Failure::Status { status: StatusCode::from_u16(code).unwrap(), retry_after, text: String::new() }
    }

    fn cut(reused: bool) -> Failure {
        Failure::Cut { reused, source: "cut".into() }
    }

    /// Runs attempts that all fail by `failure`; the attempts and the pauses.
    async fn fail(config: config::Retry, repeat: Repeat, failure: impl Fn() -> Failure) -> (u32, Vec<Duration>) {
        let pauses = Pauses(Mutex::default());
        let (result, attempts) =
            Retry::new(config).run(repeat, Duration::ZERO, &pauses, |_| ready(Err::<(), _>(failure()))).await;
        assert!(result.is_err());
        (attempts, pauses.0.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_tried_as_often_as_configured_with_growing_pauses() {
        let config = config::Retry { max_attempts: 4, ..config::Retry::default() };
        let (attempts, pauses) = fail(config, Repeat::Always, || status(500, None)).await;
        assert_eq!(attempts, 4);
        let bounds = [(25, 50), (50, 100), (100, 200)];
        for (pause, (low, high)) in pauses.iter().zip(bounds) {
            assert!((low..=high).contains(&pause.as_millis()), "{pauses:?}");
        }
        assert_eq!(pauses.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_success_ends_it() {
        let pauses = Pauses(Mutex::default());
        let mut left = 2;
        let (result, attempts) = Retry::new(config::Retry::default())
            .run(Repeat::Always, Duration::ZERO, &pauses, |_| {
                left -= 1;
                ready(if left == 0 { Ok("done") } else { Err(Failure::Connect("refused".into())) })
            })
            .await;
        assert_eq!((result.unwrap(), attempts), ("done", 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_idempotent_is_repeated_only_where_nothing_was_done() {
        let config = config::Retry::default;
        assert_eq!(fail(config(), Repeat::IfUndone, || cut(false)).await.0, 1);
        assert_eq!(fail(config(), Repeat::IfUndone, || cut(true)).await.0, 1);
        assert_eq!(fail(config(), Repeat::IfUndone, || status(500, None)).await.0, 1);
        assert_eq!(fail(config(), Repeat::IfUndone, || status(503, None)).await.0, 4);
        assert_eq!(fail(config(), Repeat::IfUndone, || Failure::Connect("refused".into())).await.0, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_and_a_fault_of_ours_are_final() {
        let open = || Failure::Open { for_another: Duration::ZERO };
        assert_eq!(fail(config::Retry::default(), Repeat::Always, open).await.0, 1);
        let ours = || Failure::Ours(Error::from(Code::IncompleteBody));
        assert_eq!(fail(config::Retry::default(), Repeat::Always, ours).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_connection_is_replaced_at_once_and_once() {
        let config = config::Retry { max_attempts: 1, budget: 0.0, ..config::Retry::default() };
        assert_eq!(fail(config, Repeat::Always, || cut(true)).await, (2, vec![Duration::ZERO]));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_followed_up_to_the_longest_pause() {
        let config = config::Retry { max_attempts: 2, ..config::Retry::default() };
        let (_, pauses) = fail(config.clone(), Repeat::Always, || status(503, Some(Duration::from_secs(2)))).await;
        assert_eq!(pauses, [Duration::from_secs(2)]);
        let (attempts, _) = fail(config, Repeat::Always, || status(503, Some(Duration::from_secs(3)))).await;
        assert_eq!(attempts, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_behind_the_deadline() {
        let config = config::Retry { max_attempts: 100, deadline: Duration::from_secs(3), ..config::Retry::default() };
        let begun = Instant::now();
        let (attempts, _) = fail(config, Repeat::Always, || status(500, None)).await;
        assert!(begun.elapsed() <= Duration::from_secs(3));
        assert!(attempts < 100);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_told_how_much_time_is_left() {
        let config = config::Retry { deadline: Duration::from_secs(5), ..config::Retry::default() };
        let (left, _) = Retry::new(config)
            .run(Repeat::Always, Duration::from_secs(2), &Pauses(Mutex::default()), |left| ready(Ok(left)))
            .await;
        assert_eq!(left.unwrap(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_of_all_requests_together_stay_within_the_budget() {
        let retry = Retry::new(config::Retry { budget: 0.1, ..config::Retry::default() });
        let mut attempts_in_all = 0;
        for _ in 0..1000 {
            let (_, attempts) = retry
                .run(Repeat::Always, Duration::ZERO, &Pauses(Mutex::default()), |_| {
                    ready(Err::<(), _>(status(500, None)))
                })
                .await;
            attempts_in_all += attempts;
        }
        assert!((1100..=1000 + 100 + 10).contains(&attempts_in_all), "{attempts_in_all}");
    }

    #[test]
    fn the_longest_pause_bounds_the_backoff_for_any_number_of_attempts() {
        let retry = Retry::new(config::Retry::default());
        for attempts in [1, 2, 10, 1000, u32::MAX] {
            for random in [0.0, 0.5, 1.0] {
                assert!(retry.backoff(attempts, random) <= Duration::from_secs(2));
            }
        }
        assert_eq!(retry.backoff(u32::MAX, 1.0), Duration::from_secs(1));
    }
}
