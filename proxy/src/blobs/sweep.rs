//! The sweeper: deletes what nothing names any more, cancels what nobody finishes.
//!
//! Any number of replicas may sweep at once: the index gives each blob to one of them. A round stops at the first sign that
//! the store or the index is in trouble, and the next one comes after the usual interval, so that a sweeper neither spins nor
//! stands in the way of recovery.

use std::time::Duration;

use futures::StreamExt;
use metrics::{counter, histogram};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Blobs;
use crate::error::{Code, Error, Result};
use crate::index::{DuePin, StoreSession};
use crate::telemetry::names;

/// Deletions under way at once: enough to hide the store's latency, too few to crowd out clients.
const CONCURRENCY: usize = 4;

/// How long a blob that the store refuses to delete is left alone.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Blobs deleted at the store and forgotten.
    pub deleted: u64,
    /// Blobs that something names or pins after all, or that another sweeper has.
    pub kept: u64,
    /// Blobs and sessions that could not be dealt with; they come again.
    pub failed: u64,
    /// Upload sessions cancelled at the store.
    pub sessions_cancelled: u64,
    /// Multipart uploads given up.
    pub uploads_aborted: u64,
    /// Placements of deleted buckets forgotten.
    pub placements_forgotten: u64,
    /// Whether a batch was full, so that there may be more.
    pub is_backlogged: bool,
    /// Whether the round was cut short by a store or an index in trouble.
    pub is_interrupted: bool,
}

impl SweepReport {
    /// Whether the round changed anything, so that the next one will see something else.
    const fn is_progress(&self) -> bool {
        self.deleted + self.kept + self.sessions_cancelled + self.uploads_aborted + self.placements_forgotten > 0
    }
}

/// What became of one blob or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Kept,
    Failed,
    /// Failed, and the next one would too.
    Trouble,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Done => "deleted",
            Self::Kept => "kept",
            Self::Failed | Self::Trouble => "failed",
        }
    }
}

/// Troubles in a row that end a round. One alone may be a single blob that the store cannot delete, behind which the
/// others must not wait for ever.
const TROUBLES: u32 = 3;

/// Tells whether a round should go on.
#[derive(Debug, Default)]
struct Pulse {
    troubles: u32,
}

impl Pulse {
    /// Takes note of an outcome; whether to go on.
    const fn goes_on(&mut self, outcome: Outcome) -> bool {
        self.troubles = if matches!(outcome, Outcome::Trouble) { self.troubles + 1 } else { 0 };
        self.troubles < TROUBLES
    }
}

impl Blobs {
    /// One round: blobs whose pins are due, sessions that are due, multipart uploads that nobody finishes. Never fails: what
    /// does not work is logged and comes again.
    pub async fn sweep_once(&self) -> SweepReport {
        self.sweep(&CancellationToken::new()).await
    }

