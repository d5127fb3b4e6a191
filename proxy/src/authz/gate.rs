//! Rules about artifacts: what is shown of an artifact to a policy that asks for its signatures and reports, and what somebody is told who
//! is refused for them.
//!
//! Nothing is looked up before a statement that is about the request asks for it: a request is decided without, and only where that leaves
//! it open is the artifact asked for, and the same request decided once more. Nobody is refused by what was known before: the
//! artifact is looked at again first. Where only rules depend on it that are put on record, nobody waits for it, and what keeps it from
//! being known keeps nobody from anything.

mod advice;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use metrics::counter;
use time::OffsetDateTime;
use tokio::time::timeout;
use zas_policy::{Action, Decision, Gate, KeyName, Reason, Resource};

use advice::advice;

use super::{Authority, Caller, Gated, Permit};
use crate::config::GateMode;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::PassedPolicies;
use crate::supply_chain::facts::Facts;
use crate::telemetry::names;

/// How long a request waits that depends on no artifact, so that what would have denied it can be put on record.
const IN_PASSING: Duration = Duration::from_secs(1);

/// What a policy sees of the artifact that a request is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// Nothing is known: what depends on it fails closed.
    Nothing,
    /// It is no artifact, or what is asked for is only about one: denials that depend on one do not count.
    NoArtifact,
    /// This.
    Facts(&'a Facts),
}

/// An artifact that may be asked for, once or twice.
pub trait Artifact {
    /// Which it is, and what is known of it; none where it is none that rules about artifacts are for, such as a signature.
    ///
    /// # Errors
    /// What keeps it from being known.
    fn facts(&self, look: LookUp) -> impl Future<Output = Result<Option<(Digest, Facts)>>> + Send;

    /// Which verification policies the artifact of this digest has passed, by the verdicts that are kept now.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    fn passed(&self, digest: &Digest) -> impl Future<Output = Result<PassedPolicies>> + Send;
}

/// How well it is to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    /// As it was last seen, and without waiting for anything: nothing depends on it.
    Passive,
    /// As it was last seen.
    Known,
    /// As it is: somebody is about to be refused.
    Fresh,
}

impl Authority {
    /// As [`authorize`](Self::authorize), for an artifact's bytes: policies may ask who has signed it and what is known of it.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize); `GateNotMet` where the artifact alone is what keeps it from being allowed; what
    /// [`Artifact::facts`] fails with.
    pub async fn authorize_artifact(
        &self,
        caller: &Caller,
        action: Action,
        resource: Resource,
        artifact: &impl Artifact,
    ) -> Result<Permit> {
        let (caller, decision) = self.weigh(Cow::Borrowed(caller), action, &resource, Shown::Nothing).await?;
        if !decision.is_open {
            return self.conclude(&caller, action, resource, &decision).await;
        }
        // What is allowed though nothing is known of the artifact, is: only rules that are put on record depend on it.
        if decision.is_allowed() {
            let decision = self.watch(&caller, action, &resource, artifact, decision).await;
            count(&decision);
            return self.conclude(&caller, action, resource, &decision).await;
        }
        Box::pin(self.authorize_known(&caller, action, resource, artifact)).await
    }

    /// The decision by what is known of the artifact, for the record; where that cannot be told at once, the one without.
    async fn watch(
        &self,
        caller: &Caller,
        action: Action,
        resource: &Resource,
        artifact: &impl Artifact,
        without: Decision,
    ) -> Decision {
        let looking = Box::pin(self.look(Cow::Borrowed(caller), action, resource, artifact, LookUp::Passive));
        match timeout(IN_PASSING, looking).await {
            Ok(Ok((_, decision, _))) => decision,
            Ok(Err(error)) => {
                tracing::debug!(%action, %resource, "rules that are audited go without what is known of it: {}", error.for_log());
                without
            }
            Err(_) => {
                tracing::debug!(%action, %resource, "rules that are audited go without what is known of it: it takes too long");
                without
            }
        }
    }

    /// From what is known of the artifact to a permit for it, or to a refusal.
    async fn authorize_known(
        &self,
        caller: &Caller,
        action: Action,
        resource: Resource,
        artifact: &impl Artifact,
    ) -> Result<Permit> {
        let looked = self.look(Cow::Borrowed(caller), action, &resource, artifact, LookUp::Known).await?;
        let (mut caller, mut decision, mut gated) = looked;
        if !decision.is_allowed() && self.is_for_the_artifact(&caller, action, &resource) {
            (caller, decision, gated) = self.look(caller, action, &resource, artifact, LookUp::Fresh).await?;
        }
        count(&decision);
        let refusal = match &gated {
            Some((digest, facts)) if !decision.is_allowed() && self.is_for_the_artifact(&caller, action, &resource) => {
                Some(self.not_met(&caller, action, &resource, &decision, digest, facts))
            }
            _ => None,
        };
        let permit = match refusal {
            None => self.conclude(&caller, action, resource, &decision).await?,
            Some(refusal) => return Err(self.refuse_with(&caller, action, &resource, &decision, refusal).await),
        };
        Ok(permit.of(gated.map_or(Gated::ForNone, |(digest, _)| Gated::For(digest))))
    }

