//! [`LifecycleWorker`]: carries out the rules by which objects, versions and uploads of buckets expire.
//!
//! A pass goes over one bucket in pages. Any number of replicas may be at it: the index gives each bucket to one of them for a while, and
//! what one has left another goes on with from the last page. After an outage everything is due that became so meanwhile. Nothing is
//! deleted that was replaced since it was looked at, nothing that is locked, and each thing that goes is on record.
//! What does not live here: what rules say (`bucket_configuration::lifecycle`).

mod pass;

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use time::{OffsetDateTime, Time, UtcOffset};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Lifecycle as Config;
use crate::error::{Code, Error, Result};
use crate::index::LifecyclePass;
use crate::telemetry::names;
use pass::Outcome;

/// What the service calls itself on record when it does this (`user/system/lifecycle`).
pub const TASK: &str = "lifecycle";

/// How long a bucket is held beyond what a page is meant to take: much longer than any statement may.
const LEASE: Duration = Duration::from_secs(120);

/// How long one rests where no bucket is due.
const REST: Duration = Duration::from_secs(5);

/// The pause before a pass that has failed goes on.
const RETRY: Duration = Duration::from_secs(60);

/// The most that one page may have; deletes take no more at a time.
const BATCH: u32 = 1_000;

/// Goes by the rules of buckets.
#[derive(Debug)]
pub struct LifecycleWorker(Arc<App>);

impl LifecycleWorker {
    /// For this application.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    /// Goes over buckets as they are due, until `stop`; a pass under way is then left where it is, for others to go on with.
    pub async fn run(&self, stop: CancellationToken) {
        let config = &self.0.config.lifecycle;
        if config.enabled {
            futures::future::join_all((0..config.workers.max(1)).map(|_| self.work(&stop))).await;
        }
    }

    async fn work(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let rest = match self.work_off_one(Duration::ZERO, stop).await {
                Ok(true) => continue,
                Ok(false) => REST.mul_f64(0.8 + 0.4 * rand::random::<f64>()),
                Err(error) => {
                    tracing::debug!("lifecycle rules wait: {}", error.for_log());
                    REST * 5
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Goes over the bucket that is first due; whether there was one. `ahead` moves the clock that rules are held against: for tests.
    ///
    /// # Errors
    /// `IndexUnavailable`. What goes wrong with a bucket is noted, and comes again.
    pub async fn work_off_one(&self, ahead: Duration, stop: &CancellationToken) -> Result<bool> {
        let lease = lease(&self.0.config.lifecycle);
        let Some(mut pass) = self.0.index.claim_lifecycle(lease, ahead).await? else { return Ok(false) };
        let begun = Instant::now();
        let outcome = self.carry_out(&mut pass, stop).await;
        histogram!(names::LIFECYCLE_SECONDS).record(begun.elapsed().as_secs_f64());
        self.conclude(&pass, outcome).await?;
        Ok(true)
    }

    async fn conclude(&self, pass: &LifecyclePass, outcome: Result<Outcome>) -> Result<()> {
        let index = &self.0.index;
        let label = match outcome {
            Ok(Outcome::Ended) => {
                let next = next_pass(pass.begun_at, self.0.config.lifecycle.interval);
                index.end_lifecycle(pass, next).await?;
                "ended"
            }
            Ok(Outcome::Stopped) => {
                index.interrupt_lifecycle(pass, Duration::ZERO, None).await?;
                "stopped"
            }
            Ok(Outcome::Lost) => "lost",
            // It went, and its rules with it.
            Err(error) if error.code() == Code::NoSuchBucket => "lost",
            Err(error) => {
                tracing::warn!(bucket = pass.bucket, "a pass by lifecycle rules was interrupted: {}", error.for_log());
                index.interrupt_lifecycle(pass, RETRY, Some(&told(&error))).await?;
                "failed"
            }
        };
        counter!(names::LIFECYCLE_PASSES, "outcome" => label).increment(1);
        Ok(())
    }
}

/// How long a bucket is held: longer than a full page and the pause behind it.
fn lease(config: &Config) -> Duration {
    let batch = u64::from(batch(config));
    LEASE + pause(config, batch, batch)
}

fn batch(config: &Config) -> u32 {
    config.batch.clamp(1, BATCH)
}

/// How long it may take at the least to look at so much and to delete so much.
fn pause(config: &Config, looked: u64, deleted: u64) -> Duration {
    let at =
        |count: u64, per_second: u32| Duration::from_millis(count.saturating_mul(1_000) / u64::from(per_second.max(1)));
    at(looked, config.looks_per_second).max(at(deleted, config.deletes_per_second))
}

/// When the next pass begins: when something may be due that was not when this one began.
fn next_pass(begun: OffsetDateTime, interval: Duration) -> OffsetDateTime {
    let begun = begun.to_offset(UtcOffset::UTC);
    let midnight = begun.saturating_add(time::Duration::DAY).replace_time(Time::MIDNIGHT);
    let interval = time::Duration::try_from(interval).unwrap_or(time::Duration::MAX);
    begun.saturating_add(interval).min(midnight)
}

/// What may be shown of an error.
fn told(error: &Error) -> String {
    format!("{}: {}", error.row().label, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_next_pass_begins_at_midnight_or_after_the_interval_whichever_is_first() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (begun, interval, next) in [
            (datetime!(2025-03-01 10:30 UTC), hours(24), datetime!(2025-03-02 00:00 UTC)),
            (datetime!(2025-03-01 10:30 UTC), hours(6), datetime!(2025-03-01 16:30 UTC)),
            (datetime!(2025-03-01 23:30 UTC), hours(6), datetime!(2025-03-02 00:00 UTC)),
            (datetime!(2025-03-01 00:00 UTC), hours(24), datetime!(2025-03-02 00:00 UTC)),
            (datetime!(2025-03-01 23:30 -2), hours(24), datetime!(2025-03-03 00:00 UTC)),
        ] {
            assert_eq!(next_pass(begun, interval), next, "{begun} {interval:?}");
        }
        assert_eq!(next_pass(datetime!(2025-03-01 10:30 UTC), Duration::MAX), datetime!(2025-03-02 00:00 UTC));
    }

    #[test]
    fn a_worker_deletes_and_looks_no_faster_than_it_may() {
        let config = Config { looks_per_second: 1_000, deletes_per_second: 10, ..Config::default() };
        assert_eq!(pause(&config, 500, 0), Duration::from_millis(500));
        assert_eq!(pause(&config, 500, 20), Duration::from_secs(2));
        assert_eq!(pause(&Config { looks_per_second: 0, ..config }, 3, 0), Duration::from_secs(3));
        assert!(lease(&Config { batch: 1_000_000, ..config }) > Duration::from_secs(100));
    }
}
