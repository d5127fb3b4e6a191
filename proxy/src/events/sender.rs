//! [`Sender`]: tells targets what waits for them.
//!
//! Whoever takes an event has its lane for a while; a process that ends without a word leaves it to the others. What is not taken comes
//! again, later each time, and what has happened to the same key waits behind it until it is taken or dead.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::upkeep::Upkeep;
use super::{Target, Targets, record};
use crate::config;
use crate::error::{Error, Result};
use crate::index::{Event, EventEnd, Index};
use crate::telemetry::names;
use crate::webhook::DEADLINE;

/// How long nobody else tells what somebody tells: longer than a receiver may take, and the index after it.
const LEASE: Duration = Duration::from_secs(60);

/// How long one rests where there is nothing to tell.
const REST: Duration = Duration::from_millis(500);

/// How often one looks whether there are other targets.
const LOOK: Duration = Duration::from_secs(5);

/// How long what is on its way may take to end, when no more is to be told.
const PATIENCE: Duration = DEADLINE.saturating_sub(Duration::from_secs(2));

/// The pause before the second attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));

/// Tells targets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    index: Index,
    targets: Targets,
    config: config::Events,
}

impl Sender {
    /// Tells these targets.
    #[must_use]
    pub fn new(index: Index, targets: Targets, config: config::Events) -> Self {
        Self { index, targets, config }
    }

    /// Tells until `stop`; what is on its way then has some seconds to end.
    pub async fn run(&self, stop: CancellationToken) {
        let upkeep = Upkeep::new(self.index.clone(), self.config.clone());
        tokio::join!(self.reseal(), upkeep.run(stop.clone()), async {
            if self.config.deliver {
                self.tell(stop).await;
            }
        });
    }

    async fn reseal(&self) {
        match self.targets.reseal().await {
            Ok(0) => {}
            Ok(sealed) => tracing::info!(sealed, "event targets were sealed anew under the first key of the ring"),
            Err(error) => tracing::error!("event targets could not be sealed anew: {}", error.for_log()),
        }
    }

    /// Tells all targets at once. When one has changed it is begun afresh, and the others go on.
    async fn tell(&self, stop: CancellationToken) {
        let (mut told, mut telling, mut complained) = (Told::default(), JoinSet::new(), HashSet::new());
        while !stop.is_cancelled() {
            match self.targets.enabled().await {
                Ok((targets, broken)) => {
                    complain(broken, &mut complained);
                    for (target, over) in told.change(targets, &stop) {
                        let sender = self.clone();
                        telling.spawn(async move { sender.tell_one(target, over).await });
                    }
                }
                Err(error) => tracing::debug!("changes of event targets wait: {}", error.for_log()),
            }
            while telling.try_join_next().is_some() {}
            rest(LOOK, &stop).await;
        }
        while telling.join_next().await.is_some() {}
    }

    async fn tell_one(&self, target: Arc<Target>, over: CancellationToken) {
        let most = usize::try_from(self.config.concurrency.max(1)).unwrap_or(1);
        let mut on_their_way = JoinSet::new();
        while !over.is_cancelled() {
            while on_their_way.try_join_next().is_some() {}
            let is_full = on_their_way.len() >= most;
            let claimed = if is_full { Ok(None) } else { self.index.claim_event(&target.name, LEASE).await };
            let pause = match claimed {
                Ok(Some(event)) => {
                    on_their_way.spawn(self.clone().deliver(Arc::clone(&target), event));
                    continue;
                }
                Ok(None) => REST,
                Err(error) => {
                    tracing::debug!(webhook = target.name, "events wait: {}", error.for_log());
                    LOOK
                }
            };
            tokio::select! {
                // What is behind it in its lane may be due now.
                _ = on_their_way.join_next(), if !on_their_way.is_empty() => {}
                () = rest(pause.mul_f64(jitter()), &over), if !is_full => {}
                () = over.cancelled() => {}
            }
        }
        let ending = async { while on_their_way.join_next().await.is_some() {} };
        // What does not end in time is cut, and told again when its lease is over.
        let _ = timeout(PATIENCE, ending).await;
    }

