//! Scans, and those who know better.

use serde_json::{Value, json};

use super::support::*;

fn found(id: &str, score: &str) -> Value {
    json!({"id": id, "severity": [{"method": "nvd", "score": score}], "annotations": [{"purl": "pkg:npm/a@1.0.0"}]})
}

fn scan(results: &[Value]) -> Value {
    json!({
        "scanner": {"uri": "pkg:github/aquasecurity/trivy@0.66", "version": "0.66", "result": results,
            "db": {"uri": "pkg:github/aquasecurity/trivy-db", "version": "2", "lastUpdate": days_ago(3)}},
        "metadata": {"scanStartedOn": days_ago(2), "scanFinishedOn": days_ago(1)}
    })
}

fn strict() -> Value {
    json!({"signers": ["key/a"], "max": {"critical": 0, "high": 1}, "max_scan_age": "7d", "max_db_age": "5d"})
}

fn vex(statement: Value) -> Value {
    json!({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/1", "author": "acme", "version": 1,
        "timestamp": days_ago(1), "statements": [statement]})
}

fn not_affected(id: &str) -> Value {
    json!({"vulnerability": {"name": id}, "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"})
}

#[test]
fn no_more_may_be_found_than_the_limits_say() {
    let policy = rule("vulnerabilities", strict());
    for (results, passed) in [
        (vec![], true),
        (vec![found("CVE-1", "low"), found("CVE-2", "medium")], true),
        (vec![found("CVE-1", "high")], true),
        (vec![found("CVE-1", "high"), found("CVE-1", "high")], true),
        (vec![found("CVE-1", "high"), found("CVE-2", "high")], false),
        (vec![found("CVE-1", "critical")], false),
        (vec![found("CVE-1", "whatever")], false),
    ] {
        assert_eq!(passes(&policy, &[says("a", VULNS, scan(&results))]), passed, "{results:?}");
    }
    assert_eq!(why(&policy, &[says("a", VULNS, scan(&[found("CVE-1", "critical")]))]), ["vulnerability"]);
    let lenient = rule("vulnerabilities", with(strict(), "/max/unknown", json!(5)));
    assert!(passes(&lenient, &[says("a", VULNS, scan(&[found("CVE-1", "whatever")]))]));
}

#[test]
fn a_scan_counts_where_it_is_fresh_signed_and_by_a_scanner_that_is_known() {
    let policy = rule("vulnerabilities", with(strict(), "/scanners", json!(["pkg:github/aquasecurity/trivy*"])));
    let verdict = verdict(&policy, &[says("a", VULNS, scan(&[]))]);
    assert_eq!(
        (verdict.passed, verdict.valid_until),
        (true, Some(NOW + time::Duration::days(2))),
        "the data ages first"
    );
    assert_eq!(why(&policy, &[]), ["no_evidence"]);
    assert_eq!(why(&policy, &[says("b", VULNS, scan(&[]))]), ["other_signer"]);
    for (pointer, value, code) in [
        ("/scanner/uri", json!("pkg:github/acme/blind"), "scanner"),
        ("/scanner/db/lastUpdate", json!(days_ago(5)), "database"),
        ("/scanner/db/lastUpdate", Value::Null, "database"),
        ("/scanner/db", Value::Null, "database"),
        ("/metadata/scanFinishedOn", json!(days_ago(7)), "time"),
        ("/metadata", json!({"scanStartedOn": days_ago(8), "scanFinishedOn": days_ago(7)}), "stale"),
        ("/metadata", json!({"scanFinishedOn": days_ago(-1)}), "time"),
        ("/metadata", json!({}), "time"),
        ("/metadata/scanFinishedOn", json!("now"), "malformed"),
        ("/scanner/result", json!({}), "malformed"),
        ("/scanner/result", json!([{"id": "CVE-1"}]), "malformed"),
    ] {
        let changed = with(scan(&[]), pointer, value.clone());
        assert_eq!(why(&policy, &[says("a", VULNS, changed)]), [code], "{pointer} {value}");
    }
}

#[test]
fn cosigns_statement_carries_a_report() {
    let policy = rule("vulnerabilities", without(strict(), "/max_db_age"));
    let report = |severity: &str| {
        let result = json!({"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-1", "Severity": severity}]}]});
        says("a", COSIGN_VULN, with(scan(&[]), "/scanner/result", result))
    };
    assert!(passes(&policy, &[report("HIGH")]));
    assert_eq!(why(&policy, &[report("CRITICAL")]), ["vulnerability"]);
    let empty = says("a", COSIGN_VULN, with(scan(&[]), "/scanner/result", json!({})));
    assert_eq!(why(&policy, &[empty]), ["malformed"], "an empty result is no scan that found nothing");
}

