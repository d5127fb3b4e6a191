//! What a scanner has found: in-toto's `vulns` v0.1 and v0.2, and cosign's `vuln/v1` around a report of trivy or grype.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::severity::Severity;
use crate::supply_chain::rules::evidence::Attested;
use crate::supply_chain::rules::verdict::{Reason, Why};
use crate::supply_chain::sbom::Purl;

const COSIGN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const IN_TOTO: [&str; 2] = ["https://in-toto.io/attestation/vulns/v0.2", "https://in-toto.io/attestation/vulns/v0.1"];

/// What a scanner has found.
#[derive(Debug)]
pub(super) struct Scan {
    /// When it was done.
    pub(super) finished: OffsetDateTime,
    /// Of when what it knew is.
    pub(super) data_of: Option<OffsetDateTime>,
    pub(super) findings: Vec<Finding>,
}

/// What can be told of a scan without its result, which may be long, or broken.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Which scanner it was, a URI, where it says so.
    pub(super) scanner: Option<String>,
    /// When it was done, where it says so: the later of its times.
    pub(super) finished: Option<OffsetDateTime>,
}

/// A vulnerability of a package.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Its identifier.
    pub(super) id: String,
    /// Other identifiers.
    aliases: Vec<String>,
    pub(super) severity: Severity,
    /// The package as the scanner writes it; empty where it does not say.
    pub(super) package_name: String,
    /// The package, where it has a package URL that can be read.
    pub(super) package: Option<Purl>,
}

/// Whether a predicate is a scan that is read here.
pub(super) fn is_scan(kind: &str) -> bool {
    kind == COSIGN || IN_TOTO.contains(&kind)
}

