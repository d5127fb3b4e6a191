//! What an attacker would try, at the level of verdicts, through the real verifier.

use serde_json::{Value, json};

use super::support::*;
use crate::digest::Digest;
use crate::supply_chain::keys::{Algorithm, KeyPair};
use crate::supply_chain::legacy::{Payload, Repository};
use crate::supply_chain::rules::*;
use crate::supply_chain::sign;
use crate::supply_chain::statement::{COSIGN_SIGN_V1, Statement, Subject as Named};
use crate::supply_chain::verify::{
    Accept, Evidence, Expected, LogPolicy, Outcome, SignerName, Trust, TrustedKey, Validity, Verifier, Withdrawn,
};

/// A key `key/release` that is believed, and one of somebody else's.
struct World {
    release: KeyPair,
    evil: KeyPair,
    validity: Validity,
}

impl World {
    fn new() -> Self {
        let key = || KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        Self { release: key(), evil: key(), validity: Validity::default() }
    }

    fn verifier(&self) -> Verifier {
        let key = TrustedKey {
            signer: SignerName::Key("release".into()),
            key: self.release.public().clone(),
            validity: self.validity,
        };
        Verifier::new(Trust { revision: 1, keys: vec![key], identities: Vec::new() }, Vec::new(), LogPolicy::default())
            .unwrap()
    }

    fn outcomes(&self, evidence: &[Evidence]) -> Vec<Outcome> {
        let subject = subject();
        let hosts = ["registry.example".to_owned()];
        let expected =
            Expected { artifacts: &subject.digests, accept: Accept::Anything, repository: None, bytes: None, now: NOW };
        let names = ["s3/releases", "s3/releases/linux"].map(|name| Repository { name, hosts: &hosts });
        judge(&self.verifier(), &evidence.iter().collect::<Vec<_>>(), &expected, &names)
    }

    fn verdict(&self, policy: &VerificationPolicy, evidence: &[Evidence]) -> Verdict {
        let verifier = self.verifier();
        let pieces: Vec<Piece<'_>> = self
            .outcomes(evidence)
            .into_iter()
            .enumerate()
            .map(|(at, outcome)| Piece {
                digest: Digest::of(&[u8::try_from(at).unwrap()]),
                stands_until: verifier.stands_until(&outcome),
                judged: outcome.map_or_else(Judged::Refused, |verified| Judged::Signed(Box::new(verified))),
                carrier: None,
            })
            .collect();
        evaluate(policy, &subject(), &pieces, true, &verifier.names(), NOW)
    }

    /// The code of the verifier's refusal of one piece of evidence, after making sure that the policy is not passed by it.
    #[track_caller]
    fn refused(&self, evidence: Evidence) -> &'static str {
        let evidence = [evidence];
        assert!(!self.verdict(&by_release(), &evidence).passed);
        match self.outcomes(&evidence).remove(0) {
            Ok(verified) => panic!("it was verified: {verified:?}"),
            Err(refusal) => refusal.code(),
        }
    }
}

fn by_release() -> VerificationPolicy {
    rule("signatures", json!({"signers": ["key/release"]}))
}

async fn bundle(key: &KeyPair, digests: &[Digest], kind: &str, predicate: &Value) -> Evidence {
    let subjects = digests.iter().map(|digest| Named::new("", digest)).collect();
    let statement = Statement::new(subjects, kind, predicate).unwrap();
    Evidence::Bundle(sign::attest(key, &statement).await.unwrap().to_json().unwrap())
}

async fn good(key: &KeyPair) -> Evidence {
    bundle(key, &subject().digests, COSIGN_SIGN_V1, &json!({})).await
}

fn changed(evidence: &Evidence, change: impl FnOnce(&mut Value)) -> Evidence {
    let Evidence::Bundle(bytes) = evidence else { panic!("a bundle") };
    let mut value = serde_json::from_slice(bytes).unwrap();
    change(&mut value);
    Evidence::Bundle(value.to_string().into_bytes())
}

#[tokio::test]
async fn a_good_signature_passes() {
    let world = World::new();
    let verdict = world.verdict(&by_release(), &[good(&world.release).await]);
    assert!(verdict.passed, "{verdict:?}");
}

