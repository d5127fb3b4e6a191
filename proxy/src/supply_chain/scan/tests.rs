//! What is read of scans, in whichever form.

use proptest::prelude::*;
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::digest::Digest;
use crate::supply_chain::statement::Subject;

/// A finding of high severity.
pub(in crate::supply_chain) fn finding(id: &str, aliases: &[&str], purl: &str) -> Finding {
    let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
    Finding::new(id.to_owned(), aliases, Severity::High, String::new(), purl)
}

fn read(kind: &str, predicate: &Value) -> Result<Scan, Unreadable> {
    let subjects = vec![Subject::new("a", &Digest::of(b"a"))];
    Scan::read(&Statement::new(subjects, kind, predicate).unwrap())
}

fn scanned(kind: &str, result: &Value) -> Result<Vec<Severity>, Unreadable> {
    let metadata = json!({"scanStartedOn": "2026-06-01T00:00:00Z", "scanFinishedOn": "2026-06-01T01:00:00Z"});
    let scan = read(kind, &json!({"scanner": {"uri": "s", "result": result}, "metadata": metadata}))?;
    assert_eq!(scan.finished, datetime!(2026-06-01 01:00 UTC));
    Ok(scan.findings.iter().map(|finding| finding.severity).collect())
}

fn report(result: Value) -> Option<Vec<(String, Severity, String)>> {
    let report: Report = serde_json::from_value(result).ok()?;
    let findings = report.into_findings().into_iter();
    Some(findings.map(|found| (found.id, found.severity, found.package_name)).collect())
}

#[test]
fn reports_of_trivy_and_grype_are_read() {
    let trivy = json!({"SchemaVersion": 2, "ArtifactName": "app", "Results": [
        {"Target": "os", "Class": "os-pkgs"},
        {"Target": "lock", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-1", "PkgName": "a", "Severity": "CRITICAL", "PkgIdentifier": {"PURL": "pkg:npm/a@1.0.0"}},
            {"VulnerabilityID": "CVE-2", "PkgName": "b"}]}]});
    let found = report(trivy).unwrap();
    assert_eq!(found[0], ("CVE-1".into(), Severity::Critical, "pkg:npm/a@1.0.0".into()));
    assert_eq!(found[1], ("CVE-2".into(), Severity::Unknown, "b".into()));
    let grype = json!({"descriptor": {"name": "grype"}, "source": {}, "matches": [{
        "vulnerability": {"id": "GHSA-1", "severity": "Medium"}, "relatedVulnerabilities": [{"id": "CVE-1"}],
        "matchDetails": [], "artifact": {"name": "a", "version": "1.0.0", "purl": "pkg:npm/a@1.0.0"}}]});
    let read: Report = serde_json::from_value(grype.clone()).unwrap();
    assert!(read.into_findings()[0].is_called("cve-1"));
    assert_eq!(report(grype).unwrap(), [("GHSA-1".into(), Severity::Medium, "pkg:npm/a@1.0.0".into())]);
}

#[test]
fn a_report_that_found_nothing_is_one_and_an_empty_object_is_none() {
    assert_eq!(report(json!({"SchemaVersion": 2})), Some(Vec::new()));
    assert_eq!(report(json!({"SchemaVersion": 2, "Results": null})), Some(Vec::new()));
    assert_eq!(report(json!({"descriptor": {}, "matches": []})), Some(Vec::new()));
    for nothing in [json!({}), json!([]), json!(null), json!("clean"), json!({"matches": []}), json!({"runs": []})] {
        assert_eq!(report(nothing.clone()), None, "{nothing}");
    }
}

#[test]
fn both_versions_of_in_toto_are_read() {
    let read = |result: Value| {
        let result: InTotoResult = serde_json::from_value(result).unwrap();
        let found = Finding::from(result);
        (found.id, found.severity, found.package_name)
    };
    let two = json!({"id": "CVE-1", "severity": [{"method": "nvd", "score": "medium"}, {"method": "cvss_score", "score": "9.8"}],
        "annotations": [{"note": "x"}, {"purl": "pkg:npm/a@1.0.0"}]});
    assert_eq!(read(two), ("CVE-1".into(), Severity::Critical, "pkg:npm/a@1.0.0".into()));
    let one = json!({"vulnerability": {"id": "CVE-1", "severity": {"method": "nvd", "score": "low"}}});
    assert_eq!(read(one), ("CVE-1".into(), Severity::Low, String::new()));
}

#[test]
fn findings_are_as_grave_as_the_worst_of_their_ratings_however_these_are_written() {
    use Severity::{Critical, High, Low, Medium, Unknown};
    let result = json!([
        {"id": "1", "severity": [{"method": "nvd", "score": "9.8"}, {"method": "vendor", "score": "low"}]},
        {"id": "2", "severity": [{"method": "cvss", "score": 7.0}]},
        {"id": "3", "severity": {"method": "vendor", "score": "Moderate"}},
        {"id": "4", "severity": [{"method": "nvd", "score": "0.1"}]},
        {"id": "5", "severity": [{"method": "nvd", "score": "CVSS:3.1/AV:N"}]},
        {"id": "6", "severity": [{"method": "epss", "score": 0.93}]},
        {"id": "7", "severity": []},
    ]);
    for kind in IN_TOTO {
        assert_eq!(scanned(kind, &result).unwrap(), [Critical, High, Medium, Low, Unknown, Unknown, Unknown]);
        assert!(scanned(kind, &json!([{"id": "8"}])).is_err(), "a rating is required");
    }
}

#[test]
fn a_report_is_read_in_statements_of_either_origin_and_findings_in_those_of_in_toto() {
    let trivy =
        json!({"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"VulnerabilityID": "1", "Severity": "HIGH"}]}]});
    for kind in [COSIGN, IN_TOTO[0], IN_TOTO[1]] {
        assert_eq!(scanned(kind, &trivy).unwrap(), [Severity::High], "{kind}");
        for result in [json!({}), json!("text"), json!({"Results": [], "matches": []}), json!([1])] {
            assert!(scanned(kind, &result).is_err(), "{kind} {result}");
        }
    }
    assert!(scanned(IN_TOTO[0], &json!([])).unwrap().is_empty());
    assert!(scanned(COSIGN, &json!([])).is_err());
}

#[test]
fn a_scan_without_a_time_or_that_ends_before_it_begins_is_none() {
    let of = |metadata: Value| {
        let read = read(IN_TOTO[0], &json!({"scanner": {"uri": "s", "result": []}, "metadata": metadata}));
        read.map(|scan| scan.finished).map_err(|why| why.is_about_time())
    };
    let (earlier, later) = ("2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z");
    assert_eq!(of(json!({})), Err(true));
    assert_eq!(of(json!({"scanStartedOn": later, "scanFinishedOn": earlier})), Err(true));
    assert_eq!(of(json!({"scanFinishedOn": "yesterday"})), Err(false));
    assert_eq!(of(json!({"scanStartedOn": earlier})), Ok(datetime!(2026-06-01 00:00 UTC)));
    assert_eq!(of(json!({"scanStartedOn": earlier, "scanFinishedOn": later})), Ok(datetime!(2026-06-01 01:00 UTC)));
}

proptest! {
    #[test]
    fn no_result_breaks_the_reader(text in r#"[\[\]{}":,a-zA-Z0-9. ]{0,60}"#, of_cosign in any::<bool>()) {
        let result: Value = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        let kind = if of_cosign { COSIGN } else { IN_TOTO[0] };
        let _ = scanned(kind, &result);
        let _ = Severity::of_score(&text, &text);
    }
}
