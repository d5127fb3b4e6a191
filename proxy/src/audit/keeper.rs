//! What goes on in the background: sealing, checkpoints, tomorrow's partitions, retention.
//!
//! Any number of replicas may do so at once: each seals its own events, and the rest is made once by whoever is first.

use std::path::Path;
use std::time::Duration;

use metrics::{counter, gauge};
use time::{Date, OffsetDateTime};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::note::{NoteError, Signer};
use super::{Kind, Record, checkpoint, publish};
use crate::config::Audit;
use crate::error::Result;
use crate::index::Index;
use crate::store::Store;
use crate::telemetry::names;

/// Events in one seal.
const SEAL: u32 = 500;

/// How often new events are sealed.
const SEAL_INTERVAL: Duration = Duration::from_millis(250);

/// How long a writer must be silent before others seal its events.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Days whose partitions are there ahead of time.
const DAYS_AHEAD: i64 = 7;

/// The shortest retention: a day goes only when it is over and sealed.
const MIN_RETENTION: Duration = Duration::from_secs(2 * 24 * 3600);

/// How much longer a day is kept for a webhook that has not been told of it.
const WEBHOOK_PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The background work of one process.
#[derive(Debug)]
pub struct Keeper {
    index: Index,
    store: Store,
    prefix: String,
    config: Audit,
    signer: Option<Signer>,
}

impl Keeper {
    /// Reads the key of the checkpoints, where one is configured.
    /// # Errors
    /// The key cannot be used.
    pub fn new(index: Index, store: Store, prefix: &str, config: Audit) -> Result<Self, NoteError> {
        let read = |path: &std::path::PathBuf| Signer::read(Path::new(path), &checkpoint::origin(prefix));
        let signer = config.checkpoint_key_file.as_ref().map(read).transpose()?;
        Ok(Self { index, store, prefix: prefix.to_owned(), config, signer })
    }

    /// Works until `stop`, then seals what is there.
    pub async fn run(&self, stop: CancellationToken) {
        match &self.signer {
            Some(signer) => tracing::info!(key = %signer.verifier(), "audit checkpoints are signed"),
            None => tracing::warn!("audit.checkpoint_key_file is unset: the audit log has no signed checkpoints"),
        }
        let mut timers = Timers::default();
        loop {
            let outcome = self.round(&mut timers).await;
            if let Err(error) = &outcome {
                tracing::warn!("the audit log's upkeep waits: {}", error.for_log());
            }
            let pause = if outcome.is_ok() { SEAL_INTERVAL } else { Duration::from_secs(5) };
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        if let Err(error) = self.seal(None).await {
            tracing::warn!("audit records are left for another process to seal: {}", error.for_log());
        }
    }

    async fn round(&self, timers: &mut Timers) -> Result<()> {
        self.seal(None).await?;
        if timers.checkpoint.is_due(Duration::from_secs(1)) {
            self.checkpoint().await?;
        }
        if timers.orphans.is_due(Duration::from_secs(10)) {
            for writer in self.index.audit_orphans(SILENCE).await? {
                self.seal(Some(writer)).await?;
            }
            self.measure().await?;
        }
        if timers.days.is_due(Duration::from_secs(3600)) {
            // Neither waits for the other.
            let prepared = self.prepare_days().await;
            self.retire(OffsetDateTime::now_utc()).await?;
            prepared?;
        }
        Ok(())
    }

    async fn seal(&self, origin: Option<uuid::Uuid>) -> Result<()> {
        while self.index.seal_audit(origin, SEAL).await? >= u64::from(SEAL) {}
        Ok(())
    }

    /// Signs and publishes what is new; without a key nothing.
    /// # Errors
    /// `IndexUnavailable`. A registry that is away is no error: the checkpoint stands, and is published later.
    pub async fn checkpoint(&self) -> Result<()> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let age = time::Duration::try_from(self.config.checkpoint_interval).unwrap_or(time::Duration::MINUTE);
        checkpoint::make(&self.index, signer, age, self.config.checkpoint_records.into()).await?;
        if let Err(error) = publish::publish(&self.index, &self.store, &self.prefix).await {
            tracing::warn!("audit checkpoints are published later: {}", error.for_log());
        }
        Ok(())
    }

    async fn measure(&self) -> Result<()> {
        let state = self.index.audit_state().await?;
        let age = |at: Option<OffsetDateTime>| at.map(|at| (OffsetDateTime::now_utc() - at).as_seconds_f64().max(0.0));
        gauge!(names::AUDIT_LAG).set(age(state.oldest_unsealed).unwrap_or(0.0));
        if let Some(seconds) = age(state.last_checkpoint) {
            gauge!(names::AUDIT_CHECKPOINT_AGE).set(seconds);
        }
        Ok(())
    }

