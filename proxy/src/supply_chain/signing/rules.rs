//! [`RuleSigner`]: signs what the signing rules of buckets ask for, off a queue in the index that all replicas share.
//!
//! An object waits from the transaction on in which it was committed. Whoever takes one has it for a while; a process that ends without a
//! word leaves it to the others. What fails comes again, later each time, and is given up after `supply_chain.rule_attempts`: then it
//! stays in the queue, and in the metrics, until somebody asks for it again. The same bytes put again are not signed again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use zas_policy::Action;

use super::{SIGNED_WITH, SignOptions, has_only_legacy, legacy, payload, sign, signer};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{SigningEnd, SigningTask};
use crate::supply_chain::artifact::{Artifact, ArtifactRef, resolve};
use crate::supply_chain::keys::ActiveKey;
use crate::telemetry::names;

/// What the service calls itself on record when it does this (`user/system/signing-rules`).
pub const TASK: &str = "signing-rules";

/// How long nobody else signs an object that somebody signs: longer than waiting for its digest, and all that the registry may take.
const LEASE: Duration = Duration::from_secs(300);

/// What one attempt may take: it ends before the lease does.
const ATTEMPT: Duration = Duration::from_secs(240);

/// How long one rests where there is nothing to do, or the index does not answer.
const REST: Duration = Duration::from_secs(1);

/// The pause before the second attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));

/// When an object comes again whose bytes are being read.
const DIGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often the backlog is counted.
const COUNT: Duration = Duration::from_secs(30);

/// Signs by rules.
#[derive(Debug)]
pub struct RuleSigner(Arc<App>);

impl RuleSigner {
    /// Signs for this application.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    /// Works off the queue until `stop`. What has begun then is left to others.
    pub async fn run(&self, stop: CancellationToken) {
        let config = &self.0.config.supply_chain;
        if !config.sign_by_rules || self.0.signing_keys().is_err() {
            return;
        }
        let workers = (0..config.rule_workers.max(1)).map(|_| self.work_off());
        tokio::select! {
            _ = futures::future::join_all(workers) => {}
            () = self.count() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn work_off(&self) {
        loop {
            match self.work_off_one().await {
                Ok(true) => {}
                Ok(false) => sleep(REST.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await,
                Err(error) => {
                    tracing::debug!("the queue of objects to be signed waits: {}", error.for_log());
                    sleep(REST * 5).await;
                }
            }
        }
    }

    /// One object of the queue; whether there was one.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn work_off_one(&self) -> Result<bool> {
        let Some(task) = self.0.index.claim_signing(LEASE).await? else { return Ok(false) };
        let late = |_| Err(Error::new(Code::UpstreamUnavailable, "Signing has taken too long."));
        let result = timeout(ATTEMPT, self.sign(&task)).await.unwrap_or_else(late);
        let (end, outcome) = self.end(&task, result);
        counter!(names::RULE_SIGNINGS, "outcome" => outcome).increment(1);
        self.0.index.end_signing(task.id, &end).await?;
        Ok(true)
    }

    /// Signs an object, unless the rule has done so before; whether it has signed. A null version may be another object by now, which no
    /// rule need be about.
    async fn sign(&self, task: &SigningTask) -> Result<bool> {
        let app = &self.0;
        let name = ArtifactRef::Object {
            bucket: task.bucket.clone(),
            key: task.key.clone(),
            version: Some(task.version_id.clone()),
        };
        let permit = app.authority.itself(TASK, Action::Sign, name.resource());
        let artifact = resolve(app, &permit, &name).await?;
        // Asked behind the look-up: where it is still that object now, it was that object then.
        let found = app.index.artifact_version(&task.bucket, &task.key, &task.version_id).await?;
        if found.object_id != task.object_id {
            return Err(Error::from(Code::NoSuchKey).detail("the object was replaced before it was signed"));
        }
        let key = app.signing_keys()?.active(&task.key_name).await?;
        let host = app.config.listen.external_host();
        if self.is_signed(task, &permit, &artifact, &key, host.as_deref()).await? {
            return Ok(false);
        }
        let note = Some(format!("by the signing rule {} of the bucket {}", task.rule, task.bucket));
        let options = SignOptions { legacy: task.legacy, host: host.as_deref(), note, ..SignOptions::default() };
        sign(app, &permit, &artifact, &key, options).await.map(|_| true)
    }

    /// Whether the service has signed these bytes with this key: by a bundle, or where there is none, in the older form.
    async fn is_signed(
        &self,
        task: &SigningTask,
        permit: &Permit,
        artifact: &Artifact,
        key: &ActiveKey,
        host: Option<&str>,
    ) -> Result<bool> {
        let app = &self.0;
        let (owner, made_with) = (permit.principal().to_string(), signer(key));
        if app.index.has_attached(&task.bucket, &artifact.digest, &owner, (SIGNED_WITH, &made_with)).await? {
            return Ok(true);
        }
        match host {
            Some(host) if has_only_legacy(app, artifact).await? => {
                legacy::is_signed(app, artifact, key, &payload(artifact, host, BTreeMap::new())).await
            }
            _ => Ok(false),
        }
    }

    /// What becomes of an object, and what metrics call it.
    fn end(&self, task: &SigningTask, result: Result<bool>) -> (SigningEnd, &'static str) {
        let error = match result {
            Ok(true) => return (SigningEnd::Done, "signed"),
            Ok(false) => return (SigningEnd::Done, "already_signed"),
            Err(error) => error,
        };
        let (bucket, key, rule) = (&task.bucket, &task.key, &task.rule);
        match error.code() {
            // Deleted or replaced, and its row is gone with it; what has replaced it has its own, where a rule is about it.
            code if code.is_nothing_there() => (SigningEnd::Done, "gone"),
            Code::DigestPending => (SigningEnd::PutOff(DIGEST_PAUSE), "digest_pending"),
            _ if u32::try_from(task.attempts).unwrap_or(0) >= self.0.config.supply_chain.rule_attempts => {
                tracing::error!(bucket, key, rule, "an object is not signed, and given up: {}", error.for_log());
                (SigningEnd::GiveUp(told(&error)), "given_up")
            }
            _ => {
                tracing::warn!(bucket, key, rule, "an object is not signed yet: {}", error.for_log());
                (SigningEnd::Retry(pause(task.attempts), told(&error)), "failed")
            }
        }
    }

    async fn count(&self) {
        loop {
            if let Ok(backlog) = self.0.index.signing_backlog(None).await {
                for (state, objects) in [("waiting", backlog.waiting), ("failed", backlog.failed)] {
                    let objects = u32::try_from(objects).unwrap_or(u32::MAX);
                    gauge!(names::RULE_BACKLOG, "state" => state).set(objects);
                }
            }
            sleep(COUNT).await;
        }
    }
}

/// What may be shown of an error.
fn told(error: &Error) -> String {
    format!("{}: {}", error.row().label, error.message())
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
        let waits: Vec<u64> = (1..14).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
        assert_eq!((pause(0).as_secs(), pause(i32::MAX).as_secs()), (5, 3600));
    }
}
