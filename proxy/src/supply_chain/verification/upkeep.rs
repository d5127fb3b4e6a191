//! [`Upkeep`]: makes verdicts anew that have lapsed, off the index, which all replicas share.
//!
//! A verdict lapses when whom we believe is changed, or by which trusted roots, when its time is over, when its policy is changed, and when
//! something is attached to its artifact or removed. Those that had passed are made anew by themselves, so that what asks for them finds
//! them; the others when something happened that may change them. One that could not be signed is made anew until it is.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use metrics::counter;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zas_policy::Action;

use super::{Against, Question, verify};
use crate::app::App;
use crate::error::{Code, Result};
use crate::index::{LapsedVerdict, ScopeKind};
use crate::oci::Name;
use crate::supply_chain::artifact::{ArtifactRef, ManifestRef};
use crate::telemetry::names;

/// What the service calls itself on record when it does this (`user/system/verdicts`).
pub const TASK: &str = "verdicts";

/// How many one replica makes anew at the same time.
const AT_ONCE: usize = 4;

/// How long nobody else makes a verdict anew that somebody makes.
const LEASE: Duration = Duration::from_secs(300);

/// How long one rests where there is nothing to do, or the index does not answer.
const REST: Duration = Duration::from_secs(2);

/// The pause before the second attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// How often old verdicts and answers are cleared away, and how many at once.
const CLEAR: Duration = Duration::from_secs(300);
const BATCH: u32 = 1000;

/// Makes verdicts anew.
#[derive(Debug)]
pub struct Upkeep(Arc<App>);

impl Upkeep {
    /// Of this application.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    /// Goes on until `stop`. What has begun then is left to others.
    pub async fn run(&self, stop: CancellationToken) {
        let refresh = async {
            if self.0.config.supply_chain.refresh_verdicts {
                join_all((0..AT_ONCE).map(|_| self.refresh())).await;
            }
        };
        tokio::select! {
            _ = join(refresh, self.clear()) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn refresh(&self) {
        loop {
            match self.refresh_one().await {
                Ok(true) => {}
                Ok(false) => sleep(REST.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await,
                Err(error) => {
                    tracing::debug!("verdicts that have lapsed wait: {}", error.for_log());
                    sleep(REST * 5).await;
                }
            }
        }
    }

    /// Makes one verdict anew; whether there was one.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn refresh_one(&self) -> Result<bool> {
        let Some(lapsed) = self.0.index.claim_lapsed_verdict(LEASE, &self.0.evidence.setup()).await? else {
            return Ok(false);
        };
        let Some(artifact) = named(&lapsed) else {
            self.0.index.forget_verdict(lapsed.id).await?;
            return Ok(true);
        };
        let outcome = match self.verify(&lapsed, &artifact).await {
            Ok(()) => "refreshed",
            Err(error) => match error.code() {
                Code::NoSuchKey
                | Code::NoSuchBucket
                | Code::ManifestUnknown
                | Code::NameUnknown
                | Code::NoSuchEntity
                | Code::InvalidArgument => {
                    self.0.index.forget_verdict(lapsed.id).await?;
                    "gone"
                }
                _ => {
                    tracing::warn!(%artifact, policy = lapsed.policy, "a verdict is not made anew yet: {}", error.for_log());
                    self.0.index.hold_verdict(lapsed.id, pause(lapsed.attempts)).await?;
                    "failed"
                }
            },
        };
        counter!(names::VERDICTS_REFRESHED, "outcome" => outcome).increment(1);
        Ok(true)
    }

    async fn verify(&self, lapsed: &LapsedVerdict, artifact: &ArtifactRef) -> Result<()> {
        let app = &self.0;
        let permit = app.authority.itself(TASK, Action::Verify, artifact.resource());
        let against = Against::Policy(lapsed.policy.clone());
        let question = Question { artifact, against: &against, host: lapsed.host.as_deref() };
        let verification = verify(app, &permit, question).await?;
        // The object was replaced: what was said of the one before is of no use.
        if verification.artifact.digest != lapsed.subject {
            app.index.forget_verdict(lapsed.id).await?;
        }
        Ok(())
    }

    /// Forgets verdicts that count no longer, and answers that nobody has come for.
    async fn clear(&self) {
        let (app, config) = (&self.0, &self.0.config.supply_chain);
        loop {
            sleep(CLEAR.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await;
            let cleared = async {
                while app.index.forget_old_verdicts(config.verdict_retention, BATCH).await? > 0 {}
                while app.index.forget_verifications(config.verification_retention, BATCH).await? > 0 {}
                Ok::<_, crate::error::Error>(())
            };
            if let Err(error) = cleared.await {
                tracing::warn!("old verdicts were not cleared away: {}", error.for_log());
            }
        }
    }
}

/// The artifact of a verdict.
fn named(lapsed: &LapsedVerdict) -> Option<ArtifactRef> {
    match lapsed.scope.kind {
        ScopeKind::Bucket => {
            let (bucket, key) = (lapsed.scope.name.clone(), lapsed.key.clone());
            Some(ArtifactRef::Object { bucket, key, version: None })
        }
        ScopeKind::Repository => {
            let repository = Name::parse(&lapsed.scope.name)?;
            Some(ArtifactRef::Manifest { repository, reference: ManifestRef::Digest(lapsed.subject) })
        }
    }
}

/// The pause after so many attempts.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    PAUSES.0.saturating_mul(1 << doublings).min(PAUSES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_waits_longer_up_to_an_hour() {
        let waits: Vec<u64> = (1..12).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
    }
}
