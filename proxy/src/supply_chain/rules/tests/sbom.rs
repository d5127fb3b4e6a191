//! Bills of materials, and the licences in them.

use serde_json::{Value, json};

use super::support::*;
use crate::supply_chain::rules::Piece;

const MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";

fn component(name: &str, licence: &str) -> Value {
    json!({"bom-ref": name, "type": "library", "name": name, "version": "1.0.0", "purl": format!("pkg:npm/{name}@1.0.0"),
        "licenses": [{"expression": licence}]})
}

fn bom() -> Value {
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"timestamp": days_ago(2), "component": {
            "bom-ref": "app", "type": "application", "name": "app", "version": "1.0", "hashes": [{"alg": "SHA-256", "content": manifest().hex()}]}},
        "components": [component("a", "MIT"), component("b", "Apache-2.0 OR GPL-2.0-only")]
    })
}

fn attested(signer: &str, bom: Value) -> Piece<'static> {
    says(signer, CYCLONEDX, bom)
}

#[test]
fn a_valid_document_by_a_named_signer_passes() {
    let policy = rule("sbom", json!({"signers": ["key/a"]}));
    assert!(passes(&policy, &[attested("a", bom())]));
    assert_eq!(why(&policy, &[attested("b", bom())]), ["other_signer"]);
    assert_eq!(why(&policy, &[]), ["no_evidence"]);
    assert_eq!(why(&policy, &[signature("a")]), ["no_evidence"]);
}

#[test]
fn a_document_must_be_valid_and_of_a_format_that_is_wanted() {
    let policy = rule("sbom", json!({"signers": ["key/a"], "formats": ["cyclonedx"]}));
    assert!(passes(&policy, &[attested("a", bom())]));
    let twice = with(bom(), "/components/1/bom-ref", json!("a"));
    assert_eq!(why(&policy, &[attested("a", twice)]), ["invalid"]);
    assert_eq!(why(&policy, &[attested("a", json!({"not": "a document"}))]), ["malformed"]);
    let spdx = rule("sbom", json!({"signers": ["key/a"], "formats": ["spdx"]}));
    assert_eq!(why(&spdx, &[attested("a", bom())]), ["format"]);
}

#[test]
fn a_document_must_be_fresh_and_complete() {
    let policy = rule("sbom", json!({"signers": ["key/a"], "max_age": "10d", "min_components": 2}));
    let verdict = verdict(&policy, &[attested("a", bom())]);
    assert_eq!((verdict.passed, verdict.valid_until), (true, Some(NOW + time::Duration::days(8))));
    assert_eq!(why(&policy, &[attested("a", with(bom(), "/metadata/timestamp", json!(days_ago(10))))]), ["stale"]);
    assert_eq!(why(&policy, &[attested("a", with(bom(), "/metadata/timestamp", json!(days_ago(-1))))]), ["time"]);
    assert_eq!(why(&policy, &[attested("a", without(bom(), "/metadata/timestamp"))]), ["time"]);
    assert_eq!(
        why(&policy, &[attested("a", with(bom(), "/components", json!([component("a", "MIT")])))]),
        ["incomplete"]
    );
}

#[test]
fn a_document_may_have_to_name_the_artifact_itself() {
    let policy = rule("sbom", json!({"signers": ["key/a"], "describes_artifact": true}));
    assert!(passes(&policy, &[attested("a", bom())]));
    let by_version = with(
        without(bom(), "/metadata/component/hashes"),
        "/metadata/component/version",
        json!(manifest().to_string()),
    );
    assert!(passes(&policy, &[attested("a", by_version)]));
    let purl = format!("pkg:oci/app@sha256%3A{}", manifest().hex());
    let by_purl = with(without(bom(), "/metadata/component/hashes"), "/metadata/component/purl", json!(purl));
    assert!(passes(&policy, &[attested("a", by_purl)]));
    for other in [without(bom(), "/metadata/component/hashes"), without(bom(), "/metadata/component")] {
        assert_eq!(why(&policy, &[attested("a", other)]), ["not_described"]);
    }
}