#[derive(Deserialize)]
struct Predicate<R> {
    scanner: Scanner<R>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Scanner<R> {
    #[serde(default)]
    db: Option<Database>,
    result: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Database {
    #[serde(default, with = "time::serde::rfc3339::option")]
    last_update: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, with = "time::serde::rfc3339::option")]
    scan_started_on: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    scan_finished_on: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct HeadPredicate {
    scanner: Option<HeadScanner>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct HeadScanner {
    #[serde(default)]
    uri: String,
}

/// One result of `vulns`; v0.1 has it in an object of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum InTotoResult {
    V01 { vulnerability: InTotoVulnerability },
    V02(InTotoVulnerability),
}

#[derive(Deserialize)]
struct InTotoVulnerability {
    id: String,
    severity: InTotoSeverities,
    #[serde(default)]
    annotations: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum InTotoSeverities {
    Many(Vec<InTotoSeverity>),
    One(InTotoSeverity),
}

#[derive(Deserialize)]
struct InTotoSeverity {
    #[serde(default)]
    method: String,
    score: String,
}

/// The reports of trivy (`--format json`, `--format cosign-vuln`) and grype (`-o json`).
#[derive(Deserialize)]
#[serde(untagged)]
enum Report {
    Trivy(Trivy),
    Grype(Grype),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trivy {
    #[expect(dead_code, reason = "what tells a report that found nothing from something else")]
    schema_version: u64,
    #[serde(default)]
    results: Option<Vec<TrivyResult>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrivyResult {
    #[serde(default)]
    vulnerabilities: Option<Vec<TrivyVulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrivyVulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(default)]
    pkg_name: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    pkg_identifier: Option<TrivyIdentifier>,
}

#[derive(Deserialize)]
struct TrivyIdentifier {
    #[serde(rename = "PURL", default)]
    purl: Option<String>,
}

#[derive(Deserialize)]
struct Grype {
    matches: Vec<GrypeMatch>,
    #[expect(dead_code, reason = "what tells a report from something else")]
    descriptor: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrypeMatch {
    vulnerability: GrypeVulnerability,
    #[serde(default)]
    related_vulnerabilities: Vec<GrypeRelated>,
    artifact: GrypeArtifact,
}

#[derive(Deserialize)]
struct GrypeVulnerability {
    id: String,
    #[serde(default)]
    severity: String,
}

#[derive(Deserialize)]
struct GrypeRelated {
    id: String,
}

#[derive(Deserialize)]
struct GrypeArtifact {
    #[serde(default)]
    name: String,
    #[serde(default)]
    purl: String,
}

impl Scan {
    /// Reads the predicate of a statement that [`is_scan`].
    pub(super) fn read(attested: &Attested<'_>) -> Result<Self, Reason> {
        if attested.statement.predicate_type != COSIGN {
            let predicate: Predicate<Vec<InTotoResult>> = attested.predicate()?;
            return predicate.into_scan(attested, |results| results.into_iter().map(Finding::from).collect());
        }
        let predicate: Predicate<Box<RawValue>> = attested.predicate()?;
        let report: Report = serde_json::from_str(predicate.scanner.result.get())
            .map_err(|_| attested.by.reason(Why::Malformed, "its result is a report of neither trivy nor grype"))?;
        predicate.into_scan(attested, |_| report.into_findings())
    }
}

impl Head {
    /// Reads what can be told of a statement that [`is_scan`].
    pub(super) fn read(attested: &Attested<'_>) -> Self {
        let Ok(HeadPredicate { scanner, metadata }) = attested.predicate() else { return Self::default() };
        let finished = metadata.and_then(|metadata| metadata.scan_started_on.max(metadata.scan_finished_on));
        Self { scanner: scanner.map(|scanner| scanner.uri), finished }
    }
}

impl<R> Predicate<R> {
    fn into_scan(self, attested: &Attested<'_>, findings: impl FnOnce(R) -> Vec<Finding>) -> Result<Scan, Reason> {
        let Metadata { scan_started_on: started, scan_finished_on: finished } = self.metadata;
        if let (Some(started), Some(finished)) = (started, finished)
            && started > finished
        {
            return Err(attested.by.reason(Why::Time, "the scan ended before it began"));
        }
        let finished = finished.or(started);
        let finished =
            finished.ok_or_else(|| attested.by.reason(Why::Time, "it does not say when the scan was done"))?;
        let data_of = self.scanner.db.and_then(|db| db.last_update);
        Ok(Scan { finished, data_of, findings: findings(self.scanner.result) })
    }
}

impl Report {
    fn into_findings(self) -> Vec<Finding> {
        match self {
            Self::Trivy(report) => {
                let results = report.results.into_iter().flatten();
                let all = results.flat_map(|result| result.vulnerabilities.into_iter().flatten());
                all.map(|found| {
                    let purl = found.pkg_identifier.and_then(|identifier| identifier.purl).unwrap_or_default();
                    Finding::new(found.id, Vec::new(), Severity::of_word(&found.severity), found.pkg_name, &purl)
                })
                .collect()
            }
            Self::Grype(report) => {
                let all = report.matches.into_iter();
                all.map(|found| {
                    let aliases = found.related_vulnerabilities.into_iter().map(|related| related.id).collect();
                    let severity = Severity::of_word(&found.vulnerability.severity);
                    let GrypeArtifact { name, purl } = found.artifact;
                    Finding::new(found.vulnerability.id, aliases, severity, name, &purl)
                })
                .collect()
            }
        }
    }
}

impl From<InTotoResult> for Finding {
    fn from(result: InTotoResult) -> Self {
        let (InTotoResult::V01 { vulnerability: found } | InTotoResult::V02(found)) = result;
        let said = match found.severity {
            InTotoSeverities::Many(said) => said,
            InTotoSeverities::One(said) => vec![said],
        };
        let severity = Severity::of_all(said.iter().map(|said| Severity::of_score(&said.method, &said.score)));
        // The format has no field for the package; scanners may add it.
        let purl = found.annotations.as_ref().and_then(annotated).unwrap_or_default();
        Self::new(found.id, Vec::new(), severity, String::new(), purl)
    }
}

/// The package URL that an annotation tells.
fn annotated(annotations: &Value) -> Option<&str> {
    match annotations {
        Value::Array(each) => each.iter().find_map(|value| value.get("purl")?.as_str()),
        value => value.get("purl")?.as_str(),
    }
}

impl Finding {
    fn new(id: String, aliases: Vec<String>, severity: Severity, name: String, purl: &str) -> Self {
        let package_name = if purl.is_empty() { name } else { purl.to_owned() };
        Self { id, aliases, severity, package_name, package: purl.parse().ok() }
    }

    /// Whether it goes by this identifier.
    pub(super) fn is_called(&self, id: &str) -> bool {
        self.names().any(|name| name.eq_ignore_ascii_case(id))
    }

    /// Every identifier that it goes by.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A finding of high severity.
    pub(in super::super) fn finding(id: &str, aliases: &[&str], purl: &str) -> Finding {
        let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
        Finding::new(id.to_owned(), aliases, Severity::High, String::new(), purl)
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
        for nothing in [json!({}), json!([]), json!(null), json!("clean"), json!({"matches": []}), json!({"runs": []})]
        {
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
}