#[tokio::test]
async fn a_tampered_payload_does_not_pass() {
    let world = World::new();
    let other = bundle(&world.release, &[Digest::of(b"other")], COSIGN_SIGN_V1, &json!({})).await;
    let Evidence::Bundle(other) = &other else { panic!("a bundle") };
    let other: Value = serde_json::from_slice(other).unwrap();
    let tampered = changed(&good(&world.release).await, |bundle| {
        bundle["dsseEnvelope"]["payload"] = other["dsseEnvelope"]["payload"].clone();
    });
    assert_eq!(world.refused(tampered), "no_trusted_key");
}

#[tokio::test]
async fn a_statement_about_another_subject_does_not_pass() {
    let world = World::new();
    let other = bundle(&world.release, &[Digest::of(b"other")], COSIGN_SIGN_V1, &json!({})).await;
    assert_eq!(world.refused(other), "other_artifact");
}

#[tokio::test]
async fn the_wrong_key_does_not_pass_whatever_the_bundle_says_of_it() {
    let world = World::new();
    assert_eq!(world.refused(good(&world.evil).await), "no_trusted_key");
    let named = changed(&good(&world.evil).await, |bundle| {
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(world.release.public().hint());
    });
    assert_eq!(world.refused(named), "no_trusted_key");
}

#[tokio::test]
async fn a_key_that_the_bundle_brings_along_does_not_pass() {
    let world = World::new();
    let brought = changed(&good(&world.evil).await, |bundle| {
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(world.evil.public().to_pem());
    });
    assert_eq!(world.refused(brought), "no_trusted_key");
    let raw = changed(&good(&world.evil).await, |bundle| {
        bundle["verificationMaterial"]["publicKey"]["rawBytes"] = json!("AAAA");
    });
    assert_eq!(world.refused(raw), "malformed");
}

#[tokio::test]
async fn an_expired_and_a_revoked_key_do_not_pass() {
    let mut world = World::new();
    let signature = good(&world.release).await;
    world.validity = Validity { to: Some(NOW), ..Validity::default() };
    assert_eq!(world.refused(signature.clone()), "signer_expired");
    world.validity = Validity { from: Some(NOW + time::Duration::DAY), ..Validity::default() };
    assert_eq!(world.refused(signature.clone()), "signer_not_yet_valid");
    let later = world.verdict(&by_release(), std::slice::from_ref(&signature)).valid_until.unwrap();
    assert!(later > NOW && later < NOW + time::Duration::DAY, "it may pass by time alone: {later}");
    for (withdrawn, code) in [(Withdrawn::Revoked, "signer_revoked"), (Withdrawn::Disabled, "signer_disabled")] {
        world.validity = Validity { withdrawn: Some(withdrawn), ..Validity::default() };
        assert_eq!(world.refused(signature.clone()), code);
    }
}

#[tokio::test]
async fn a_good_statement_with_another_predicate_is_no_signature() {
    let world = World::new();
    for kind in
        ["https://acme.example/unknown/v1", "https://slsa.dev/verification_summary/v1", "https://spdx.dev/Document"]
    {
        let statement =
            bundle(&world.release, &subject().digests, kind, &json!({"verificationResult": "FAILED"})).await;
        let verdict = world.verdict(&by_release(), &[statement]);
        assert!(!verdict.passed, "{kind}");
        assert_eq!(verdict.rules[0].reasons[0].code, Why::NoEvidence, "{kind}");
    }
}

#[tokio::test]
async fn an_unknown_predicate_meets_no_rule_that_wants_another() {
    let world = World::new();
    let statement =
        bundle(&world.release, &subject().digests, "https://acme.example/unknown/v1", &json!({"result": "PASSED"}))
            .await;
    for (kind, body) in [
        ("tests", json!({"signers": ["key/release"]})),
        ("sbom", json!({"signers": ["key/release"]})),
        ("provenance", json!({"builders": [{"id": "*", "signers": ["key/release"]}]})),
        ("vulnerabilities", json!({"signers": ["key/release"], "max": {"critical": 0}, "max_scan_age": "7d"})),
    ] {
        assert!(!world.verdict(&rule(kind, body), std::slice::from_ref(&statement)).passed, "{kind}");
    }
}

#[tokio::test]
async fn two_signatures_in_one_envelope_do_not_pass() {
    let world = World::new();
    let both = changed(&good(&world.release).await, |bundle| {
        let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
        let first = signatures[0].clone();
        signatures.push(first);
    });
    assert_eq!(world.refused(both), "signature_count");
    let none = changed(&good(&world.release).await, |bundle| bundle["dsseEnvelope"]["signatures"] = json!([]));
    assert_eq!(world.refused(none), "signature_count");
}

