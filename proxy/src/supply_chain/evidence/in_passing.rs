//! [`InPassing`]: artifacts that nobody waits for: rules that are only put on record ask for them. What is not known yet a worker finds
//! out, for whoever asks next.

use std::time::Duration;

use moka::sync::Cache;

use super::{EvidenceIndex, Subject};
use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::SbomScope;
use crate::supply_chain::facts::Facts;

/// How long nobody is told once more that an artifact is to be looked at.
const PAUSE: Duration = Duration::from_secs(60);

/// Artifacts of which that is remembered.
const REMEMBERED: u64 = 10_000;

/// Artifacts that a worker was told of just now.
pub(super) struct InPassing(Cache<Subject, ()>);

impl Default for InPassing {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(PAUSE).build())
    }
}

impl EvidenceIndex {
    /// What is known of an artifact, without waiting for more. One that nobody has looked at yet is due then: once a minute, so that one
    /// that cannot be looked at is left alone.
    ///
    /// # Errors
    /// `TrustUnavailable`, `IndexUnavailable`.
    pub async fn facts_in_passing(&self, app: &App, scope: &SbomScope, digest: &Digest) -> Result<Facts> {
        let facts = self.facts(app, scope, digest).await?;
        let subject = Subject { scope: scope.clone(), digest: *digest };
        if facts.looked_at.is_none() && self.0.in_passing.0.get(&subject).is_none() {
            self.0.in_passing.0.insert(subject, ());
            app.index.expect_evidence(scope, digest).await?;
            self.0.due.notify_one();
        }
        Ok(facts)
    }
}