    /// Tells a target of one event that waits for it; whether there was one.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn deliver_one(&self, target: &Arc<Target>) -> Result<bool> {
        let Some(event) = self.index.claim_event(&target.name, LEASE).await? else { return Ok(false) };
        self.clone().deliver(Arc::clone(target), event).await;
        Ok(true)
    }

    async fn deliver(self, target: Arc<Target>, event: Event) {
        let sent = match record::message(&event, target.format) {
            Ok(message) => target.post(message).await,
            Err(error) => Err(error),
        };
        let (end, outcome) = self.end(&target.name, &event, sent);
        counter!(names::EVENT_DELIVERIES, "target" => target.name.clone(), "outcome" => outcome).increment(1);
        match self.index.end_event(&event, &end).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(webhook = target.name, event = event.id, "an event took longer than its lease"),
            // It is told again when its lease is over.
            Err(error) => {
                tracing::warn!(webhook = target.name, "what became of an event is not kept: {}", error.for_log());
            }
        }
    }

    /// What becomes of an event, and what metrics call it.
    fn end(&self, target: &str, event: &Event, sent: Result<()>) -> (EventEnd, &'static str) {
        let Err(error) = sent else { return (EventEnd::Delivered, "ok") };
        let (bucket, key, attempts, why) = (&event.bucket, &event.key, event.attempts, error.for_operator());
        if u32::try_from(attempts).unwrap_or(0) >= self.config.attempts {
            tracing::error!(webhook = target, bucket, key, attempts, "an event is given up: {why}");
            return (EventEnd::GiveUp(why), "given_up");
        }
        tracing::debug!(webhook = target, bucket, key, attempts, "an event is told again: {why}");
        (EventEnd::Retry(pause(attempts).mul_f64(jitter()), why), "failed")
    }
}

/// Says of targets that cannot be told that they cannot, once for as long as it is so.
fn complain(broken: Vec<(String, Error)>, complained: &mut HashSet<String>) {
    complained.retain(|name| broken.iter().any(|(broken, _)| broken == name));
    for (name, error) in broken {
        if complained.insert(name.clone()) {
            tracing::error!(webhook = name, "an event target cannot be told: {}", error.for_log());
        }
    }
}

/// The targets that are being told, with what ends it.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, (i64, CancellationToken)>);

impl Told {
    /// Ends what is told to targets that are no more what they were, and gives those that are to be told from now on, until theirs ends
    /// or `stop` does.
    pub(super) fn change(
        &mut self,
        now: Vec<Arc<Target>>,
        stop: &CancellationToken,
    ) -> Vec<(Arc<Target>, CancellationToken)> {
        self.0.retain(|name, (version, over)| {
            let stays = now.iter().any(|target| target.name == *name && target.version == *version);
            if !stays {
                over.cancel();
            }
            stays
        });
        let mut new = Vec::new();
        for target in now {
            if !self.0.contains_key(&target.name) {
                let over = stop.child_token();
                self.0.insert(target.name.clone(), (target.version, over.clone()));
                new.push((target, over));
            }
        }
        new
    }
}

/// The pause after so many attempts.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    PAUSES.0.saturating_mul(1 << doublings).min(PAUSES.1)
}

/// So that those who wait do not all come at once.
fn jitter() -> f64 {
    0.8 + 0.4 * rand::random::<f64>()
}

async fn rest(pause: Duration, over: &CancellationToken) {
    tokio::select! {
        () = sleep(pause) => {}
        () = over.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_waits_longer_up_to_an_hour_and_all_of_them_most_of_a_day() {
        let waits: Vec<u64> = (1..24).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(waits[..11], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        let hours = waits.iter().sum::<u64>() / 3600;
        assert!((12..=16).contains(&hours), "{hours}");
        assert_eq!((pause(0).as_secs(), pause(i32::MAX).as_secs()), (5, 3600));
    }

    #[test]
    fn what_is_on_its_way_ends_before_its_lease_does() {
        assert!(DEADLINE * 2 < LEASE && PATIENCE < DEADLINE);
    }
}
