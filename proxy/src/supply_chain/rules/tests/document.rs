//! Documents of policies: what is read, and where what is wrong stands.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::supply_chain::rules::*;

fn good() -> Value {
    json!({"scope": ["s3://releases/*"], "rules": [
        {"name": "signed", "signatures": {"signers": ["key/a"]}},
        {"name": "built", "provenance": {"builders": [{"id": "https://ci.example", "signers": ["key/b"], "level": 2}], "min_level": 2}},
        {"name": "tested", "tests": {"signers": ["key/b"]}},
        {"name": "listed", "sbom": {"signers": ["key/b"], "licences": {"allow": ["MIT"]}}},
        {"name": "scanned", "vulnerabilities": {"signers": ["key/c"], "max": {"critical": 0}, "max_scan_age": "7d"}},
        {"name": "steps", "layout": {"steps": [{"name": "clone", "functionaries": ["key/a"]}, {"name": "build", "functionaries": ["key/b"]}]}},
        {"name": "reviewed", "attestation": {"predicate_types": ["https://acme.example/review/*"], "signers": ["key/a"]}},
    ]})
}

#[track_caller]
fn error(document: &Value) -> PolicyError {
    VerificationPolicy::parse(&document.to_string()).unwrap_err()
}

/// What is wrong after a change of one value, which must be at `field`.
#[track_caller]
fn assert_wrong(pointer: &str, value: Value, field: &str, part: &str) {
    let error = error(&with(good(), pointer, value));
    assert_eq!(error.field, field, "{error}");
    assert!(error.text.contains(part), "{error}");
}

#[test]
fn every_kind_of_rule_is_read() {
    let policy = VerificationPolicy::parse(&good().to_string()).unwrap();
    assert!(policy.covers("s3://releases/a") && !policy.covers("s3://other/a"));
    assert!(!policy.takes_unsigned());
    let verdict = verdict(&policy, &[]);
    let kinds: Vec<_> = verdict.rules.iter().map(|rule| (rule.name.as_str(), rule.kind)).collect();
    let expected = [
        ("signed", "signatures"),
        ("built", "provenance"),
        ("tested", "tests"),
        ("listed", "sbom"),
        ("scanned", "vulnerabilities"),
        ("steps", "layout"),
        ("reviewed", "attestation"),
    ];
    assert_eq!(kinds, expected);
    assert!(!verdict.passed && verdict.rules.iter().all(|rule| !rule.passed && !rule.reasons.is_empty()));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert_wrong("/scope", json!([]), "scope", "1 to 64 entries");
    assert_wrong("/scope/0", json!("releases/*"), "scope", "neither s3:// nor oci://");
    assert_wrong("/rules", json!([]), "rules", "1 to 64 entries");
    assert_wrong("/rules/0/name", json!("a b"), "rules[0].name", "letters, digits");
    assert_wrong("/rules/1/name", json!("signed"), "rules[1].name", "another rule");
    assert_wrong("/rules/0/provenance", good()["rules"][1]["provenance"].clone(), "rules[0]", "has one of");
    assert_wrong("/rules/0/signatures", Value::Null, "rules[0]", "has one of");
    assert_wrong("/rules/0/signed_by", json!([]), "rules[0].signed_by", "unknown field");
    assert_wrong("/rules/0/signatures/signers/0", json!("release"), "rules[0].signatures.signers[0]", "key/<name>");
    assert_wrong("/rules/0/signatures/threshold", json!(2), "rules[0].signatures.threshold", "number of signers");
    assert_wrong("/rules/0/signatures/threshold", json!(0), "rules[0].signatures.threshold", "number of signers");
    assert_wrong("/rules/1/provenance/min_level", json!(3), "rules[1].provenance.min_level", "no builder");
    assert_wrong("/rules/1/provenance/builders/0/level", json!(4), "rules[1].provenance.builders[0].level", "1 to 3");
    assert_wrong(
        "/rules/1/provenance/source_at",
        json!({"repository": "/a"}),
        "rules[1].provenance.source_at",
        "with sources only",
    );
    assert_wrong(
        "/rules/1/provenance/sources",
        json!([{"repository": "acme/app"}]),
        "rules[1].provenance.sources[0].repository",
        "pattern of a URL",
    );
    assert_wrong("/rules/2/tests/configurations", json!(["abc"]), "rules[2].tests.configurations[0]", "<algorithm>");
    assert_wrong("/rules/3/sbom/signers", Value::Null, "rules[3].sbom.signers", "unsigned must be true");
    assert_wrong(
        "/rules/3/sbom/licences/allow",
        json!(["NoSuch-1.0"]),
        "rules[3].sbom.licences.allow[0]",
        "NoSuch-1.0",
    );
    assert_wrong(
        "/rules/4/vulnerabilities/max",
        json!({"unknown": 0}),
        "rules[4].vulnerabilities.max",
        "must limit one",
    );
    assert_wrong("/rules/4/vulnerabilities/max_scan_age", json!("soon"), "rules[4].vulnerabilities.max_scan_age", "");
    assert_wrong(
        "/rules/4/vulnerabilities/max_vex_age",
        json!("7d"),
        "rules[4].vulnerabilities.max_vex_age",
        "vex_signers",
    );
    let no_reason = json!([{"id": "CVE-1", "expires_at": "2027-01-01T00:00:00Z", "reason": ""}]);
    assert_wrong(
        "/rules/4/vulnerabilities/exceptions",
        no_reason,
        "rules[4].vulnerabilities.exceptions[0]",
        "a reason",
    );
    assert_wrong("/rules/5/layout/steps/1/name", json!("clone"), "rules[5].layout.steps[1].name", "of its own");
    assert_wrong(
        "/rules/5/layout/steps/0/shown_by",
        json!("provenance"),
        "rules[5].layout.steps[0].builders",
        "whose provenance",
    );
    let backwards = json!({"from": ["build"]});
    assert_wrong(
        "/rules/5/layout/steps/0/materials",
        backwards,
        "rules[5].layout.steps[0].materials.from[0]",
        "no earlier",
    );
    let alone = json!({"from": [], "allow": ["*"]});
    assert_wrong("/rules/5/layout/steps/1/materials", alone, "rules[5].layout.steps[0].name", "no later step");
    assert_wrong("/rules/2/tests/time_field", json!("finishedOn"), "rules[2].tests.time_field", "JSON pointer");
    assert_wrong("/rules/6/attestation/max_age", json!("7d"), "rules[6].attestation.time_field", "where the time is");
    assert_wrong(
        "/rules/6/attestation/fields",
        json!({"approved": [true]}),
        "rules[6].attestation.fields",
        "JSON pointer",
    );
}

