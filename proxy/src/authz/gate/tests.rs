//! Rules about artifacts: what is looked up, who waits, who is refused, and what is put on record.

use std::sync::Mutex;
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
    passed: PassedPolicies,
    asked: AtomicUsize,
    asked_for_verdicts: AtomicUsize,
    looks: Mutex<Vec<LookUp>>,
}

impl Artifact for Seen {
    async fn facts(&self, look: LookUp) -> Result<Option<(Digest, Facts)>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.looks.lock().unwrap().push(look);
        let facts = if look == LookUp::Fresh { &self.fresh } else { &self.known };
        Ok(Some((Digest::of(b"artifact"), facts.clone())))
    }

    async fn passed(&self, digest: &Digest) -> Result<PassedPolicies> {
        assert_eq!(*digest, Digest::of(b"artifact"));
        self.asked_for_verdicts.fetch_add(1, Ordering::Relaxed);
        Ok(self.passed.clone())
    }
}

impl Seen {
    fn looks(&self) -> Vec<LookUp> {
        self.looks.lock().unwrap().clone()
    }
}

fn seen(known: Facts, fresh: Facts) -> Seen {
    Seen {
        known,
        fresh,
        passed: PassedPolicies::default(),
        asked: AtomicUsize::new(0),
        asked_for_verdicts: AtomicUsize::new(0),
        looks: Mutex::default(),
    }
}

/// An artifact of which nothing can be known, for this reason; without one it takes for ever.
struct Away(Option<Code>);

impl Artifact for Away {
    async fn facts(&self, _: LookUp) -> Result<Option<(Digest, Facts)>> {
        match self.0 {
            Some(code) => Err(code.into()),
            None => std::future::pending().await,
        }
    }

    async fn passed(&self, _: &Digest) -> Result<PassedPolicies> {
        Err(Code::IndexUnavailable.into())
    }
}

fn signed() -> Facts {
    Facts { signed: true, signed_by: vec!["key/ci".into()], complete: true, ..Facts::default() }
}

fn unsigned() -> Facts {
    Facts { complete: true, ..Facts::default() }
}

const UNSIGNED: &str = r#"{"Bool": {"zas:Signed": "false"}}"#;

async fn authority(mode: GateMode, rule: &Value) -> (TestDatabase, Authority) {
    authority_by(mode, std::slice::from_ref(rule)).await
}

