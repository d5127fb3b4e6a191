//! What a scan for vulnerabilities has found, in numbers: what rules about artifacts ask of it.
//!
//! What does not live here: how a scan is read (`scan`), and whose counts (`judge`).

use time::OffsetDateTime;

use crate::supply_chain::scan::{self, Head, Severity, is_scan};
use crate::supply_chain::statement::Statement;

/// How far the clock of whoever has scanned may be ahead of ours.
const AHEAD: time::Duration = time::Duration::minutes(5);

/// Vulnerabilities by severity, and when they were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// When the scan ended; of one that does not say, or that has yet to end, when it was read.
    pub ended_at: OffsetDateTime,
    /// Critical ones.
    pub critical: u64,
    /// High ones.
    pub high: u64,
    /// Medium ones.
    pub medium: u64,
    /// All below.
    pub low: u64,
    /// Those whose severity cannot be told.
    pub unrated: u64,
}

impl Scan {
    /// The scan that a statement reports, where its type is that of one.
    ///
    /// One that cannot be read may have found anything, and one that has yet to end would be the newest for ever. Neither lets an older one
    /// decide: each is as good as a vulnerability that nobody has rated, until there is a newer scan or it is removed.
    pub(super) fn of(statement: &Statement, now: OffsetDateTime) -> Option<Self> {
        if !is_scan(&statement.predicate_type) {
            return None;
        }
        let has_come = |at: &OffsetDateTime| *at - now <= AHEAD;
        let mut found = match scan::Scan::read(statement) {
            Ok(read) if has_come(&read.finished) => {
                let mut found = Self::at(read.finished);
                for finding in &read.findings {
                    found.count(finding.severity);
                }
                return Some(found);
            }
            Ok(_) => Self::at(now),
            Err(_) => Self::at(Head::read(statement).finished.filter(has_come).unwrap_or(now)),
        };
        found.count(Severity::Unknown);
        Some(found)
    }

    const fn at(ended_at: OffsetDateTime) -> Self {
        Self { ended_at, critical: 0, high: 0, medium: 0, low: 0, unrated: 0 }
    }

    const fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low | Severity::None => self.low += 1,
            Severity::Unknown => self.unrated += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::supply_chain::statement::Subject;
    use serde_json::{Value, json};
    use time::macros::datetime;

    const V01: &str = "https://in-toto.io/attestation/vulns/v0.1";
    const V02: &str = "https://in-toto.io/attestation/vulns/v0.2";
    const COSIGN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
    const NOW: OffsetDateTime = datetime!(2026-06-02 00:00 UTC);

    fn scan(kind: &str, result: &Value) -> Option<Scan> {
        let metadata = json!({"scanStartedOn": "2026-06-01T00:00:00Z", "scanFinishedOn": "2026-06-01T01:00:00Z"});
        of(kind, &json!({"scanner": {"uri": "s", "result": result}, "metadata": metadata}))
    }

    fn of(kind: &str, predicate: &Value) -> Option<Scan> {
        let statement = Statement::new(vec![Subject::new("a", &Digest::of(b"a"))], kind, predicate).unwrap();
        Scan::of(&statement, NOW)
    }

    fn counts(scan: &Scan) -> [u64; 5] {
        [scan.critical, scan.high, scan.medium, scan.low, scan.unrated]
    }

    #[test]
    fn findings_are_counted_in_either_version_of_in_toto() {
        let rated = |method: &str, score: &str| json!([{"method": method, "score": score}]);
        let severities = [
            rated("nvd", "critical"),
            rated("cvss", "7.5"),
            json!({"method": "vendor", "score": "medium"}),
            rated("vendor", "low"),
            rated("vendor", "negligible"),
            rated("epss", "0.93"),
        ];
        let two: Vec<Value> =
            severities.iter().enumerate().map(|(at, one)| json!({"id": at.to_string(), "severity": one})).collect();
        let one: Vec<Value> = two.iter().map(|found| json!({"vulnerability": found})).collect();
        for (kind, result) in [(V02, two), (V01, one)] {
            let found = scan(kind, &json!(result)).unwrap();
            assert_eq!(counts(&found), [1, 1, 1, 2, 1], "{kind}: what EPSS says is no severity");
            assert_eq!(found.ended_at, datetime!(2026-06-01 01:00 UTC));
        }
    }

    #[test]
    fn reports_of_scanners_are_counted_and_a_clean_one_is_a_scan() {
        let trivy = json!({"SchemaVersion": 2, "Results": [
            {"Target": "a", "Vulnerabilities": [
                {"VulnerabilityID": "1", "Severity": "CRITICAL"}, {"VulnerabilityID": "2", "Severity": "UNKNOWN"}]},
            {"Target": "b", "Vulnerabilities": null},
            {"Target": "c"},
        ]});
        assert_eq!(counts(&scan(COSIGN, &trivy).unwrap()), [1, 0, 0, 0, 1]);
        assert_eq!(counts(&scan(COSIGN, &json!({"SchemaVersion": 2})).unwrap()), [0; 5]);
        let grype = json!({"descriptor": {"name": "grype"}, "matches": [
            {"vulnerability": {"id": "1", "severity": "High"}, "artifact": {"name": "a"}},
            {"vulnerability": {"id": "2", "severity": "Negligible"}, "artifact": {"name": "b"}},
        ]});
        assert_eq!(counts(&scan(COSIGN, &grype).unwrap()), [0, 1, 0, 1, 0]);
        assert_eq!(counts(&scan(V02, &json!([])).unwrap()), [0; 5]);
        assert_eq!(scan("https://example.com/other", &json!([])), None);
    }

    #[test]
    fn a_scan_that_cannot_be_read_is_as_good_as_a_vulnerability_that_nobody_has_rated() {
        for result in [json!({}), json!("text"), json!({"Results": [], "matches": []}), json!([1])] {
            let found = scan(V02, &result).unwrap();
            assert_eq!(counts(&found), [0, 0, 0, 0, 1], "{result}");
            assert_eq!(found.ended_at, datetime!(2026-06-01 01:00 UTC), "it counts as of the time that it says");
        }
        for predicate in [json!({}), json!("text"), json!({"scanner": {"result": []}, "metadata": {}})] {
            let found = of(V02, &predicate).unwrap();
            assert_eq!((counts(&found), found.ended_at), ([0, 0, 0, 0, 1], NOW), "{predicate}");
        }
    }

    #[test]
    fn a_scan_that_has_yet_to_end_is_not_believed_but_for_clocks_that_go_ahead() {
        let ended = |at: &str, result: Value| {
            let metadata = json!({"scanStartedOn": "2026-06-01T00:00:00Z", "scanFinishedOn": at});
            let found = of(V02, &json!({"scanner": {"uri": "s", "result": result}, "metadata": metadata})).unwrap();
            (found.unrated, found.ended_at)
        };
        assert_eq!(ended("2026-06-02T00:05:00Z", json!([])), (0, datetime!(2026-06-02 00:05 UTC)));
        assert_eq!(ended("2026-06-02T00:05:01Z", json!([])), (1, NOW));
        assert_eq!(ended("9999-12-31T23:59:59Z", json!([])), (1, NOW));
        assert_eq!(ended("9999-12-31T23:59:59Z", json!({})), (1, NOW), "nor where it cannot be read");
    }
}
