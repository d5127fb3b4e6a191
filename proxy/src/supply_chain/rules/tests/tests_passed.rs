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
fn nobody_whom_the_rule_names_may_say_that_they_have_failed() {
    let policy = rule("tests", json!({"signers": ["key/a", "key/b"], "threshold": 2}));
    let failed = with(result(), "/result", json!("FAILED"));
    let both = [says("a", TEST_RESULT, result()), says("b", TEST_RESULT, result())];
    assert!(passes(&policy, &both));
    for (bad, code) in [(failed.clone(), "test_result"), (json!({"result": "PASSED"}), "malformed")] {
        assert_eq!(why(&policy, &[&both[..], &[says("a", TEST_RESULT, bad.clone())]].concat()), [code], "{bad}");
        assert!(passes(&policy, &[&both[..], &[says("c", TEST_RESULT, bad.clone())]].concat()), "{bad}");
        assert!(passes(&policy, &[&both[..], &[refused(&says("a", TEST_RESULT, bad.clone()))]].concat()), "{bad}");
    }
    assert_eq!(
        why(&policy, &[says("a", TEST_RESULT, result()), says("b", TEST_RESULT, failed)]),
        ["too_few_signers", "test_result"]
    );
}

#[test]
fn the_newest_result_counts_where_the_rule_says_of_when_it_is() {
    let policy = rule("tests", json!({"signers": ["key/a", "key/b"], "time_field": "/finishedOn"}));
    let of = |days: i64, result_is: &str| {
        let result = with(with(result(), "/result", json!(result_is)), "/finishedOn", json!(days_ago(days)));
        says("a", TEST_RESULT, result)
    };
    for (evidence, passed) in [
        ([of(2, "FAILED"), of(1, "PASSED")], true),
        ([of(1, "PASSED"), of(2, "FAILED")], true),
        ([of(2, "PASSED"), of(1, "FAILED")], false),
        ([of(1, "PASSED"), of(1, "FAILED")], false),
        ([of(1, "PASSED"), of(-1, "FAILED")], true),
    ] {
        assert_eq!(passes(&policy, &evidence), passed, "{:?}", verdict(&policy, &evidence));
    }
    assert_eq!(why(&policy, &[of(2, "PASSED"), of(1, "FAILED")]), ["test_result", "superseded"]);
    let timeless = says("a", TEST_RESULT, with(result(), "/result", json!("FAILED")));
    assert_eq!(why(&policy, &[of(1, "PASSED"), timeless]), ["test_result"], "it may be the newest");
    let unreadable = says("a", TEST_RESULT, json!({"finishedOn": days_ago(3)}));
    assert_eq!(why(&policy, &[of(1, "PASSED"), unreadable]), ["malformed"], "of which tests nobody knows");
    let failed = with(with(result(), "/result", json!("FAILED")), "/finishedOn", json!(days_ago(3)));
    assert_eq!(why(&policy, &[of(1, "PASSED"), says("b", TEST_RESULT, failed)]), ["test_result"], "of somebody else");
}

#[test]
fn other_tests_may_have_failed() {
    let known = "gitBlob:ebe4add40f63c3c98bc9b32ff1e736f04120b023";
    let required = rule("tests", json!({"signers": ["key/a"], "required": ["unit/*"]}));
    let configured = rule("tests", json!({"signers": ["key/a"], "configurations": [known]}));
    let good = says("a", TEST_RESULT, result());
    let others =
        json!({"result": "FAILED", "failedTests": ["e2e/login"], "configuration": [{"digest": {"sha256": "00"}}]});
    let alike = json!({"result": "FAILED", "configuration": result()["configuration"]});
    for policy in [&required, &configured] {
        assert!(passes(policy, &[good.clone(), says("a", TEST_RESULT, others.clone())]));
        assert_eq!(why(policy, &[good.clone(), says("a", TEST_RESULT, alike.clone())]), ["test_result"]);
    }
    let fewer = with(result(), "/passedTests", json!(["lint"]));
    assert!(passes(&required, &[good, says("a", TEST_RESULT, fewer)]), "what was not tested has not failed");
}

#[test]
fn what_was_not_looked_at_may_say_that_they_have_failed() {
    let policy = rule("tests", json!({"signers": ["key/a"]}));
    let verdict = verdict_of_part(&policy, &[says("a", TEST_RESULT, result())]);
    assert!(!verdict.passed);
    assert_eq!(verdict.rules[0].reasons[0].code.as_str(), "left_out");
    assert!(verdict_of_part(&rule("signatures", json!({"signers": ["key/a"]})), &[signature("a")]).passed);
}
