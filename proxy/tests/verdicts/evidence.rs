//! What passes, what does not, and what is said of each piece of evidence.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use zas_policy::Action;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::attach::{NewReferrerDocument, attach};
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::manifest::bundle_referrer;
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::statement::{COSIGN_SIGN_V1, Statement};

use super::ask::{Ask, PATIENCE};
use super::world::{OBJECT, World, why};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_passes_once_it_is_signed_and_the_evidence_is_named() {
    let world = World::new().await;
    world.signed_by_release().await;
    let unsigned = world.verify(OBJECT).await;
    assert_eq!((&unsigned["verdict"]["passed"], why(&unsigned)), (&json!(false), vec!["no_evidence"]));
    assert_eq!(unsigned["verdict"]["levels"], json!(["FAILED"]));
    world.sign(OBJECT).await;
    let signed = world.verify(OBJECT).await;
    let rule = &signed["verdict"]["rules"][0];
    assert_eq!((&signed["verdict"]["passed"], &rule["name"]), (&json!(true), &json!("signed")));
    assert_eq!(rule["evidence"][0]["signer"], json!("signing-key/release"));
    let evidence = signed["evidence"].as_array().unwrap();
    let piece = evidence.iter().find(|piece| piece["digest"] == rule["evidence"][0]["digest"]).unwrap();
    assert_eq!((&piece["verified"], &piece["predicate_type"]), (&json!(true), &json!(COSIGN_SIGN_V1)));
    assert_eq!(signed["artifact"]["name"], json!(OBJECT));
    assert_eq!(world.passed(OBJECT).await, ["release"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_the_registry_is_verified_by_tag_and_by_digest() {
    let world = World::new().await;
    world.signed_by_release().await;
    let by_digest = world.push_image().await;
    let digest = by_digest.rsplit_once('@').unwrap().1;
    assert_eq!(why(&world.verify("oci://team/app:v1").await), ["no_evidence"]);
    world.sign("oci://team/app:v1").await;
    for name in ["oci://team/app:v1", by_digest.as_str()] {
        let verified = world.verify(name).await;
        assert_eq!(verified["verdict"]["passed"], json!(true), "{name}: {verified}");
        assert_eq!(verified["artifact"]["digest"], json!(digest));
        assert_eq!(world.passed(name).await, ["release"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_each_piece_is_answered_with_who_signed_or_why_it_does_not_count() {
    let world = World::new().await;
    world.sign(OBJECT).await;
    attach_by(&world, &KeyPair::generate(Algorithm::EcdsaP256).unwrap()).await;
    let verified = world.post("/artifacts/verify", &json!({"artifact": OBJECT}), 200).await;
    assert_eq!((&verified["verdict"], &verified["left_out"]), (&Value::Null, &json!([])));
    let mut told: Vec<(Option<&str>, Option<&str>)> = verified["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| (piece["signer"].as_str(), piece["code"].as_str()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [(None, Some("no_trusted_key")), (Some("signing-key/release"), None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_may_be_named_in_the_question_and_nothing_is_kept() {
    let world = World::new().await;
    world.sign(OBJECT).await;
    for (signers, threshold, passed) in [
        (json!(["signing-key/release"]), 1, true),
        (json!(["signing-key/release", "signing-key/reports"]), 2, false),
        (json!(["key/nobody"]), 1, false),
    ] {
        let body = json!({"artifact": OBJECT, "signers": signers, "threshold": threshold});
        let verified = world.post("/artifacts/verify", &body, 200).await;
        assert_eq!(
            (&verified["verdict"]["passed"], &verified["verdict"]["id"]),
            (&json!(passed), &Value::Null),
            "{signers}"
        );
    }
    let draft = json!({"scope": ["s3://releases/*"], "rules": [{"name": "tested", "tests": {"signers": ["signing-key/reports"]}}]});
    let body = json!({"artifact": OBJECT, "document": draft});
    assert_eq!(why(&world.post("/artifacts/verify", &body, 200).await), ["no_evidence"]);
    assert!(world.passed(OBJECT).await.is_empty());
    assert_eq!(world.get(&format!("/artifacts/verdicts?artifact={OBJECT}")).await["verdicts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_every_kind_are_met_by_what_is_attached() {
    let world = World::new().await;
    let now = "2026-01-01T00:00:00Z";
    world
        .policy(json!([
            {"name": "signed", "signatures": {"signers": ["signing-key/release"]}},
            {"name": "built", "provenance": {"builders": [{"id": "https://ci.example", "signers": ["signing-key/reports"], "level": 2}]}},
            {"name": "tested", "tests": {"signers": ["signing-key/reports"]}},
            {"name": "listed", "sbom": {"signers": ["signing-key/reports"], "licences": {"allow": ["MIT"]}}},
            {"name": "scanned", "vulnerabilities": {"signers": ["signing-key/reports"], "max": {"critical": 0}, "max_scan_age": "100000d",
                "vex_signers": ["signing-key/reports"]}},
            {"name": "reviewed", "attestation": {"predicate_types": ["https://acme.example/review/v1"], "signers": ["signing-key/reports"],
                "fields": {"/approved": [true]}}}
        ]))
        .await;
    let missing = world.verify(OBJECT).await;
    assert!(
        missing["verdict"]["rules"].as_array().unwrap().iter().all(|rule| rule["passed"] == json!(false)),
        "{missing}"
    );
    world.sign(OBJECT).await;
    world
        .attest(
            OBJECT,
            "https://slsa.dev/provenance/v1",
            json!({
        "buildDefinition": {"buildType": "https://ci.example/type", "externalParameters": {"mode": "release"}},
        "runDetails": {"builder": {"id": "https://ci.example"}, "metadata": {"finishedOn": now}}}),
        )
        .await;
    world
        .attest(
            OBJECT,
            "https://in-toto.io/attestation/test-result/v0.1",
            json!({
        "result": "PASSED", "configuration": [{"name": "ci", "digest": {"sha256": Digest::of(b"ci").hex()}}]}),
        )
        .await;
    world.attest(OBJECT, "https://cyclonedx.org/bom", json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "components": [{"type": "library", "name": "a", "version": "1", "purl": "pkg:npm/a@1", "licenses": [{"expression": "MIT"}]}]})).await;
    world.attest(OBJECT, "https://in-toto.io/attestation/vulns/v0.2", json!({
        "scanner": {"uri": "pkg:generic/scanner", "version": "1", "db": {"uri": "https://db.example", "version": "1", "lastUpdate": now},
            "result": [{"id": "CVE-1", "severity": [{"method": "nvd", "score": "critical"}]}]},
        "metadata": {"scanStartedOn": now, "scanFinishedOn": now}})).await;
    world.attest(OBJECT, "https://acme.example/review/v1", json!({"approved": true})).await;
    let scanned = world.verify(OBJECT).await;
    let failed: Vec<_> = failed(&scanned);
    assert_eq!(failed, ["scanned"], "{scanned}");
    world
        .attest(
            OBJECT,
            "https://openvex.dev/ns",
            json!({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex",
        "author": "acme", "timestamp": now, "version": 1, "statements": [{"vulnerability": {"name": "CVE-1"},
            "status": "not_affected", "justification": "component_not_present"}]}),
        )
        .await;
    let verified = world.verify(OBJECT).await;
    assert_eq!(verified["verdict"]["passed"], json!(true), "{verified}");
    assert_eq!(verified["verdict"]["levels"], json!(["SLSA_BUILD_LEVEL_2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_not_for_an_artifact_is_not_held_against_it() {
    let world = World::new().await;
    let body = json!({"document": {"scope": ["s3://elsewhere/*"], "rules": [{"name": "a", "signatures": {"signers": ["key/a"]}}]}});
    world.ask(Method::PUT, "/verification-policies/release", &body).await.expect(200);
    let refused = world.post("/artifacts/verify", &json!({"artifact": OBJECT, "policy": "release"}), 400).await;
    assert_eq!(refused["details"]["field"], json!("policy"));
    world.post("/artifacts/verify", &json!({"artifact": "s3://releases/none", "policy": "release"}), 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verification_is_on_record_and_counted() {
    let world = World::new().await;
    world.signed_by_release().await;
    // Counting begins when somebody first asks.
    world.sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200);
    let ask = Ask::post("/-/api/v1/artifacts/verify").json(&json!({"artifact": OBJECT, "policy": "release"}));
    let answer = world.sidecar.as_root(&ask).await.expect(200);
    let records = world.sidecar.records(answer.header("x-request-id")).await;
    let record = records.iter().find(|record| record["action"] == json!("supply:Verify")).unwrap();
    assert!(record.to_string().contains("verified: release: failed"), "{record}");
    let metrics = world.sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200).body;
    let counted = metrics.lines().any(|line| {
        line.starts_with("zas_verifications_total{")
            && line.contains("policy=\"release\"")
            && line.contains("result=\"failed\"")
    });
    assert!(counted, "{metrics}");
}

/// The record of a verification, by what it was asked for.
async fn record_of(world: &World, body: &Value, status: u16) -> Value {
    let ask = Ask::post("/-/api/v1/artifacts/verify").json(body);
    let answer = world.sidecar.as_root(&ask).await.expect(status);
    let told = |record: &Value| record["note"].as_str().is_some_and(|note| note.contains("verified: "));
    // What changes nothing is written behind the answer.
    let writing = async {
        loop {
            let records = world.sidecar.records(answer.header("x-request-id")).await;
            if let Some(record) = records.into_iter().find(told) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, writing).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_verification_says_what_came_of_it_whose_signatures_counted_and_how_long_it_took() {
    let world = World::new().await;
    // Counting begins when somebody first asks.
    world.sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200);
    world.signed_by_release().await;
    let held = json!({"artifact": OBJECT, "policy": "release"});
    let unsigned = record_of(&world, &held, 200).await;
    assert_eq!(unsigned["note"], json!("verified: release: failed; signed by nobody who is trusted"));
    world.sign(OBJECT).await;
    attach_by(&world, &KeyPair::generate(Algorithm::Ed25519).unwrap()).await;
    let signed = record_of(&world, &held, 200).await;
    assert_eq!(signed["note"], json!("verified: release: passed; signed by signing-key/release"));
    assert!(signed["duration_us"].as_u64().is_some_and(|duration| duration > 0), "{signed}");
    let asked = record_of(&world, &json!({"artifact": OBJECT}), 200).await;
    let note = asked["note"].as_str().unwrap();
    assert!(
        note.starts_with("verified: signatures: ") && note.contains(" 1 refused; signed by signing-key/release"),
        "{note}"
    );
    let metrics = world.sidecar.as_root(&Ask::get("/-/metrics")).await.expect(200).body;
    for labels in
        [[r#"signer="signing-key/release""#, r#"result="ok""#], [r#"signer="""#, r#"result="no_trusted_key""#]]
    {
        let is_counted = |line: &str| {
            line.starts_with("zas_signatures_checked_total{")
                && line.contains(r#"by="verification""#)
                && labels.iter().all(|label| line.contains(label))
        };
        assert!(metrics.lines().any(is_counted), "{labels:?}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_that_comes_to_nothing_is_on_record_too() {
    let world = World::new().await;
    let missing = record_of(&world, &json!({"artifact": OBJECT, "policy": "missing"}), 404).await;
    assert_eq!(missing["status"], json!(404), "{missing}");
    assert!(missing["note"].as_str().unwrap().starts_with("verified: missing: "), "{missing}");
    assert!(missing["error"].is_string() && missing["duration_us"].is_u64(), "{missing}");
}

/// Attaches a signature by a key that nobody trusts.
async fn attach_by(world: &World, key: &KeyPair) {
    let reference = OBJECT.parse().unwrap();
    let (artifact, permit) = (world.resolved(OBJECT).await, world.permit(&reference, Action::Sign));
    let statement = Statement::signature(artifact.subjects()).unwrap();
    let bundle = sign::attest(key, &statement).await.unwrap().to_json().unwrap();
    let now = time::OffsetDateTime::now_utc();
    let referrer = bundle_referrer(&artifact.descriptor(), &bundle, COSIGN_SIGN_V1, now).unwrap();
    attach(&world.sidecar.app, &permit, &artifact, NewReferrerDocument::referrer(referrer)).await.unwrap();
}

fn failed(verified: &Value) -> Vec<&str> {
    let rules = verified["verdict"]["rules"].as_array().unwrap().iter();
    rules.filter(|rule| rule["passed"] == json!(false)).map(|rule| rule["name"].as_str().unwrap()).collect()
}
