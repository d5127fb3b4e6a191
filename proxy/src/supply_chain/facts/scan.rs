//! What a scan for vulnerabilities has found (in-toto "vulns" v0.1 and v0.2; cosign's `vuln/v1` with a report of trivy or grype in it).

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::supply_chain::statement::Statement;

/// How far the clock of whoever has scanned may be ahead of ours.
const AHEAD: time::Duration = time::Duration::minutes(5);

/// Vulnerabilities by severity, and when they were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// When the scan ended.
    pub ended_at: OffsetDateTime,
    /// Critical ones: so rated, or with a score of 9 and more.
    pub critical: u64,
    /// High ones, from 7 on.
    pub high: u64,
    /// Medium ones, from 4 on.
    pub medium: u64,
    /// All below.
    pub low: u64,
    /// Those whose severity cannot be told.
    pub unrated: u64,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Deserialize)]
struct Predicate<'a> {
    #[serde(borrow)]
    scanner: Scanner<'a>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Scanner<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    scan_started_on: Option<String>,
    scan_finished_on: Option<String>,
}

/// A finding of in-toto's own.
#[derive(Deserialize)]
struct Finding {
    #[serde(default)]
    severity: Vec<Rating>,
}

#[derive(Deserialize)]
struct Rating {
    score: Score,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Score {
    Text(String),
    Number(f64),
}

/// A report of trivy (`Results`) or of grype (`matches`).
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "Results")]
    results: Option<Vec<Target>>,
    matches: Option<Vec<Match>>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "Vulnerabilities", default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(rename = "Severity", default)]
    severity: String,
}

#[derive(Deserialize)]
struct Match {
    vulnerability: Named,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    severity: String,
}

impl Scan {
    /// The scan that a statement reports, where it is one that can be read. One that does not say when it ended is none, and neither is
    /// one that has yet to end: it would be the newest for ever.
    pub(super) fn of(statement: &Statement, now: OffsetDateTime) -> Option<Self> {
        let kind = statement.predicate_type.as_str();
        let is_one = kind.starts_with("https://in-toto.io/attestation/vulns")
            || kind == "https://cosign.sigstore.dev/attestation/vuln/v1";
        if !is_one {
            return None;
        }
        let predicate: Predicate<'_> = serde_json::from_str(statement.predicate.get()).ok()?;
        let ended = predicate.metadata.scan_finished_on.or(predicate.metadata.scan_started_on)?;
        let ended_at = OffsetDateTime::parse(&ended, &Rfc3339).ok().filter(|ended_at| *ended_at - now <= AHEAD)?;
        let mut scan = Self { ended_at, critical: 0, high: 0, medium: 0, low: 0, unrated: 0 };
        for severity in severities(predicate.scanner.result?.get())? {
            scan.count(severity);
        }
        Some(scan)
    }

    const fn count(&mut self, severity: Option<Severity>) {
        match severity {
            Some(Severity::Critical) => self.critical += 1,
            Some(Severity::High) => self.high += 1,
            Some(Severity::Medium) => self.medium += 1,
            Some(Severity::Low) => self.low += 1,
            None => self.unrated += 1,
        }
    }
}

/// The severity of each finding; none of all, where the result is in no form that is known.
fn severities(result: &str) -> Option<Vec<Option<Severity>>> {
    if result.trim_start().starts_with('[') {
        let findings: Vec<Finding> = serde_json::from_str(result).ok()?;
        return Some(findings.iter().map(Finding::severity).collect());
    }
    let report: Report = serde_json::from_str(result).ok()?;
    match (report.results, report.matches) {
        (Some(targets), None) => {
            let found = targets.into_iter().flat_map(|target| target.vulnerabilities.unwrap_or_default());
            Some(found.map(|found| rated(&found.severity)).collect())
        }
        (None, Some(matches)) => Some(matches.iter().map(|found| rated(&found.vulnerability.severity)).collect()),
        _ => None,
    }
}

impl Finding {
    /// The worst that somebody rates it.
    fn severity(&self) -> Option<Severity> {
        let each = self.severity.iter().filter_map(|rating| match &rating.score {
            Score::Text(text) => rated(text),
            Score::Number(number) => Some(scored(*number)),
        });
        each.max()
    }
}

/// A severity as scanners call it, or a score of CVSS.
fn rated(text: &str) -> Option<Severity> {
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "critical" => Some(Severity::Critical),
        "high" | "important" => Some(Severity::High),
        "medium" | "moderate" => Some(Severity::Medium),
        "low" | "minor" | "negligible" | "none" | "info" | "informational" => Some(Severity::Low),
        _ => text.parse().ok().filter(|score: &f64| (0.0..=10.0).contains(score)).map(scored),
    }
}