#[test]
fn what_nobody_has_signed_counts_only_where_the_rule_says_so() {
    let text = bom().to_string();
    let plain = attached(text.as_bytes(), MEDIA_TYPE);
    assert_eq!(why(&rule("sbom", json!({"signers": ["key/a"]})), std::slice::from_ref(&plain)), ["no_evidence"]);
    let policy = rule("sbom", json!({"unsigned": true}));
    let verdict = verdict(&policy, std::slice::from_ref(&plain));
    assert!(verdict.passed && verdict.rules[0].evidence[0].signer.is_none());
    let within = Piece {
        carrier: plain
            .carrier
            .map(|carrier| crate::supply_chain::rules::Carrier { refers_to_artifact: false, ..carrier }),
        ..plain
    };
    assert_eq!(why(&policy, &[within]), ["not_described"], "it refers to something within the artifact");
}

#[test]
fn a_statement_that_nobody_has_signed_must_be_about_the_artifact() {
    let policy = rule("sbom", json!({"unsigned": true}));
    let statement = |digest: String| {
        json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": CYCLONEDX, "predicate": bom(),
            "subject": [{"name": "app", "digest": {"sha256": digest}}]})
        .to_string()
    };
    let (ours, other) = (statement(manifest().hex()), statement("0".repeat(64)));
    assert!(passes(&policy, &[attached(ours.as_bytes(), "application/vnd.in-toto+json")]));
    assert_eq!(why(&policy, &[attached(other.as_bytes(), "application/vnd.in-toto+json")]), ["not_described"]);
}

#[test]
fn licences_must_be_those_that_may_be() {
    let with_licences = |licences: Value| rule("sbom", json!({"signers": ["key/a"], "licences": licences}));
    let policy = with_licences(json!({"allow": ["MIT", "Apache-2.0"]}));
    assert!(
        passes(&policy, &[attested("a", bom())]),
        "of A OR B one is enough, and nothing is said of the application itself"
    );
    let gpl = with(bom(), "/components/1", component("b", "GPL-2.0-only AND Apache-2.0"));
    assert_eq!(why(&policy, &[attested("a", gpl.clone())]), ["licence"]);
    let none = with(bom(), "/components/1", without(component("b", "MIT"), "/licenses"));
    assert_eq!(why(&policy, &[attested("a", none)]), ["licence"]);
    let own = with(bom(), "/metadata/component/licenses", json!([{"expression": "GPL-2.0-only"}]));
    assert_eq!(why(&policy, &[attested("a", own)]), ["licence"], "what the application says of itself counts");
    let text = &verdict(&policy, &[attested("a", gpl)]).rules[0].reasons[0].text;
    assert!(text.contains("b 1.0.0 is under GPL-2.0-only AND Apache-2.0"), "{text}");
}

#[test]
fn an_exception_from_licences_ends() {
    let until = |days: i64| {
        rule(
            "sbom",
            json!({"signers": ["key/a"], "licences": {"deny": ["GPL-*"], "exceptions": [
            {"purl": "pkg:npm/b@1.*", "expires_at": days_ago(-days), "reason": "being replaced"}]}}),
        )
    };
    let gpl = attested("a", with(bom(), "/components/1", component("b", "GPL-2.0-only")));
    let verdict = verdict(&until(3), std::slice::from_ref(&gpl));
    assert_eq!((verdict.passed, verdict.valid_until), (true, Some(NOW + time::Duration::days(3))));
    assert_eq!(why(&until(0), &[gpl]), ["licence"]);
}

#[test]
fn one_document_must_be_all_of_it() {
    let policy = rule("sbom", json!({"signers": ["key/a"], "min_components": 2, "licences": {"allow": ["MIT"]}}));
    let clean = attested("a", with(bom(), "/components", json!([component("a", "MIT")])));
    let gpl = with(bom(), "/components/1", component("b", "GPL-2.0-only"));
    assert!(!passes(&policy, &[attested("a", gpl.clone()), clean.clone()]));
    let both = with(bom(), "/components/1", component("b", "MIT"));
    assert!(passes(&policy, &[attested("a", gpl), clean, attested("a", both)]));
}