    /// Makes the partitions of the days to come, and of those of which something was written before they had any: what stands in
    /// no day's partition is never retired.
    /// # Errors
    /// `IndexUnavailable`; the rest is made the next time.
    pub(super) async fn prepare_days(&self) -> Result<()> {
        for day in self.index.stray_audit_days().await? {
            self.index.prepare_audit_day(day).await?;
            tracing::warn!(%day, "audit records came before their day had a partition; they are in one now");
        }
        let today = OffsetDateTime::now_utc().date();
        for ahead in 0..=DAYS_AHEAD {
            self.index.prepare_audit_day(today + time::Duration::days(ahead)).await?;
        }
        Ok(())
    }

    /// Retires the days whose retention is over at `now`, oldest first; how many it was. A day that a webhook has not been told of
    /// waits for a week, with those behind it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn retire(&self, now: OffsetDateTime) -> Result<usize> {
        let retention = self.config.retention.max(MIN_RETENTION);
        let mut retired = 0;
        for day in self.index.audit_days().await? {
            if !is_over(day, retention, now) {
                break;
            }
            let untold = self.untold(day).await?;
            if let Some((webhook, records)) = untold.first()
                && !is_over(day, retention.saturating_add(WEBHOOK_PATIENCE), now)
            {
                tracing::warn!(%day, webhook, records, "audit records are kept longer: a webhook was not told of them yet");
                break;
            }
            if self.retire_day(day, retention, &untold).await? {
                retired += 1;
            }
        }
        Ok(retired)
    }

    /// The webhooks that were not told of a day, and of how many records.
    async fn untold(&self, day: Date) -> Result<Vec<(&str, u64)>> {
        let mut untold = Vec::new();
        for webhook in &self.config.webhooks {
            let records = self.index.untold_audit_records(&webhook.name, day).await?;
            if records > 0 {
                untold.push((webhook.name.as_str(), records));
            }
        }
        Ok(untold)
    }

    async fn retire_day(&self, day: Date, retention: Duration, untold: &[(&str, u64)]) -> Result<bool> {
        let heads: Vec<checkpoint::Head> =
            self.index.audit_day_heads(day).await?.iter().map(checkpoint::Head::from).collect();
        let heads = serde_json::to_string(&heads).map_err(crate::error::Error::internal)?;
        let record =
            |kind| Record::new(kind).api(super::Api::System).action("RetireAuditDay").reference(&day.to_string());
        let tombstone = record(Kind::Tombstone)
            .digest(crate::digest::Digest::of(heads.as_bytes()))
            .note(format!("retention of {} days", retention.as_secs() / 86_400));
        let gap = |(webhook, records): &(&str, u64)| {
            record(Kind::Gap).lost(*records).note(format!("retired before the webhook {webhook} was told"))
        };
        let gaps: Vec<Record> = untold.iter().map(gap).collect();
        let is_retired = self.index.retire_audit_day(day, &tombstone, &heads, &gaps).await?;
        if is_retired {
            tracing::info!(%day, "audit records are past their retention and gone");
            for (webhook, records) in untold {
                tracing::warn!(%day, webhook, records, "audit records are gone that a webhook was not told of");
                counter!(names::AUDIT_UNTOLD, "webhook" => (*webhook).to_owned()).increment(*records);
            }
        }
        Ok(is_retired)
    }
}

/// Whether all of a day is older than the retention.
fn is_over(day: Date, retention: Duration, now: OffsetDateTime) -> bool {
    let end = day.next_day().map(|next| next.midnight().assume_utc());
    end.is_some_and(|end| end + retention <= now)
}

#[derive(Debug, Default)]
struct Timers {
    checkpoint: Timer,
    orphans: Timer,
    days: Timer,
}

/// Says yes once an interval, and the first time.
#[derive(Debug, Default)]
struct Timer(Option<Instant>);

impl Timer {
    fn is_due(&mut self, interval: Duration) -> bool {
        let is_due = self.0.is_none_or(|last| last.elapsed() >= interval);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn a_day_goes_when_its_last_moment_is_past_the_retention() {
        let retention = Duration::from_secs(2 * 86_400);
        assert!(!is_over(date!(2026 - 01 - 01), retention, datetime!(2026-01-03 23:59:59 UTC)));
        assert!(is_over(date!(2026 - 01 - 01), retention, datetime!(2026-01-04 00:00:00 UTC)));
    }
}
