//! [`Upkeep`]: keeps the outbox within its bounds, and says how much waits. Any number of replicas may do it at once.

use std::collections::HashSet;
use std::time::Duration;

use metrics::{counter, gauge};
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Events;
use crate::error::Result;
use crate::index::Index;
use crate::telemetry::names;

/// How often one looks.
const INTERVAL: Duration = Duration::from_secs(30);

/// Dead events that are forgotten at a time.
const BATCH: u32 = 10_000;

/// Looks after what waits.
#[derive(Debug)]
pub(super) struct Upkeep {
    index: Index,
    config: Events,
}

impl Upkeep {
    pub(super) const fn new(index: Index, config: Events) -> Self {
        Self { index, config }
    }

    /// Looks until `stop`.
    pub(super) async fn run(&self, stop: CancellationToken) {
        let mut shown = HashSet::new();
        loop {
            if let Err(error) = self.round(&mut shown).await {
                tracing::debug!("the upkeep of events waits: {}", error.for_log());
            }
            tokio::select! {
                () = sleep(INTERVAL.mul_f64(0.8 + 0.4 * rand::random::<f64>())) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Once; `shown` are targets of which something was shown before.
    pub(super) async fn round(&self, shown: &mut HashSet<String>) -> Result<()> {
        for (bucket, events) in self.index.bound_events(self.config.waiting_events).await? {
            tracing::error!(
                bucket,
                events,
                "events are dead, for too many of their bucket wait (events.waiting_events)"
            );
            counter!(names::EVENTS_OVERFLOWED).increment(events);
        }
        let (retention, most) = (self.config.dead_retention, self.config.dead_events);
        for (target, events) in self.index.forget_dead_events(retention, most, BATCH).await? {
            tracing::warn!(webhook = target, events, "dead events are forgotten, which nobody has asked for in time");
            counter!(names::EVENTS_FORGOTTEN, "target" => target).increment(events);
        }
        self.show(shown).await
    }

    async fn show(&self, shown: &mut HashSet<String>) -> Result<()> {
        let mut before = std::mem::take(shown);
        for backlog in self.index.event_backlog(None).await? {
            let age = backlog.oldest.map_or(0.0, |at| (OffsetDateTime::now_utc() - at).as_seconds_f64().max(0.0));
            show_one(&backlog.target, backlog.pending, backlog.failed, age);
            before.remove(&backlog.target);
            shown.insert(backlog.target);
        }
        // Of these nothing waits any more.
        before.iter().for_each(|target| show_one(target, 0, 0, 0.0));
        Ok(())
    }
}

fn show_one(target: &str, pending: i64, dead: i64, age: f64) {
    for (state, events) in [("pending", pending), ("dead", dead)] {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        gauge!(names::EVENT_BACKLOG, "target" => target.to_owned(), "state" => state).set(events);
    }
    gauge!(names::EVENT_AGE, "target" => target.to_owned()).set(age);
}