/// The qualitative rating of a score (CVSS 3.1, 5).
fn scored(score: f64) -> Severity {
    if score >= 9.0 {
        Severity::Critical
    } else if score >= 7.0 {
        Severity::High
    } else if score >= 4.0 {
        Severity::Medium
    } else {
        Severity::Low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::supply_chain::statement::Subject;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use time::macros::datetime;

    const IN_TOTO: &str = "https://in-toto.io/attestation/vulns/v0.2";
    const COSIGN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

    fn scan(kind: &str, result: &Value) -> Option<Scan> {
        let metadata = json!({"scanStartedOn": "2026-06-01T00:00:00Z", "scanFinishedOn": "2026-06-01T01:00:00Z"});
        let predicate = json!({"scanner": {"uri": "s", "result": result}, "metadata": metadata});
        of(kind, &predicate)
    }

    fn of(kind: &str, predicate: &Value) -> Option<Scan> {
        let statement = Statement::new(vec![Subject::new("a", &Digest::of(b"a"))], kind, predicate).unwrap();
        Scan::of(&statement, datetime!(2026-06-01 01:00 UTC))
    }

    fn counts(scan: &Scan) -> [u64; 5] {
        [scan.critical, scan.high, scan.medium, scan.low, scan.unrated]
    }

    #[test]
    fn findings_are_counted_by_the_worst_of_their_ratings() {
        let result = json!([
            {"id": "1", "severity": [{"method": "nvd", "score": "9.8"}, {"method": "vendor", "score": "low"}]},
            {"id": "2", "severity": [{"method": "nvd", "score": 7.0}]},
            {"id": "3", "severity": [{"method": "vendor", "score": "Moderate"}]},
            {"id": "4", "severity": [{"method": "nvd", "score": "0.1"}]},
            {"id": "5", "severity": [{"method": "nvd", "score": "CVSS:3.1/AV:N"}]},
            {"id": "6"},
        ]);
        let found = scan(IN_TOTO, &result).unwrap();
        assert_eq!(counts(&found), [1, 1, 1, 1, 2]);
        assert_eq!(found.ended_at, datetime!(2026-06-01 01:00 UTC));
    }

    #[test]
    fn reports_of_scanners_are_counted() {
        let trivy = json!({"SchemaVersion": 2, "Results": [
            {"Target": "a", "Vulnerabilities": [{"VulnerabilityID": "1", "Severity": "CRITICAL"}, {"Severity": "UNKNOWN"}]},
            {"Target": "b", "Vulnerabilities": null},
            {"Target": "c"},
        ]});
        assert_eq!(counts(&scan(COSIGN, &trivy).unwrap()), [1, 0, 0, 0, 1]);
        let grype = json!({"matches": [{"vulnerability": {"id": "1", "severity": "High"}}, {"vulnerability": {"id": "2", "severity": "Negligible"}}]});
        assert_eq!(counts(&scan(COSIGN, &grype).unwrap()), [0, 1, 0, 1, 0]);
    }

    #[test]
    fn a_scan_that_cannot_be_read_is_none() {
        for result in [json!({}), json!("text"), json!({"Results": [], "matches": []}), json!([1])] {
            assert_eq!(scan(IN_TOTO, &result), None, "{result}");
        }
        assert_eq!(scan("https://example.com/other", &json!([])), None);
        let timeless = json!({"scanner": {"result": []}, "metadata": {}});
        assert_eq!(of(IN_TOTO, &timeless), None);
        assert_eq!(counts(&scan(IN_TOTO, &json!([])).unwrap()), [0; 5]);
    }

    #[test]
    fn a_scan_that_has_yet_to_end_is_none_but_for_clocks_that_go_ahead() {
        let ended = |at: &str| {
            let metadata = json!({"scanStartedOn": "2026-06-01T00:00:00Z", "scanFinishedOn": at});
            of(IN_TOTO, &json!({"scanner": {"uri": "s", "result": []}, "metadata": metadata})).is_some()
        };
        assert!(ended("2026-06-01T01:05:00Z"));
        assert!(!ended("2026-06-01T01:05:01Z") && !ended("9999-12-31T23:59:59Z"));
    }

    proptest! {
        #[test]
        fn no_result_breaks_the_reader(text in r#"[\[\]{}":,a-zA-Z0-9. ]{0,60}"#) {
            let _ = severities(&text);
            let _ = rated(&text);
        }
    }
}