#[tokio::test]
async fn what_is_oversized_or_truncated_does_not_pass() {
    let world = World::new();
    let Evidence::Bundle(bytes) = good(&world.release).await else { panic!("a bundle") };
    assert_eq!(world.refused(Evidence::Bundle(bytes[..bytes.len() / 2].to_vec())), "malformed");
    assert_eq!(world.refused(Evidence::Bundle(Vec::new())), "malformed");
    let padded = [&bytes[..], &vec![b' '; crate::supply_chain::limits::BUNDLE_BYTES]].concat();
    assert_eq!(world.refused(Evidence::Bundle(padded)), "too_large");
}

#[tokio::test]
async fn a_legacy_signature_that_is_replayed_from_another_repository_does_not_pass() {
    let world = World::new();
    let at = async |reference: &str| {
        let payload = Payload { reference: reference.to_owned(), digest: manifest(), annotations: Default::default() };
        Evidence::Legacy(sign::sign_legacy(&world.release, &payload).await.unwrap())
    };
    for name in ["registry.example/s3/releases", "registry.example/s3/releases/linux:app.tgz"] {
        assert!(world.verdict(&by_release(), &[at(name).await]).passed, "{name}");
    }
    assert_eq!(world.refused(at("registry.example/s3/elsewhere").await), "other_repository");
    assert_eq!(world.refused(at("evil.example/s3/releases").await), "other_repository");
}

#[tokio::test]
async fn a_log_entry_that_is_not_tied_to_the_signature_does_not_pass() {
    let world = World::new();
    let entry = json!({"logIndex": "1", "logId": {"keyId": "AAAA"}, "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": "1", "inclusionPromise": {"signedEntryTimestamp": "AAAA"}, "canonicalizedBody": "e30="});
    let logged =
        changed(&good(&world.release).await, |bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([entry]));
    let code = world.refused(logged);
    assert!(["no_trusted_root", "malformed", "log_entry_of_another"].contains(&code), "{code}");
}

#[tokio::test]
async fn bad_evidence_beside_a_good_signature_takes_nothing_away() {
    let world = World::new();
    let signature = good(&world.release).await;
    let garbage = Evidence::Bundle(b"{}".to_vec());
    let failed = bundle(
        &world.release,
        &subject().digests,
        "https://slsa.dev/verification_summary/v1",
        &json!({"verificationResult": "FAILED"}),
    )
    .await;
    let evidence = [garbage, good(&world.evil).await, failed, signature];
    assert!(world.verdict(&by_release(), &evidence).passed);
}

#[tokio::test]
async fn steps_are_followed_back_from_the_artifact_and_nowhere_else() {
    let world = World::new();
    let link = async |step: &str, from: &[Digest], made: &[Digest]| {
        let materials: Vec<Value> =
            from.iter().map(|digest| json!({"name": "m", "digest": {"sha256": digest.hex()}})).collect();
        bundle(&world.release, made, LINK, &json!({"name": step, "materials": materials})).await
    };
    let (source, app) = (Digest::of(b"source"), Digest::of(b"app"));
    let steps = [
        link("clone", &[], &[source]).await,
        link("build", &[source], &[app]).await,
        link("pack", &[app], &[manifest()]).await,
    ];
    let layout = rule(
        "layout",
        json!({"steps": [
        {"name": "clone", "functionaries": ["key/release"]},
        {"name": "build", "functionaries": ["key/release"]},
        {"name": "pack", "functionaries": ["key/release"]}]}),
    );
    let verdict = world.verdict(&layout, &steps);
    assert!(verdict.passed, "{verdict:?}");
    let alone = world.outcomes(&[steps[0].clone(), steps[2].clone()]);
    assert!(alone[0].is_err(), "nothing leads from the artifact to it");
    // A signature over what the artifact was made from is no signature of the artifact.
    let of_source = bundle(&world.release, &[app], COSIGN_SIGN_V1, &json!({})).await;
    let outcomes = world.outcomes(&[steps[2].clone(), of_source.clone()]);
    assert_eq!(outcomes[1].as_ref().unwrap_err().code(), "other_artifact");
    assert!(!world.verdict(&by_release(), &[steps[2].clone(), of_source]).passed);
}
