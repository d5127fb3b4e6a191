//! Scans, and those who know better.

use serde_json::{Value, json};

use super::support::*;
use crate::supply_chain::rules::{Judged, Piece};
use crate::supply_chain::verify::Refusal;

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
    let verdict = verdict(&policy, &[scan.clone(), word]);
    assert!(verdict.passed);
    assert_eq!(verdict.rules[0].evidence.len(), 2, "the word is evidence too");
    assert_eq!(why(&policy, &[scan.clone(), says("b", OPENVEX, vex(not_affected("CVE-2")))]), ["vulnerability"]);
    let affected = with(not_affected("CVE-1"), "/status", json!("affected"));
    assert_eq!(why(&policy, &[scan, says("b", OPENVEX, vex(affected))]), ["vulnerability"]);
}

#[test]
fn of_all_words_about_a_vulnerability_the_latest_counts() {
    let policy =
        rule("vulnerabilities", with(with(strict(), "/vex_signers", json!(["key/b"])), "/max_vex_age", json!("20d")));
    let scan = says("a", VULNS, scan(&[found("CVE-1", "critical")]));
    let of = |days: i64, statement: &Value| {
        says("b", OPENVEX, with(vex(statement.clone()), "/timestamp", json!(days_ago(days))))
    };
    let (clear, affected) = (not_affected("CVE-1"), with(not_affected("CVE-1"), "/status", json!("affected")));
    let (old, middle) = (json!(days_ago(30)), json!(days_ago(10)));
    for (evidence, passed) in [
        ([of(3, &clear), of(2, &affected)], false),
        ([of(2, &affected), of(3, &clear)], false),
        ([of(3, &affected), of(2, &clear)], true),
        ([of(2, &affected), of(2, &clear)], false),
        // About something else.
        ([of(3, &clear), of(2, &with(affected.clone(), "/vulnerability/name", json!("CVE-2")))], true),
        // A statement's own time counts before the document's.
        ([of(3, &clear), of(2, &with(affected.clone(), "/timestamp", old.clone()))], true),
        // A document that is too old says what it says against the artifact.
        ([of(3, &with(clear.clone(), "/timestamp", old)), of(25, &affected)], false),
        ([of(3, &with(clear.clone(), "/timestamp", middle)), of(25, &affected)], true),
        // What has not come yet is not said.
        ([of(3, &clear), of(-1, &affected)], true),
    ] {
        let evidence = [&evidence[..], std::slice::from_ref(&scan)].concat();
        assert_eq!(passes(&policy, &evidence), passed, "{:?}", verdict(&policy, &evidence));
    }
    let broken = |days: i64| says("b", OPENVEX, json!({"timestamp": days_ago(days), "statements": "none"}));
    assert_eq!(why(&policy, &[scan.clone(), of(3, &clear), broken(2)]), ["malformed", "vulnerability"]);
    assert!(passes(&policy, &[scan.clone(), of(3, &clear), broken(4)]), "something was said since");
    let timeless = says("b", OPENVEX, json!({"statements": []}));
    assert_eq!(why(&policy, &[scan, of(3, &clear), timeless]), ["malformed", "vulnerability"]);
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

fn scan_of(days: i64, results: &[Value]) -> Value {
    with(scan(results), "/metadata", json!({"scanStartedOn": days_ago(days), "scanFinishedOn": days_ago(days)}))
}

#[test]
fn the_newest_scan_counts_whichever_it_is() {
    let policy = rule("vulnerabilities", with(strict(), "/signers", json!(["key/a", "key/b"])));
    let critical = [found("CVE-1", "critical")];
    let (clean, bad) = (|days| says("a", VULNS, scan_of(days, &[])), |days| says("b", VULNS, scan_of(days, &critical)));
    for (evidence, passed) in [
        ([clean(2), bad(1)], false),
        ([bad(1), clean(2)], false),
        ([bad(2), clean(1)], true),
        ([clean(1), bad(2)], true),
        ([clean(1), bad(1)], false),
        // The newest is too old, and nothing else is newer.
        ([clean(7), bad(8)], false),
        // What has not come yet is none.
        ([clean(1), bad(-1)], true),
    ] {
        assert_eq!(passes(&policy, &evidence), passed, "{:?}", verdict(&policy, &evidence));
    }
    assert_eq!(why(&policy, &[clean(2), bad(1)]), ["vulnerability", "superseded"]);
    let until = verdict(&policy, &[clean(1), bad(-1)]).valid_until.unwrap();
    assert!(until < NOW + time::Duration::DAY, "until the other one has come");
    let strangers = says("c", VULNS, scan_of(1, &critical));
    assert!(passes(&policy, &[clean(2), strangers]), "whom the rule does not name");
    assert!(passes(&policy, &[clean(2), refused(&bad(1))]), "whom nobody trusts");
    let cosigns = says("a", COSIGN_VULN, with(scan_of(1, &[]), "/scanner/result", json!({"SchemaVersion": 2})));
    assert!(passes(&policy, &[bad(2), cosigns]), "of either kind");
}

#[test]
fn a_scan_with_another_scanner_supersedes_none() {
    let policy = rule("vulnerabilities", with(strict(), "/scanners", json!(["pkg:github/aquasecurity/trivy*"])));
    let clean = says("a", VULNS, scan_of(2, &[]));
    let bad = with(scan_of(1, &[found("CVE-1", "critical")]), "/scanner/uri", json!("pkg:github/acme/other"));
    assert!(passes(&policy, &[clean.clone(), says("a", VULNS, bad.clone())]));
    let unreadable = with(bad, "/scanner/result", json!({}));
    assert!(passes(&policy, &[clean, says("a", VULNS, unreadable)]));
}

#[test]
fn a_scan_that_cannot_be_read_lets_no_older_one_decide() {
    let policy = rule("vulnerabilities", strict());
    let clean = |days| says("a", VULNS, scan_of(days, &[]));
    let broken = |days| says("a", VULNS, with(scan_of(days, &[]), "/scanner/result", json!({})));
    assert_eq!(why(&policy, &[clean(2), broken(1)]), ["malformed", "superseded"]);
    assert_eq!(why(&policy, &[clean(1), broken(1)]), ["malformed"]);
    assert!(passes(&policy, &[clean(1), broken(2)]), "somebody has scanned since");
    assert!(passes(&policy, &[clean(1), broken(-1)]), "what has not come yet is none");
    let timeless = says("a", VULNS, with(scan_of(2, &[]), "/metadata", json!({})));
    assert_eq!(why(&policy, &[clean(1), timeless]), ["time"]);
    assert_eq!(why(&policy, &[clean(1), says("a", VULNS, json!({}))]), ["malformed"]);
}

#[test]
fn what_was_not_looked_at_may_be_the_newest() {
    let policy = rule("vulnerabilities", strict());
    let evidence = [says("a", VULNS, scan(&[]))];
    assert!(passes(&policy, &evidence));
    let verdict = verdict_of_part(&policy, &evidence);
    assert_eq!((verdict.passed, verdict.rules[0].reasons[0].code.as_str()), (false, "left_out"));
    let one_too_many = Piece { judged: Judged::Refused(Refusal::TooMuchEvidence), ..says("c", VULNS, json!({})) };
    assert_eq!(why(&policy, &[evidence[0].clone(), one_too_many]), ["left_out"]);
}