    /// Sweeps round after round until `stop`; a backlog is drained without a pause. What has begun when `stop` comes is ended.
    pub async fn run_sweeper(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let report = self.sweep(&stop).await;
            if report.is_backlogged && report.is_progress() && !report.is_interrupted {
                continue;
            }
            // At random, so that replicas that were started together do not go on meeting.
            let pause = self.config.sweep_interval.mul_f64(0.9 + 0.2 * rand::random::<f64>());
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn sweep(&self, stop: &CancellationToken) -> SweepReport {
        let begun = Instant::now();
        let mut report = SweepReport::default();
        // Uploads first: what they let go of is due in a later round anyway.
        if let Err(error) = self.sweep_round(stop, &mut report).await {
            tracing::warn!("a round of the sweeper was cut short: {}", error.for_log());
            report.is_interrupted = true;
        }
        histogram!(names::SWEEP_SECONDS).record(begun.elapsed().as_secs_f64());
        if report != SweepReport::default() {
            tracing::debug!(?report, "swept");
        }
        report
    }

    async fn sweep_round(&self, stop: &CancellationToken, report: &mut SweepReport) -> Result<()> {
        let limit = self.config.sweep_batch.max(1);
        let aborted = self.index.abort_stale_uploads(self.config.multipart_ttl, limit, self.config.sweep_grace).await?;
        counter!(names::SWEEP_UPLOADS).increment(aborted);
        report.uploads_aborted = aborted;

        let sessions = self.index.due_sessions(limit).await?;
        report.is_backlogged |= is_full(sessions.len(), limit) || aborted >= u64::from(limit);
        self.sweep_sessions(sessions, stop, report).await;

        let forgotten = self.index.forget_placements(self.config.sweep_grace, limit).await?;
        report.placements_forgotten = forgotten;
        report.is_backlogged |= forgotten >= u64::from(limit);

        self.index.drop_settled_pins(limit).await?;
        let due = self.index.due_pins(limit).await?;
        if due.is_empty() {
            return Ok(());
        }
        // Nothing is condemned for a store that cannot delete it: its writers would have to go round it for long.
        self.store.ping().await?;
        report.is_backlogged |= is_full(due.len(), limit);
        self.sweep_blobs(due, stop, report).await;
        Ok(())
    }

    async fn sweep_blobs(&self, due: Vec<DuePin>, stop: &CancellationToken, report: &mut SweepReport) {
        let round = stop.child_token();
        let mut outcomes = futures::stream::iter(due)
            .take_while(|_| std::future::ready(!round.is_cancelled()))
            .map(|due| {
                let blobs = self.clone();
                async move { blobs.sweep_blob(&due).await }
            })
            .buffer_unordered(CONCURRENCY);
        let mut pulse = Pulse::default();
        while let Some(outcome) = outcomes.next().await {
            counter!(names::SWEEP_BLOBS, "outcome" => outcome.label()).increment(1);
            match outcome {
                Outcome::Done => report.deleted += 1,
                Outcome::Kept => report.kept += 1,
                Outcome::Failed | Outcome::Trouble => report.failed += 1,
            }
            if !pulse.goes_on(outcome) {
                report.is_interrupted = true;
                round.cancel();
            }
        }
    }

    async fn sweep_blob(&self, due: &DuePin) -> Outcome {
        let swept = async {
            let Some(guard) = self.index.begin_sweep(due.blob).await? else { return Ok(Outcome::Kept) };
            match self.store.delete_blob(&due.repository.name, &due.blob.digest).await {
                Ok(_) => guard.forget().await.map(|()| Outcome::Done),
                // The store may still delete it, even later: the blob stays condemned, and is deleted once more after a while.
                Err(error) if error.code() == Code::UpstreamUnavailable => Err(error),
                // The store has answered, and refused.
                Err(error) => {
                    guard.release(self.config.sweep_grace.max(REFUSED_PAUSE)).await?;
                    Err(error)
                }
            }
        };
        swept.await.unwrap_or_else(|error| failed(&error, "delete a blob", &due.blob.digest.to_string()))
    }

    async fn sweep_sessions(&self, due: Vec<StoreSession>, stop: &CancellationToken, report: &mut SweepReport) {
        let mut pulse = Pulse::default();
        for session in due {
            if stop.is_cancelled() || report.is_interrupted {
                return;
            }
            let outcome = self.sweep_session(&session).await;
            counter!(names::SWEEP_SESSIONS, "outcome" => outcome.label()).increment(1);
            match outcome {
                Outcome::Done | Outcome::Kept => report.sessions_cancelled += 1,
                Outcome::Failed | Outcome::Trouble => report.failed += 1,
            }
            report.is_interrupted |= !pulse.goes_on(outcome);
        }
    }

    async fn sweep_session(&self, session: &StoreSession) -> Outcome {
        let swept = async {
            self.store.cancel_upload(&session.location).await?;
            self.index.close_session(session.id).await?;
            Ok(Outcome::Done)
        };
        swept.await.unwrap_or_else(|error| failed(&error, "cancel an upload session", &session.location))
    }
}

/// Logs a failure, and tells one of the store or the index from one of the thing itself.
fn failed(error: &Error, action: &str, what: &str) -> Outcome {
    tracing::warn!(what, "the sweeper could not {action}: {}", error.for_log());
    match error.code() {
        Code::UpstreamUnavailable | Code::IndexUnavailable => Outcome::Trouble,
        _ => Outcome::Failed,
    }
}

fn is_full(length: usize, limit: u32) -> bool {
    u32::try_from(length).is_ok_and(|length| length >= limit)
}