    /// Asks for the artifact, and decides by it. Verdicts are asked for where a policy does: they are remembered nowhere.
    async fn look<'a>(
        &self,
        caller: Cow<'a, Caller>,
        action: Action,
        resource: &Resource,
        artifact: &impl Artifact,
        look: LookUp,
    ) -> Result<(Cow<'a, Caller>, Decision, Option<(Digest, Facts)>)> {
        let mut found = artifact.facts(look).await?;
        if let Some((digest, facts)) = &mut found
            && self.asks_for(&caller, action, resource, KeyName::PassedPolicies)
        {
            facts.passed = Some(artifact.passed(digest).await?);
        }
        let shown = found.as_ref().map_or(Shown::NoArtifact, |(_, facts)| Shown::Facts(facts));
        let (caller, decision) = self.weigh(caller, action, resource, shown).await?;
        Ok((caller, decision, found))
    }

    /// As [`authorize`](Self::authorize), for what is said about an artifact and is not its bytes: rules about artifacts do not keep one
    /// from it, for else nobody could sign what is not signed.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize).
    pub async fn authorize_knowing(&self, caller: &Caller, action: Action, resource: Resource) -> Result<Permit> {
        let (caller, decision) = self.weigh(Cow::Borrowed(caller), action, &resource, Shown::NoArtifact).await?;
        self.conclude(&caller, action, resource, &decision).await
    }

    /// As [`may`](Self::may), for what is said about an artifact and is not its bytes.
    #[must_use]
    pub fn may_know(&self, caller: &Caller, action: Action, resource: &Resource) -> bool {
        self.decide(caller, action, resource, Shown::NoArtifact).is_allowed()
    }

    /// As [`may`](Self::may), for an artifact of which this is known.
    #[must_use]
    pub fn may_artifact(&self, caller: &Caller, action: Action, resource: &Resource, facts: &Facts) -> bool {
        self.decide(caller, action, resource, Shown::Facts(facts)).is_allowed()
    }

    /// Whether it depends on what is known of the artifact: then [`may`](Self::may) says no, and it may be yes.
    #[must_use]
    pub fn depends(&self, caller: &Caller, action: Action, resource: &Resource) -> bool {
        self.decide(caller, action, resource, Shown::Nothing).is_open
    }

    /// Whether it would be allowed but for rules about artifacts.
    fn is_for_the_artifact(&self, caller: &Caller, action: Action, resource: &Resource) -> bool {
        self.decide(caller, action, resource, Shown::NoArtifact).is_allowed()
    }

    /// What somebody is told whom an artifact is kept from: by which rule, what that asks for, and what there is.
    fn not_met(
        &self,
        caller: &Caller,
        action: Action,
        resource: &Resource,
        decision: &Decision,
        digest: &Digest,
        facts: &Facts,
    ) -> Error {
        let asked = decision.statements.first().map(|rule| self.asked_for(caller, action, resource, rule));
        let asked = asked.unwrap_or_default();
        let rules = super::authority::listed(&decision.statements);
        let now = OffsetDateTime::now_utc();
        let advice: Vec<String> = asked.iter().map(|key| advice(*key, facts, now)).collect();
        let unknown = decision.reason == Reason::StateIsUnknown && !facts.complete;
        let unknown = if unknown { " Not all that refers to it could be read; try again." } else { "" };
        let text = format!("{digest} does not meet the rule {rules}: {}.{unknown}", advice.join("; "));
        let keys: Vec<&str> = asked.iter().map(|key| key.as_str()).collect();
        Error::new(Code::GateNotMet, text)
            .with("action", action)
            .with("resource", resource)
            .with("artifact", digest)
            .with("reason", decision.reason)
            .with("statements", rules)
            .with("asked_for", keys.join(", "))
    }
}

fn count(decision: &Decision) {
    let (audited, unsure) = (decision.audited.len(), decision.unsure.len());
    let outcome = match (decision.is_allowed(), decision.reason) {
        (true, _) if audited == 0 => "allowed",
        (true, _) if audited == unsure => "audited_unknown",
        (true, _) => "audited",
        (false, Reason::StateIsUnknown) => "unknown",
        (false, _) => "denied",
    };
    counter!(names::GATE_DECISIONS, "outcome" => outcome).increment(1);
}

/// The mode as the engine has it.
impl From<GateMode> for Gate {
    fn from(mode: GateMode) -> Self {
        match mode {
            GateMode::Enforce => Self::Enforce,
            GateMode::Audit => Self::Audit,
            GateMode::Off => Self::Off,
        }
    }
}