async fn authority_by(mode: GateMode, rules: &[Value]) -> (TestDatabase, Authority) {
    let database = testing::database().await.unwrap();
    let index = database.index().unwrap();
    let mut statements =
        vec![json!({"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "prod/*"})];
    statements.extend_from_slice(rules);
    let document = json!({"Version": "2012-10-17", "Statement": statements});
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
    let attached = crate::index::Attachment { policy: "p".into(), target_kind: "user".into(), target: "alice".into() };
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

async fn ask(authority: &Authority, artifact: &impl Artifact) -> Result<Permit> {
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

/// A rule that asks for a bill of materials and is only put on record.
fn watched_sbom() -> Value {
    json!({"Sid": "Listed", "Mode": "Audit", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "prod/*",
        "Condition": {"Bool": {"zas:HasSBOM": "false"}}})
}

/// What is enforced or watched as a whole, and what says itself that it is watched.
async fn watching() -> Vec<(TestDatabase, Authority)> {
    let mut watched = rule(UNSIGNED);
    watched["Mode"] = json!("Audit");
    vec![authority(GateMode::Audit, &rule(UNSIGNED)).await, authority(GateMode::Enforce, &watched).await]
}

#[tokio::test]
async fn nobody_waits_for_an_artifact_that_only_rules_on_record_ask_for() {
    for (_database, authority) in watching().await {
        let artifact = seen(unsigned(), signed());
        let permit = ask(&authority, &artifact).await.unwrap();
        assert_eq!(permit.audited(), ["p#OnlySigned"], "by what is known");
        assert_eq!((artifact.looks(), permit.gated()), (vec![LookUp::Passive], Gated::No));
        let unknown = ask(&authority, &seen(Facts::default(), signed())).await.unwrap();
        assert_eq!(unknown.audited(), ["p#OnlySigned (unknown)"]);
    }
}

#[tokio::test]
async fn what_keeps_an_artifact_from_being_known_keeps_nobody_from_it_where_rules_are_only_on_record() {
    let codes = [Code::TrustUnavailable, Code::UpstreamUnavailable, Code::DigestPending, Code::IndexUnavailable];
    for (_database, authority) in watching().await {
        for code in codes.into_iter().map(Some).chain([None]) {
            let permit = ask(&authority, &Away(code)).await.unwrap();
            assert_eq!(permit.audited(), ["p#OnlySigned (unknown)"], "{code:?}");
            assert_eq!(permit.gated(), Gated::No);
        }
    }
    let (_database, enforced) = authority(GateMode::Enforce, &rule(UNSIGNED)).await;
    for code in codes {
        assert_eq!(ask(&enforced, &Away(Some(code))).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn one_rule_that_counts_is_asked_for_as_ever_whatever_others_are_only_on_record() {
    let rules = [rule(UNSIGNED), watched_sbom()];
    let (_database, authority) = authority_by(GateMode::Enforce, &rules).await;
    let met = seen(signed(), unsigned());
    let permit = ask(&authority, &met).await.unwrap();
    assert_eq!(permit.audited(), ["p#Listed"]);
    assert_eq!((met.looks(), permit.gated()), (vec![LookUp::Known], Gated::For(Digest::of(b"artifact"))));
    let signed_just_now = seen(unsigned(), signed());
    assert_eq!(ask(&authority, &signed_just_now).await.unwrap().audited(), ["p#Listed"]);
    assert_eq!(signed_just_now.looks(), [LookUp::Known, LookUp::Fresh]);
    assert_eq!(ask(&authority, &seen(unsigned(), unsigned())).await.unwrap_err().code(), Code::GateNotMet);
    let away = Away(Some(Code::TrustUnavailable));
    assert_eq!(ask(&authority, &away).await.unwrap_err().code(), Code::TrustUnavailable);
}

#[tokio::test]
async fn a_statement_that_allows_by_what_is_known_counts_in_every_mode() {
    let allow = json!({"Sid": "ByCi", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "else/*",
        "Condition": {"ForAnyValue:StringEquals": {"zas:SignedBy": "key/ci"}}});
    for mode in [GateMode::Enforce, GateMode::Audit] {
        let (_database, authority) = authority(mode, &allow).await;
        let get = async |artifact: &Seen| {
            let resource = Resource::object("else", "app");
            authority.authorize_artifact(&alice(), Action::GetObject, resource, artifact).await
        };
        assert!(get(&seen(signed(), signed())).await.is_ok());
        assert_eq!(get(&seen(unsigned(), unsigned())).await.unwrap_err().code(), Code::AccessDenied);
        let (resource, away) = (Resource::object("else", "app"), Away(Some(Code::DigestPending)));
        let refused = authority.authorize_artifact(&alice(), Action::GetObject, resource, &away).await;
        assert_eq!(refused.unwrap_err().code(), Code::DigestPending);
    }
}

const RELEASED: &str = r#"{"ForAllValues:StringNotEquals": {"zas:PassedPolicies": "release"}}"#;

#[tokio::test]
async fn what_passes_a_verification_policy_is_let_through_and_verdicts_are_asked_for_by_no_other_rule() {
    let (_database, authority) = authority(GateMode::Enforce, &rule(RELEASED)).await;
    let passed = |current: &[&str], lapsed: &[&str]| {
        let named = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
        Seen {
            passed: PassedPolicies { current: named(current), lapsed: named(lapsed) },
            ..seen(unsigned(), unsigned())
        }
    };
    // What else is known of it is no matter.
    let verified = Seen { known: Facts::default(), ..passed(&["nightly", "release"], &[]) };
    assert!(ask(&authority, &verified).await.is_ok());
    assert_eq!((verified.looks(), verified.asked_for_verdicts.load(Ordering::Relaxed)), (vec![LookUp::Known], 1));
    let error = ask(&authority, &passed(&["nightly"], &["release"])).await.unwrap_err();
    assert_eq!(error.code(), Code::GateNotMet);
    for part in ["p#OnlySigned", "policies nightly,", "of release count no longer", "/-/api/v1/artifacts/verify"] {
        assert!(error.message().contains(part), "{}", error.message());
    }
    assert_eq!(ask(&authority, &passed(&[], &[])).await.unwrap_err().code(), Code::GateNotMet);
    let (_database, other) = self::authority(GateMode::Enforce, &rule(UNSIGNED)).await;
    let unasked = seen(signed(), signed());
    assert!(ask(&other, &unasked).await.is_ok());
    assert_eq!(unasked.asked_for_verdicts.load(Ordering::Relaxed), 0);
}
