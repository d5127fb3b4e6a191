//! What the tests share: an artifact, evidence by signers `key/a`, `key/b`, ..., and policies as JSON.

use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::digest::Digest;
use crate::supply_chain::rules::*;
use crate::supply_chain::sbom::carried;
use crate::supply_chain::statement::{self, COSIGN_SIGN_V1, Statement};
use crate::supply_chain::verify::{Refusal, Said, SignerName, Verified};

/// The present of every test.
pub(super) const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

pub(super) const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
pub(super) const SLSA_V0_2: &str = "https://slsa.dev/provenance/v0.2";
pub(super) const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
pub(super) const CYCLONEDX: &str = "https://cyclonedx.org/bom";
pub(super) const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
pub(super) const COSIGN_VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
pub(super) const OPENVEX: &str = "https://openvex.dev/ns/v0.2.0";
pub(super) const LINK: &str = "https://in-toto.io/attestation/link/v0.3";

pub(super) fn manifest() -> Digest {
    Digest::of(b"manifest")
}

pub(super) fn subject() -> Subject {
    Subject { name: "s3://releases/app.tgz".to_owned(), digests: vec![manifest(), Digest::of(b"object")] }
}

pub(super) fn policy(rules: Value) -> VerificationPolicy {
    VerificationPolicy::parse(&json!({"scope": ["s3://releases/*"], "rules": rules}).to_string()).unwrap()
}

/// A policy of one rule, `kind` and what it says.
pub(super) fn rule(kind: &str, rule: Value) -> VerificationPolicy {
    policy(json!([{"name": "rule", kind: rule}]))
}

pub(super) fn verdict(policy: &VerificationPolicy, evidence: &[Piece<'_>]) -> Verdict {
    verdict_at(policy, evidence, NOW)
}

pub(super) fn verdict_at(policy: &VerificationPolicy, evidence: &[Piece<'_>], now: OffsetDateTime) -> Verdict {
    let known = ["a", "b", "c", "d"].map(|name| format!("key/{name}")).into_iter().collect();
    evaluate(policy, &subject(), evidence, true, &known, now)
}

/// The same where not all was looked at.
pub(super) fn verdict_of_part(policy: &VerificationPolicy, evidence: &[Piece<'_>]) -> Verdict {
    let known = ["a", "b", "c", "d"].map(|name| format!("key/{name}")).into_iter().collect();
    evaluate(policy, &subject(), evidence, false, &known, NOW)
}

pub(super) fn passes(policy: &VerificationPolicy, evidence: &[Piece<'_>]) -> bool {
    verdict(policy, evidence).passed
}

/// The codes of the reasons why the one rule of a policy is not met.
#[track_caller]
pub(super) fn why(policy: &VerificationPolicy, evidence: &[Piece<'_>]) -> Vec<&'static str> {
    let verdict = verdict(policy, evidence);
    assert!(!verdict.passed, "it passes");
    let mut codes: Vec<_> = verdict.rules[0].reasons.iter().map(|reason| reason.code.as_str()).collect();
    codes.dedup();
    codes
}

fn verified(signer: &str, said: Said) -> Verified {
    Verified {
        signer: SignerName::Key(signer.to_owned()),
        key: Some(Digest::of(signer.as_bytes())),
        identity: None,
        times: Vec::new(),
        is_logged: false,
        said,
    }
}

/// A piece of evidence that `key/<signer>` has signed.
pub(super) fn signed(signer: &str, said: Said) -> Piece<'static> {
    let digest = Digest::of(format!("{signer} {said:?}").as_bytes());
    Piece { digest, judged: Judged::Signed(Box::new(verified(signer, said))), stands_until: None, carrier: None }
}

/// That `key/<signer>` has signed the artifact.
pub(super) fn signature(signer: &str) -> Piece<'static> {
    says(signer, COSIGN_SIGN_V1, json!({}))
}

/// What `key/<signer>` says of the artifact.
pub(super) fn says(signer: &str, kind: &str, predicate: Value) -> Piece<'static> {
    says_of(signer, &[("", manifest())], kind, &predicate)
}

/// What `key/<signer>` says of things.
pub(super) fn says_of(signer: &str, things: &[(&str, Digest)], kind: &str, predicate: &Value) -> Piece<'static> {
    let subjects = things.iter().map(|(name, digest)| statement::Subject::new(*name, digest)).collect();
    signed(signer, Said::Statement(Box::new(Statement::new(subjects, kind, predicate).unwrap())))
}

/// The same evidence, by somebody whom nobody trusts.
pub(super) fn refused(piece: &Piece<'static>) -> Piece<'static> {
    Piece { judged: Judged::Refused(Refusal::NoTrustedKey), ..piece.clone() }
}

/// A document that nobody has signed and that is attached to the artifact.
pub(super) fn attached<'a>(bytes: &'a [u8], media_type: &'a str) -> Piece<'a> {
    let layer = carried::Layer { media_type, ..carried::Layer::default() };
    let carrier = Some(Carrier { bytes, layer, refers_to_artifact: true });
    Piece { digest: Digest::of(bytes), judged: Judged::Unsigned, stands_until: None, carrier }
}

pub(super) fn days_ago(days: i64) -> String {
    (NOW - Duration::days(days)).format(&time::format_description::well_known::Rfc3339).unwrap()
}

/// Changes one value of a document.
pub(super) fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    document
}

/// A document without one value.
pub(super) fn without(mut document: Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    document
}