#[test]
fn what_is_missing_is_named_with_line_and_column() {
    let error =
        VerificationPolicy::parse("{\"scope\": [\"s3://a/*\"],\n \"rules\": [{\"name\": \"x\", \"signatures\": {}}]}")
            .unwrap_err();
    assert_eq!(error.field, "rules[0].signatures.signers");
    assert_eq!(error.position.map(|(line, _)| line), Some(2));
    for (text, field) in [("{}", "scope"), ("", ""), ("[]", ""), ("{\"scope\": 1}", "scope")] {
        assert_eq!(VerificationPolicy::parse(text).unwrap_err().field, field, "{text}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let twice = r#"{"scope": ["s3://a/*"], "scope": ["s3://*"], "rules": [{"name": "x", "signatures": {"signers": ["key/a"]}}]}"#;
    assert!(VerificationPolicy::parse(twice).unwrap_err().text.contains("duplicate field"));
    let more = format!("{} {{}}", good());
    assert!(VerificationPolicy::parse(&more).unwrap_err().text.contains("trailing"));
    let long = with(good(), "/rules/0/name", json!("x".repeat(DOCUMENT_BYTES)));
    assert!(error(&long).text.contains("at most"));
}

#[test]
fn signers_alone_are_a_policy_too() {
    let names = ["key/a".to_owned(), "key/b".to_owned()];
    let policy = VerificationPolicy::signed_by(&names, 2).unwrap();
    assert!(passes(&policy, &[signature("a"), signature("b")]) && !passes(&policy, &[signature("a")]));
    for (names, threshold, field) in
        [(vec!["a".to_owned()], 1, "signers[0]"), (Vec::new(), 1, "signers"), (names.to_vec(), 3, "threshold")]
    {
        assert_eq!(VerificationPolicy::signed_by(&names, threshold).unwrap_err().field, field);
    }
}

#[test]
fn an_artifact_out_of_scope_does_not_pass_whatever_there_is() {
    let policy = policy(json!([{"name": "signed", "signatures": {"signers": ["key/a"]}}]));
    let other = Subject { name: "s3://elsewhere/app.tgz".to_owned(), ..subject() };
    let verdict = evaluate(&policy, &other, &[signature("a")], true, &Default::default(), NOW);
    assert!(!verdict.passed && verdict.rules[1].passed);
    assert_eq!((verdict.rules[0].kind, verdict.rules[0].reasons[0].code), ("scope", Why::Scope));
    assert_eq!(verdict.levels, ["FAILED"]);
}

#[test]
fn every_example_of_the_documentation_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verification-policies.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples = |fence: &str| -> Vec<Value> {
        let blocks = page.split(fence).skip(1).filter_map(|block| block.split("```").next());
        blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
    };
    let documents = examples("```json policy\n");
    assert!(!documents.is_empty());
    for document in documents {
        VerificationPolicy::parse(&document.to_string()).unwrap();
    }
    let rules = examples("```json rule\n");
    let shown = verdict(&policy(json!(rules)), &[]);
    let kinds: Vec<_> = shown.rules.iter().map(|rule| rule.kind).collect();
    let all = ["signatures", "provenance", "tests", "sbom", "vulnerabilities", "layout", "attestation"];
    assert_eq!(kinds, all, "one of each kind, in the order of the page");
}

proptest! {
    #[test]
    fn nothing_that_is_sent_breaks_the_reader(text in ".{0,200}", at in any::<prop::sample::Index>(), byte in 32_u8..127) {
        let _ = VerificationPolicy::parse(&text);
        let mut changed = good().to_string().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let _ = VerificationPolicy::parse(&String::from_utf8(changed).unwrap());
    }
}
