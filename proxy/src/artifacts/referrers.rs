//! [`Referrers`]: the end of what refers to objects: with its bucket, some time after its object, or because somebody has
//! removed it. Its manifest is deleted at the registry; its blobs go with the registry's own garbage collection.

use std::time::Duration;

use metrics::counter;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::{Error, Result};
use crate::index::{CondemnedReferrer, Index};
use crate::store::Store;
use crate::telemetry::names;

/// How often each referrer is looked at: by so much longer it may outlive its object.
const LOOK: Duration = Duration::from_secs(600);

/// How long a manifest may take to come after its row.
const PENDING: Duration = Duration::from_secs(3600);

/// Looks after referrers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Referrers {
    index: Index,
    store: Store,
    retention: Duration,
    interval: Duration,
    batch: u32,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReferrerReport {
    /// Referrers that were looked at.
    pub looked_at: u64,
    /// Referrers that were deleted at the store and forgotten.
    pub deleted: u64,
}

impl Referrers {
    /// Looks after the referrers of this index.
    #[must_use]
    pub fn new(index: Index, store: Store, config: &config::Config) -> Self {
        let retention = config.artifacts.referrer_retention;
        let (interval, batch) = (config.blobs.sweep_interval, config.blobs.sweep_batch.max(1));
        Self { index, store, retention, interval, batch }
    }

    /// Looks round after round until `stop`; a backlog is drained without a pause.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let report = self.round(LOOK).await.unwrap_or_else(|error| {
                tracing::warn!("a round over the referrers was cut short: {}", error.for_log());
                ReferrerReport::default()
            });
            let full = u64::from(self.batch);
            if report.looked_at >= full || report.deleted >= full {
                continue;
            }
            tokio::select! {
                () = sleep(self.interval.mul_f64(0.9 + 0.2 * rand::random::<f64>())) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One round: looks at referrers that were not looked at for `interval`, and deletes what is condemned.
    /// # Errors
    /// `IndexUnavailable`, `UpstreamUnavailable`: what is left comes again.
    pub async fn round(&self, interval: Duration) -> Result<ReferrerReport> {
        let looked_at = self.index.age_referrers(self.batch, interval, self.retention, PENDING).await?;
        let mut report = ReferrerReport { looked_at, deleted: 0 };
        for referrer in self.index.claim_condemned_referrers(self.batch).await? {
            self.delete(&referrer).await?;
            report.deleted += 1;
            counter!(names::REFERRERS_DELETED).increment(1);
        }
        Ok(report)
    }

    /// Deletes at once what was condemned just now; what fails is left to the next round.
    pub async fn delete_condemned(&self) {
        if let Err(error) = self.delete_claimed().await {
            tracing::warn!("a removed referrer is still at the registry: {}", error.for_log());
        }
    }

    async fn delete_claimed(&self) -> Result<(), Error> {
        for referrer in self.index.claim_condemned_referrers(self.batch).await? {
            self.delete(&referrer).await?;
        }
        Ok(())
    }

    async fn delete(&self, referrer: &CondemnedReferrer) -> Result<()> {
        if !referrer.is_named {
            self.store.delete_manifest(&referrer.repository, &referrer.digest.to_string()).await?;
        }
        self.index.forget_referrer(referrer.id).await
    }
}
