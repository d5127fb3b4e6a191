//! Statements of any type.

use serde_json::json;

use super::support::*;

const REVIEW: &str = "https://acme.example/review/v1";

fn review() -> serde_json::Value {
    json!({"approved": true, "reviewers": ["alice"], "on": days_ago(2)})
}

#[test]
fn a_statement_of_the_type_by_a_named_signer_is_enough() {
    let policy =
        rule("attestation", json!({"predicate_types": ["https://acme.example/review/*"], "signers": ["key/a"]}));
    assert!(passes(&policy, &[says("a", REVIEW, review())]));
    assert_eq!(why(&policy, &[says("b", REVIEW, review())]), ["other_signer"]);
    assert_eq!(why(&policy, &[says("a", "https://acme.example/other", review())]), ["no_evidence"]);
}

#[test]
fn the_values_that_are_wanted_must_be_there() {
    let policy = rule(
        "attestation",
        json!({"predicate_types": [REVIEW], "signers": ["key/a"],
        "fields": {"/approved": [true], "/reviewers/0": ["a*"], "/on": "any"}}),
    );
    assert!(passes(&policy, &[says("a", REVIEW, review())]));
    for changed in [
        with(review(), "/approved", json!(false)),
        with(review(), "/approved", json!("true")),
        with(review(), "/reviewers", json!(["bob"])),
        without(review(), "/on"),
    ] {
        assert_eq!(why(&policy, &[says("a", REVIEW, changed.clone())]), ["field"], "{changed}");
    }
}

#[test]
fn it_lasts_as_long_as_it_may_be_old() {
    let policy = rule(
        "attestation",
        json!({"predicate_types": [REVIEW], "signers": ["key/a"], "time_field": "/on", "max_age": "3d"}),
    );
    let fresh = verdict(&policy, &[says("a", REVIEW, review())]);
    assert_eq!((fresh.passed, fresh.valid_until), (true, Some(NOW + time::Duration::DAY)));
    assert_eq!(why(&policy, &[says("a", REVIEW, with(review(), "/on", json!(days_ago(3))))]), ["stale"]);
    assert_eq!(why(&policy, &[says("a", REVIEW, with(review(), "/on", json!(days_ago(-1))))]), ["time"]);
    assert_eq!(why(&policy, &[says("a", REVIEW, with(review(), "/on", json!("yesterday")))]), ["time"]);
}

#[test]
fn a_verdict_of_somebody_else_can_be_relied_on() {
    let vsa = "https://slsa.dev/verification_summary/v1";
    let policy = rule(
        "attestation",
        json!({"predicate_types": [vsa], "signers": ["key/a"], "fields": {
        "/verificationResult": ["PASSED"], "/verifier/id": ["https://verifier.example"], "/verifiedLevels/0": ["SLSA_BUILD_LEVEL_3"]},
        "time_field": "/timeVerified", "max_age": "1d"}),
    );
    let summary = json!({"verifier": {"id": "https://verifier.example"}, "timeVerified": days_ago(0), "resourceUri": "x",
        "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3"]});
    assert!(passes(&policy, &[says("a", vsa, summary.clone())]));
    assert_eq!(why(&policy, &[says("a", vsa, with(summary, "/verificationResult", json!("FAILED")))]), ["field"]);
}
