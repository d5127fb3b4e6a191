//! Tests that have passed.

use serde_json::json;

use super::support::*;

fn result() -> serde_json::Value {
    json!({"result": "PASSED", "configuration": [{"name": "ci.yml", "digest": {"gitBlob": "ebe4add40f63c3c98bc9b32ff1e736f04120b023"}}],
        "passedTests": ["unit/linux", "unit/windows"], "warnedTests": [], "failedTests": []})
}

#[test]
fn tests_have_passed_where_a_named_signer_says_so() {
    let policy = rule("tests", json!({"signers": ["key/a"]}));
    assert!(passes(&policy, &[says("a", TEST_RESULT, result())]));
    assert_eq!(why(&policy, &[says("b", TEST_RESULT, result())]), ["other_signer"]);
    assert_eq!(why(&policy, &[]), ["no_evidence"]);
    assert_eq!(why(&policy, &[signature("a")]), ["no_evidence"]);
}

#[test]
fn what_has_not_passed_does_not_count() {
    let policy = rule("tests", json!({"signers": ["key/a"]}));
    for (pointer, value, code) in [
        ("/result", json!("FAILED"), "test_result"),
        ("/result", json!("WARNED"), "test_result"),
        ("/result", json!("passed"), "malformed"),
        ("/failedTests", json!(["unit/arm"]), "test_result"),
        ("/warnedTests", json!(["unit/arm"]), "test_result"),
        ("/configuration", json!([]), "configuration"),
    ] {
        let changed = with(result(), pointer, value.clone());
        assert_eq!(why(&policy, &[says("a", TEST_RESULT, changed)]), [code], "{pointer} {value}");
    }
    assert_eq!(why(&policy, &[says("a", TEST_RESULT, without(result(), "/configuration"))]), ["malformed"]);
}

#[test]
fn warnings_may_be_good_enough() {
    let policy = rule("tests", json!({"signers": ["key/a"], "allow_warnings": true}));
    let warned = with(with(result(), "/result", json!("WARNED")), "/warnedTests", json!(["unit/arm"]));
    assert!(passes(&policy, &[says("a", TEST_RESULT, warned)]));
    assert!(!passes(&policy, &[says("a", TEST_RESULT, with(result(), "/failedTests", json!(["x"])))]));
}

#[test]
fn the_configuration_must_be_known_and_nothing_else_be_in_it() {
    let known = "gitBlob:EBE4ADD40F63C3C98BC9B32FF1E736F04120B023";
    let policy = rule("tests", json!({"signers": ["key/a"], "configurations": [known]}));
    assert!(passes(&policy, &[says("a", TEST_RESULT, result())]));
    for other in [
        json!([{"name": "ci.yml", "digest": {"gitBlob": "0000000000000000000000000000000000000000"}}]),
        json!([{"name": "ci.yml"}]),
        json!([result()["configuration"][0], {"digest": {"gitBlob": "0000000000000000000000000000000000000000"}}]),
    ] {
        let changed = with(result(), "/configuration", other.clone());
        assert_eq!(why(&policy, &[says("a", TEST_RESULT, changed)]), ["configuration"], "{other}");
    }
}

#[test]
fn certain_tests_must_be_among_them() {
    let policy = rule("tests", json!({"signers": ["key/a"], "required": ["unit/*", "unit/windows"]}));
    assert!(passes(&policy, &[says("a", TEST_RESULT, result())]));
    let fewer = with(result(), "/passedTests", json!(["unit/linux"]));
    assert_eq!(why(&policy, &[says("a", TEST_RESULT, fewer)]), ["test_result"]);
}

#[test]
fn a_later_failure_does_not_outweigh_and_several_may_be_needed() {
    let policy = rule("tests", json!({"signers": ["key/a", "key/b"], "threshold": 2}));
    let failed = with(result(), "/result", json!("FAILED"));
    let both = [says("a", TEST_RESULT, result()), says("b", TEST_RESULT, result())];
    assert!(passes(&policy, &[&both[..], &[says("a", TEST_RESULT, failed.clone())]].concat()));
    assert_eq!(
        why(&policy, &[says("a", TEST_RESULT, result()), says("b", TEST_RESULT, failed)]),
        ["too_few_signers", "test_result"]
    );
}
