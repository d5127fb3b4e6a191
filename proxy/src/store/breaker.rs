//! The breaker: leaves a registry alone that fails again and again, and finds out by itself when it is back.
//!
//! Closed: requests pass; `failure_threshold` failures in a row open it. Open: requests are refused at once for
//! `recovery_time`. Half-open: probes pass, one at a time; after `half_open_probes` successes in a row it is closed, after one failure
//! open again. A verdict on a request that began under an earlier state changes nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config;
use crate::telemetry::names;

/// A breaker. Clones share its state.
#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: String,
    config: config::Breaker,
    machine: Mutex<Machine>,
}

/// The state, and how many states there were before it.
#[derive(Debug)]
struct Machine {
    state: State,
    epoch: u64,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { successes: u32, probing: bool },
}

/// The right to send one request. Dropped without a verdict it changes nothing, but lets the next probe in.
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Breaker,
    epoch: u64,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn new(store: &str, config: config::Breaker) -> Self {
        let machine = Mutex::new(Machine { state: State::Closed { failures: 0 }, epoch: 0 });
        metrics::gauge!(names::BREAKER_STATE, "store" => store.to_owned()).set(0.0);
        Self(Arc::new(Inner { store: store.to_owned(), config, machine }))
    }

    /// Asks to send a request; `Err` holds how long it is to be left alone.
    pub(super) fn admit(&self) -> Result<Permit, Duration> {
        self.with(|machine| {
            if let State::Open { until } = machine.state {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                self.enter(machine, State::HalfOpen { successes: 0, probing: false });
            }
            let is_probe = match &mut machine.state {
                State::HalfOpen { probing: true, .. } => return Err(Duration::ZERO),
                State::HalfOpen { probing, .. } => {
                    *probing = true;
                    true
                }
                State::Closed { .. } | State::Open { .. } => false,
            };
            Ok(Permit { breaker: self.clone(), epoch: machine.epoch, is_probe })
        })
    }

    /// Asks to go on with what a request began that was admitted before: refused only while the breaker is open, and never
    /// a probe, for it may take as long as a client takes to send its body.
    pub(super) fn admit_continuation(&self) -> Result<Permit, Duration> {
        self.with(|machine| {
            if let State::Open { until } = machine.state {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
            }
            Ok(Permit { breaker: self.clone(), epoch: machine.epoch, is_probe: false })
        })
    }

    fn succeeded(&self, permit: &Permit) {
        self.with(|machine| {
            if machine.epoch != permit.epoch {
                return;
            }
            match &mut machine.state {
                State::Closed { failures } => *failures = 0,
                State::HalfOpen { successes, probing } if permit.is_probe => {
                    *probing = false;
                    *successes += 1;
                    if *successes >= self.0.config.half_open_probes {
                        self.enter(machine, State::Closed { failures: 0 });
                    }
                }
                State::HalfOpen { .. } | State::Open { .. } => {}
            }
        });
    }

    fn failed(&self, permit: &Permit) {
        self.with(|machine| {
            if machine.epoch != permit.epoch {
                return;
            }
            let opens = match &mut machine.state {
                State::Closed { failures } => {
                    *failures += 1;
                    *failures >= self.0.config.failure_threshold
                }
                State::HalfOpen { .. } => permit.is_probe,
                State::Open { .. } => false,
            };
            if opens {
                self.enter(machine, State::Open { until: Instant::now() + self.0.config.recovery_time });
            }
        });
    }

    fn abandoned(&self, permit: &Permit) {
        self.with(|machine| {
            if let State::HalfOpen { probing, .. } = &mut machine.state
                && permit.is_probe
                && machine.epoch == permit.epoch
            {
                *probing = false;
            }
        });
    }

    fn enter(&self, machine: &mut Machine, state: State) {
        self.report(&state);
        machine.state = state;
        machine.epoch += 1;
    }

    /// Tells a new state to metrics and log.
    fn report(&self, state: &State) {
        let store = self.0.store.as_str();
        let value = match state {
            State::Closed { .. } => 0.0,
            State::HalfOpen { .. } => 1.0,
            State::Open { .. } => 2.0,
        };
        metrics::gauge!(names::BREAKER_STATE, "store" => store.to_owned()).set(value);
        match state {
            State::Closed { .. } => tracing::info!(store, "breaker closed: the registry is in use"),
            State::HalfOpen { .. } => tracing::info!(store, "breaker half-open: the registry is probed"),
            State::Open { .. } => {
                let for_seconds = self.0.config.recovery_time.as_secs_f64();
                tracing::warn!(store, for_seconds, "breaker open: the registry failed too often in a row");
            }
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        change(&mut self.0.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Permit {
    /// The registry did its part.
    pub(super) fn succeed(mut self) {
        self.breaker.succeeded(&self);
        self.is_probe = false;
    }

    /// The registry did not.
    pub(super) fn fail(mut self) {
        self.breaker.failed(&self);
        self.is_probe = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.abandoned(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const RECOVERY: Duration = Duration::from_secs(5);

    fn breaker(threshold: u32, probes: u32) -> Breaker {
        let config =
            config::Breaker { failure_threshold: threshold, recovery_time: RECOVERY, half_open_probes: probes };
        Breaker::new("test", config)
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit().unwrap().fail();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_so_many_failures_in_a_row() {
        let breaker = breaker(3, 1);
        fail(&breaker, 2);
        breaker.admit().unwrap().succeed();
        fail(&breaker, 2);
        assert!(breaker.admit().is_ok());
        fail(&breaker, 1);
        assert_eq!(breaker.admit().unwrap_err(), RECOVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_says_how_long_it_lasts() {
        let breaker = breaker(1, 1);
        fail(&breaker, 1);
        advance(Duration::from_secs(2)).await;
        assert_eq!(breaker.admit().unwrap_err(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn probes_pass_one_at_a_time_and_close_it() {
        let breaker = breaker(1, 2);
        fail(&breaker, 1);
        advance(RECOVERY).await;
        let first = breaker.admit().unwrap();
        assert!(breaker.admit().is_err());
        first.succeed();
        let second = breaker.admit().unwrap();
        assert!(breaker.admit().is_err());
        second.succeed();
        let (a, b) = (breaker.admit(), breaker.admit());
        assert!(a.is_ok() && b.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_again_for_the_whole_time() {
        let breaker = breaker(1, 2);
        fail(&breaker, 1);
        advance(RECOVERY).await;
        breaker.admit().unwrap().succeed();
        breaker.admit().unwrap().fail();
        assert_eq!(breaker.admit().unwrap_err(), RECOVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_makes_room_for_the_next() {
        let breaker = breaker(1, 1);
        fail(&breaker, 1);
        advance(RECOVERY).await;
        drop(breaker.admit().unwrap());
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn verdicts_on_older_requests_change_nothing() {
        let breaker = breaker(1, 1);
        let (late_success, late_failure) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        fail(&breaker, 1);
        late_success.succeed();
        assert!(breaker.admit().is_err());
        advance(RECOVERY).await;
        let probe = breaker.admit().unwrap();
        late_failure.fail();
        probe.succeed();
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_goes_on_beside_the_probe_but_not_while_it_is_open() {
        let breaker = breaker(1, 1);
        fail(&breaker, 1);
        assert_eq!(breaker.admit_continuation().unwrap_err(), RECOVERY);
        advance(RECOVERY).await;
        let probe = breaker.admit().unwrap();
        breaker.admit_continuation().unwrap().fail();
        probe.succeed();
        assert!(breaker.admit().is_ok());
    }
}