#[test]
fn the_word_of_those_who_know_better_takes_findings_away() {
    let policy = rule("vulnerabilities", with(strict(), "/vex_signers", json!(["key/b"])));
    let scan = says("a", VULNS, scan(&[found("CVE-1", "critical")]));
    let word = says("b", OPENVEX, vex(not_affected("CVE-1")));
    let verdict = verdict(&policy, &[scan.clone(), word.clone()]);
    assert!(verdict.passed);
    assert_eq!(verdict.rules[0].evidence.len(), 2, "the word is evidence too");
    assert_eq!(why(&policy, &[scan.clone(), says("b", OPENVEX, vex(not_affected("CVE-2")))]), ["vulnerability"]);
    let affected = with(not_affected("CVE-1"), "/status", json!("affected"));
    assert_eq!(why(&policy, &[scan.clone(), says("b", OPENVEX, vex(affected.clone()))]), ["vulnerability"]);
    // Later and worse takes nothing away: that is what max_vex_age is for.
    assert!(passes(&policy, &[scan, word, says("b", OPENVEX, vex(affected))]));
}

#[test]
fn the_word_of_anybody_else_counts_for_nothing() {
    let word = |signer: &str| says(signer, OPENVEX, vex(not_affected("CVE-1")));
    let scan = says("a", VULNS, scan(&[found("CVE-1", "critical")]));
    let policy = rule("vulnerabilities", with(strict(), "/vex_signers", json!(["key/b"])));
    assert_eq!(why(&policy, &[scan.clone(), word("a")]), ["other_signer", "vulnerability"]);
    assert_eq!(why(&policy, &[scan.clone(), refused(&word("b"))]), ["vulnerability"]);
    let nobody = rule("vulnerabilities", strict());
    assert_eq!(why(&nobody, &[scan, word("a"), word("b")]), ["vulnerability"]);
}

#[test]
fn the_word_grows_old() {
    let policy =
        rule("vulnerabilities", with(with(strict(), "/vex_signers", json!(["key/b"])), "/max_vex_age", json!("2d")));
    let scan = says("a", VULNS, scan(&[found("CVE-1", "critical")]));
    let word = |days| says("b", OPENVEX, with(vex(not_affected("CVE-1")), "/timestamp", json!(days_ago(days))));
    let verdict = verdict(&policy, &[scan.clone(), word(1)]);
    assert_eq!((verdict.passed, verdict.valid_until), (true, Some(NOW + time::Duration::DAY)));
    assert_eq!(why(&policy, &[scan.clone(), word(2)]), ["stale", "vulnerability"]);
    assert_eq!(why(&policy, &[scan.clone(), word(-1)]), ["time", "vulnerability"]);
    assert_eq!(why(&policy, &[scan, says("b", OPENVEX, json!({"statements": []}))]), ["malformed", "vulnerability"]);
}

#[test]
fn an_exception_is_for_a_vulnerability_of_a_package_for_a_while() {
    let except = |id: &str, purl: &str, days: i64| {
        let exceptions = json!([{"id": id, "purl": purl, "expires_at": days_ago(-days), "reason": "no fix yet"}]);
        rule("vulnerabilities", with(strict(), "/exceptions", exceptions))
    };
    let scan = says("a", VULNS, scan(&[found("CVE-1", "critical")]));
    let verdict = verdict(&except("cve-1", "pkg:npm/*", 1), std::slice::from_ref(&scan));
    assert_eq!((verdict.passed, verdict.valid_until), (true, Some(NOW + time::Duration::DAY)));
    for policy in [except("CVE-2", "pkg:npm/*", 1), except("CVE-1", "pkg:pypi/*", 1), except("CVE-1", "pkg:npm/*", 0)] {
        assert_eq!(why(&policy, std::slice::from_ref(&scan)), ["vulnerability"]);
    }
}

#[test]
fn any_fresh_scan_is_enough_and_a_worse_one_does_not_outweigh_it() {
    let policy = rule("vulnerabilities", strict());
    let (clean, bad) = (says("a", VULNS, scan(&[])), says("a", VULNS, scan(&[found("CVE-1", "critical")])));
    assert!(passes(&policy, &[bad.clone(), clean]));
    assert!(!passes(&policy, &[bad]));
}
