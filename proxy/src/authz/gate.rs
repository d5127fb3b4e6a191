//! Rules about artifacts: what is shown of an artifact to a policy that asks for its signatures and reports, and what somebody is told who
//! is refused for them.
//!
//! Nothing is looked up before a statement that is about the request asks for it: a request is decided without, and only where that leaves
//! it open is the artifact asked for, and the same request decided once more. Nobody is refused by what was known before: the
//! artifact is looked at again first.

use std::borrow::Cow;

use metrics::counter;
use time::OffsetDateTime;
use zas_policy::{Action, Decision, Gate, KeyName, Reason, Resource};

use super::{Authority, Caller, Gated, Permit};
use crate::config::GateMode;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::supply_chain::facts::Facts;
use crate::telemetry::names;

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
}

/// How well it is to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
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
        let weighed = self.weigh(Cow::Borrowed(caller), action, &resource, Shown::Nothing).await?;
        let (mut caller, mut decision) = weighed;
        if !decision.is_open {
            return self.conclude(&caller, action, resource, &decision).await;
        }
        let mut gated = None;
        for look in [LookUp::Known, LookUp::Fresh] {
            let found = artifact.facts(look).await?;
            let shown = found.as_ref().map_or(Shown::NoArtifact, |(_, facts)| Shown::Facts(facts));
            (caller, decision) = self.weigh(caller, action, &resource, shown).await?;
            gated = found;
            let is_settled = decision.is_allowed() && decision.audited.is_empty();
            if is_settled || !self.is_for_the_artifact(&caller, action, &resource) {
                break;
            }
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

/// What there is of what a rule asks for, and how there can be more.
fn advice(key: KeyName, facts: &Facts, now: OffsetDateTime) -> String {
    let listed = |values: &[String]| if values.is_empty() { "nobody".to_owned() } else { values.join(", ") };
    match key {
        KeyName::Signed if facts.signed => "it is signed".to_owned(),
        KeyName::Signed => {
            "it has no signature of a trusted key or identity: sign it (cosign sign, or POST /-/api/v1/artifacts/sign), or have its signer trusted"
                .to_owned()
        }
        KeyName::SignedBy => format!("it is signed by {}, and the rule asks for others", listed(&facts.signed_by)),
        KeyName::SignatureIssuer => {
            format!("its signers are vouched for by {}, and the rule asks for others", listed(&facts.signature_issuers))
        }
        KeyName::HasSbom if facts.has_sbom => "it has a valid SBOM".to_owned(),
        KeyName::HasSbom => {
            "it has no valid SBOM: attach one (oras attach, cosign attest, or POST /-/api/v1/artifacts/sbom)".to_owned()
        }
        KeyName::AttestationTypes if facts.attestation_types.is_empty() => {
            "nothing is attested by a trusted signer: attest what the rule asks for (cosign attest)".to_owned()
        }
        KeyName::AttestationTypes => format!("attested are {}", facts.attestation_types.join(", ")),
        KeyName::ProvenanceLevel => format!(
            "its provenance shows level {}: have it built, and its provenance signed, by a builder of supply_chain.builders",
            facts.provenance_level
        ),
        KeyName::VulnCritical | KeyName::VulnAgeDays => match (facts.vuln_critical, facts.vuln_age_days(now)) {
            (Some(critical), Some(days)) => format!(
                "its newest scan found {critical} critical vulnerabilities and is {days} days old: attest a new one"
            ),
            _ => "it has no scan that a trusted signer has attested: attest one (cosign attest --type vuln)".to_owned(),
        },
        KeyName::Immutable => "it is asked for by a name that can be moved: ask for its digest".to_owned(),
        other => format!("{} is not as the rule asks", other.as_str()),
    }
}

fn count(decision: &Decision) {
    let outcome = match (decision.is_allowed(), decision.audited.is_empty(), decision.reason) {
        (true, true, _) => "allowed",
        (true, false, _) => "audited",
        (false, _, Reason::StateIsUnknown) => "unknown",
        (false, ..) => "denied",
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::audit::{Journal, Trail};
    use crate::authz::{Conditions, Policies};
    use crate::config::{Audit, Authorization};
    use crate::index::{DocumentKind, NewDocument};
    use crate::postgres::testing::{self, TestDatabase};
    use serde_json::{Value, json};
    use zas_policy::{Identity, Principal};

    /// An artifact of which this is known, and more when it is looked at.
    struct Seen {
        known: Facts,
        fresh: Facts,
        asked: AtomicUsize,
    }

    impl Artifact for Seen {
        async fn facts(&self, look: LookUp) -> Result<Option<(Digest, Facts)>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let facts = if look == LookUp::Known { &self.known } else { &self.fresh };
            Ok(Some((Digest::of(b"artifact"), facts.clone())))
        }
    }

    fn seen(known: Facts, fresh: Facts) -> Seen {
        Seen { known, fresh, asked: AtomicUsize::new(0) }
    }

    fn signed() -> Facts {
        Facts { signed: true, signed_by: vec!["key/ci".into()], complete: true, ..Facts::default() }
    }

    fn unsigned() -> Facts {
        Facts { complete: true, ..Facts::default() }
    }

    const UNSIGNED: &str = r#"{"Bool": {"zas:Signed": "false"}}"#;

    async fn authority(mode: GateMode, rule: &Value) -> (TestDatabase, Authority) {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "prod/*"}, rule]});
        let new = NewDocument {
            kind: DocumentKind::Policy,
            name: "p",
            document: &document.to_string(),
            description: "",
            max_session: None,
            expected: None,
            by: "test",
            audit: &[],
        };
        index.put_policy_document(new).await.unwrap();
        let attached =
            crate::index::Attachment { policy: "p".into(), target_kind: "user".into(), target: "alice".into() };
        index.attach_policy(&attached, "test", &[]).await.unwrap();
        let policies = Policies::new(&Authorization::default());
        policies.refresh(&index).await.unwrap();
        let journal = Journal::new(index, &Audit::default());
        (database, Authority::new(journal, policies).with_gate(mode))
    }

    fn rule(condition: &str) -> Value {
        let condition: Value = serde_json::from_str(condition).unwrap();
        json!({"Sid": "OnlySigned", "Effect": "Deny", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "prod/*",
            "Condition": condition})
    }

    fn alice() -> Caller {
        let identity = Identity { name: "alice".into(), ..Identity::default() };
        Caller::new(Principal::identity(identity), Trail::none(), Conditions::default())
    }

    async fn ask(authority: &Authority, artifact: &Seen) -> Result<Permit> {
        let resource = Resource::object("prod", "app");
        authority.authorize_artifact(&alice(), Action::GetObject, resource, artifact).await
    }

    #[tokio::test]
    async fn nothing_is_looked_up_where_no_rule_asks() {
        let (_database, authority) = authority(
            GateMode::Enforce,
            &rule(r#"{"StringEquals": {"aws:username": "bob"}, "Bool": {"zas:Signed": "false"}}"#),
        )
        .await;
        let artifact = seen(unsigned(), unsigned());
        let permit = ask(&authority, &artifact).await.unwrap();
        assert_eq!((artifact.asked.load(Ordering::Relaxed), permit.gated()), (0, Gated::No));
    }

    #[tokio::test]
    async fn what_is_signed_is_let_through_by_what_is_known_and_the_permit_is_for_it_alone() {
        let (_database, authority) = authority(GateMode::Enforce, &rule(UNSIGNED)).await;
        let artifact = seen(signed(), unsigned());
        let permit = ask(&authority, &artifact).await.unwrap();
        assert_eq!(artifact.asked.load(Ordering::Relaxed), 1);
        assert_eq!(permit.gated(), Gated::For(Digest::of(b"artifact")));
    }

    #[tokio::test]
    async fn nobody_is_refused_by_what_was_known_before() {
        let (_database, authority) = authority(GateMode::Enforce, &rule(UNSIGNED)).await;
        assert!(ask(&authority, &seen(unsigned(), signed())).await.is_ok());
        assert!(ask(&authority, &seen(Facts::default(), signed())).await.is_ok());
    }

    #[tokio::test]
    async fn a_refusal_names_the_rule_and_what_to_do() {
        let (_database, authority) = authority(GateMode::Enforce, &rule(UNSIGNED)).await;
        let error = ask(&authority, &seen(unsigned(), unsigned())).await.unwrap_err();
        assert_eq!(error.code(), Code::GateNotMet);
        for part in ["p#OnlySigned", "sign it"] {
            assert!(error.message().contains(part), "{}", error.message());
        }
        let detail = |name: &str| error.details().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        assert_eq!(detail("asked_for").as_deref(), Some("zas:Signed"));
        assert_eq!(detail("statements").as_deref(), Some("p#OnlySigned"));
    }

    #[tokio::test]
    async fn what_is_unknown_is_refused() {
        let (_database, authority) = authority(GateMode::Enforce, &rule(UNSIGNED)).await;
        let error = ask(&authority, &seen(Facts::default(), Facts::default())).await.unwrap_err();
        assert!(error.message().contains("Not all that refers to it could be read"), "{}", error.message());
        let scans = rule(r#"{"NumericGreaterThan": {"zas:VulnCritical": "0"}}"#);
        let (_database, authority) = self::authority(GateMode::Enforce, &scans).await;
        let error = ask(&authority, &seen(signed(), signed())).await.unwrap_err();
        assert!(error.message().contains("no scan"), "{}", error.message());
    }

    #[tokio::test]
    async fn in_audit_it_is_let_through_and_the_permit_says_what_would_have_denied_and_off_is_off() {
        let (_database, audit) = authority(GateMode::Audit, &rule(UNSIGNED)).await;
        assert_eq!(ask(&audit, &seen(unsigned(), unsigned())).await.unwrap().audited(), ["p#OnlySigned"]);
        assert!(ask(&audit, &seen(signed(), signed())).await.unwrap().audited().is_empty());
        let (_database, off) = authority(GateMode::Off, &rule(UNSIGNED)).await;
        let artifact = seen(unsigned(), unsigned());
        assert!(ask(&off, &artifact).await.unwrap().audited().is_empty());
        assert_eq!(artifact.asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_rule_alone_can_be_watched_before_it_counts() {
        let mut watched = rule(UNSIGNED);
        watched["Mode"] = json!("Audit");
        let (_database, authority) = authority(GateMode::Enforce, &watched).await;
        let permit = ask(&authority, &seen(unsigned(), unsigned())).await.unwrap();
        assert_eq!(permit.audited(), ["p#OnlySigned"]);
    }

    #[tokio::test]
    async fn what_is_said_about_an_artifact_is_read_whatever_is_known_of_it() {
        let (_database, authority) = authority(GateMode::Enforce, &rule(UNSIGNED)).await;
        let resource = Resource::object("prod", "app");
        assert!(authority.may_know(&alice(), Action::GetObject, &resource));
        assert!(!authority.may(&alice(), Action::GetObject, &resource));
        assert!(authority.depends(&alice(), Action::GetObject, &resource));
        assert!(authority.may_artifact(&alice(), Action::GetObject, &resource, &signed()));
        assert!(!authority.may_artifact(&alice(), Action::GetObject, &resource, &unsigned()));
        assert!(authority.authorize_knowing(&alice(), Action::GetObject, resource).await.is_ok());
    }

    #[test]
    fn every_key_of_an_artifact_has_a_word_of_advice() {
        let facts = Facts::default();
        for key in KeyName::ALL.iter().filter(|key| key.is_evidence()) {
            assert!(
                !advice(*key, &facts, OffsetDateTime::UNIX_EPOCH).contains("is not as the rule asks"),
                "{}",
                key.as_str()
            );
        }
    }
}
