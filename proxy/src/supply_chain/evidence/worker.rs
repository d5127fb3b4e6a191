//! Working off what is due: pushes first, then artifacts; and making due what has become so by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{EvidenceIndex, Subject};
use crate::app::App;
use crate::error::Result;
use crate::index::notify::{EVIDENCE, Notice, TRUST};

/// How long nobody else looks at what a worker has taken.
const LEASE: Duration = Duration::from_secs(120);

/// How long a worker rests where there is nothing to do, or the index does not answer.
const REST: Duration = Duration::from_secs(2);

/// Artifacts that become due at once because it has changed whom we believe, or because they were not looked at for long.
const BATCH: u32 = 500;

/// How often that is asked.
const ROUND: Duration = Duration::from_secs(60);

impl EvidenceIndex {
    /// Hears what other replicas have found, and works off what is due, until `stop`.
    pub async fn run(&self, app: Arc<App>, stop: CancellationToken) {
        let config = &app.config.supply_chain;
        let work = async {
            if config.index_evidence {
                let workers = (0..config.evidence_workers.max(1)).map(|_| self.work_off(&app));
                tokio::join!(futures::future::join_all(workers), self.become_due(&app), self.crawl(&app));
            }
        };
        tokio::select! {
            ((), ()) = futures::future::join(self.hear(&app), work) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Forgets what others have found out anew.
    async fn hear(&self, app: &App) {
        let mut notices = app.feed.subscribe();
        loop {
            match notices.next().await {
                Some(Notice::Changed { channel: EVIDENCE, payload }) => {
                    self.was_told(&payload);
                    self.0.due.notify_one();
                }
                Some(Notice::Changed { .. }) => {}
                Some(Notice::Resync) => self.was_told(""),
                None => return,
            }
        }
    }

    async fn work_off(&self, app: &App) {
        loop {
            match self.work_off_one(app).await {
                Ok(true) => {}
                Ok(false) => self.rest().await,
                Err(error) => {
                    tracing::debug!("what is due of evidence waits: {}", error.for_log());
                    sleep(REST).await;
                }
            }
        }
    }

    /// Until something may be due.
    async fn rest(&self) {
        tokio::select! {
            () = self.0.due.notified() => {}
            () = sleep(REST.mul_f64(0.8 + 0.4 * rand::random::<f64>())) => {}
        }
    }

    /// One push or one artifact; whether there was one. What fails comes again, later each time.
    ///
    /// # Errors
    /// What it failed with.
    pub async fn work_off_one(&self, app: &App) -> Result<bool> {
        if let Some(push) = app.index.claim_push(LEASE).await? {
            self.follow(app, &push).await?;
            return Ok(true);
        }
        let Some((scope, digest)) = app.index.claim_evidence(LEASE).await? else { return Ok(false) };
        self.look(app, &Subject { scope, digest }).await?;
        Ok(true)
    }

    /// Makes due what may say something else since it has changed whom we believe, and what was not looked at for long.
    async fn become_due(&self, app: &App) {
        let mut notices = app.feed.subscribe();
        loop {
            if let Err(error) = self.round(app).await {
                tracing::debug!("evidence that is due was not found: {}", error.for_log());
            }
            tokio::select! {
                () = sleep(ROUND) => {}
                () = notices.told_of(TRUST) => sleep(Duration::from_secs(1)).await,
            }
        }
    }

    async fn round(&self, app: &App) -> Result<()> {
        let revision = app.trust.current()?.revision;
        let mut due = app.index.reopen_evidence(revision, BATCH).await?;
        let interval = app.config.supply_chain.reconcile_interval;
        if !interval.is_zero() {
            due += app.index.revisit_evidence(interval, BATCH).await?;
        }
        if due > 0 {
            self.0.due.notify_waiters();
        }
        Ok(())
    }
}
