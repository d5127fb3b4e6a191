//! [`Upkeep`]: keeps the outbox within its bounds, and says how much waits. Of all replicas one at a time changes
//! anything (`keeps_events_up` of `migrations/0030_events.sql`); each shows what there is.

use std::collections::HashSet;
use std::time::Duration;

use metrics::{counter, gauge};
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Events;
use crate::error::Result;
use crate::index::{EventOverflow, Index};
use crate::telemetry::names;

/// How often one looks.
const INTERVAL: Duration = Duration::from_secs(30);

/// Events that are given up or forgotten by one statement.
const BATCH: u32 = 10_000;

/// Statements of a kind that follow each other at once; then the others have their turn.
const BATCHES: u32 = 100;

/// How long what waits for a target that nobody knows is left alone: a replica that was started with it may be on its way.
const STRAY_AGE: Duration = Duration::from_secs(3600);

/// Looks after what waits.
#[derive(Debug)]
pub(super) struct Upkeep {
    index: Index,
    config: Events,
    /// As `BATCH`.
    pub(super) batch: u32,
}

impl Upkeep {
    pub(super) const fn new(index: Index, config: Events) -> Self {
        Self { index, config, batch: BATCH }
    }

    /// Looks until `stop`.
    pub(super) async fn run(&self, stop: CancellationToken) {
        let mut shown = HashSet::new();
        loop {
            // A round may take minutes; what a statement was at is undone, and another replica's to do.
            tokio::select! {
                outcome = self.round(&mut shown) => {
                    if let Err(error) = outcome {
                        tracing::warn!("the upkeep of events waits: {}", error.for_log());
                    }
                }
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = sleep(INTERVAL.mul_f64(0.8 + 0.4 * rand::random::<f64>())) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Once; `shown` are targets of which something was shown before.
    pub(super) async fn round(&self, shown: &mut HashSet<String>) -> Result<()> {
        // Each until a statement has changed less than it might have: what comes faster than it goes would grow otherwise.
        let all = u64::from(self.batch);
        for _ in 0..BATCHES {
            if self.bound().await? < all {
                break;
            }
        }
        for _ in 0..BATCHES {
            if self.end_stray().await? < all {
                break;
            }
        }
        for _ in 0..BATCHES {
            if self.forget().await? < all {
                break;
            }
        }
        self.show(shown).await
    }

    async fn bound(&self) -> Result<u64> {
        let mut changed = 0;
        for EventOverflow { target, bucket, events } in
            self.index.bound_events(self.config.waiting_events, self.batch).await?
        {
            tracing::error!(
                webhook = target,
                bucket,
                events,
                "events are dead, for too many of their bucket wait for this target (events.waiting_events)"
            );
            counter!(names::EVENTS_OVERFLOWED).increment(events);
            changed += events;
        }
        Ok(changed)
    }

    async fn end_stray(&self) -> Result<u64> {
        let configured: Vec<String> = self.config.targets.iter().map(|target| target.name.clone()).collect();
        let mut changed = 0;
        for (target, events) in self.index.end_stray_events(&configured, STRAY_AGE, self.batch).await? {
            tracing::error!(webhook = target, events, "events are dead, for there is no such target any more");
            changed += events;
        }
        Ok(changed)
    }

    async fn forget(&self) -> Result<u64> {
        let (retention, most) = (self.config.dead_retention, self.config.dead_events);
        let mut changed = 0;
        for (target, events) in self.index.forget_dead_events(retention, most, self.batch).await? {
            tracing::warn!(webhook = target, events, "dead events are forgotten, which nobody has asked for in time");
            counter!(names::EVENTS_FORGOTTEN, "target" => target).increment(events);
            changed += events;
        }
        Ok(changed)
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
