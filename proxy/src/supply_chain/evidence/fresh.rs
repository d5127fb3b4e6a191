//! [`Fresh`]: who looks at an artifact because somebody waits: one at a time, and not more than once a second, but
//! where something was attached or removed meanwhile.

use std::time::Duration;

use moka::future::Cache;
use tokio::time::timeout;

use super::{EvidenceIndex, Subject};
use crate::app::App;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::SbomScope;

/// How long an artifact was looked at just now.
const JUST_NOW: Duration = Duration::from_secs(1);

/// Artifacts of which that is remembered.
const REMEMBERED: u64 = 10_000;

/// Artifacts that are looked at once more for one client: itself, and indexes that it inherits from.
const STALE: usize = 4;

/// What was looked at just now.
pub(super) struct Fresh(Cache<Subject, ()>);

impl Default for Fresh {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(JUST_NOW).build())
    }
}

impl EvidenceIndex {
    /// Has artifacts looked at once more that something happened to since they were looked at, though that was just now.
    pub(super) async fn look_once_more(&self, app: &App, scope: &SbomScope, stale: &[Digest]) -> Result<()> {
        for digest in stale.iter().take(STALE) {
            let subject = Subject { scope: scope.clone(), digest: *digest };
            if !self.look_now(app, &subject).await? {
                break;
            }
        }
        Ok(())
    }

    /// Has an artifact looked at, or waits for whoever is at it; nothing where that was done just now. Where it takes longer than
    /// somebody waits, a worker goes on. Whether it was looked at.
    pub(super) async fn look_now(&self, app: &App, subject: &Subject) -> Result<bool> {
        let patience = app.config.supply_chain.evidence_patience;
        // What was attached or removed since then is looked at, however short ago that was.
        if app.index.is_told_of_evidence(&subject.scope, &subject.digest).await? {
            self.0.fresh.0.invalidate(subject).await;
        }
        let looking = self.0.fresh.0.try_get_with_by_ref(subject, async {
            let _place = self.0.for_clients.acquire().await.map_err(Error::internal)?;
            self.look(app, subject).await
        });
        match timeout(patience, looking).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => {
                // What is known stands, and what is not is unknown: the index itself says whether it can be asked.
                let subject = &subject.digest;
                tracing::warn!(%subject, "an artifact could not be looked at: {}", error.for_log());
                Ok(false)
            }
            Err(_) => {
                app.index.expect_evidence(&subject.scope, &subject.digest).await?;
                self.0.due.notify_one();
                Ok(false)
            }
        }
    }
}
