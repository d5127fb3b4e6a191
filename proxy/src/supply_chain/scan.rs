//! What a scanner has found: in-toto's `vulns` v0.1 and v0.2, and cosign's `vuln/v1`, around findings or a report of trivy or grype.
//!
//! Rules of verification policies and the facts that the gate asks for read scans here and nowhere else, so that both see the same.
//! What does not live here: which scan counts, and what it is held against (`rules/vulnerabilities`, `facts/judge.rs`).

mod severity;
#[cfg(test)]
pub(in crate::supply_chain) mod tests;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub(in crate::supply_chain) use severity::Severity;

use super::sbom::Purl;
use super::statement::Statement;

const COSIGN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const IN_TOTO: [&str; 2] = ["https://in-toto.io/attestation/vulns/v0.2", "https://in-toto.io/attestation/vulns/v0.1"];

/// What a scanner has found.
#[derive(Debug)]
pub(in crate::supply_chain) struct Scan {
    /// When it was done.
    pub(in crate::supply_chain) finished: OffsetDateTime,
    /// Of when what it knew is.
    pub(in crate::supply_chain) data_of: Option<OffsetDateTime>,
    pub(in crate::supply_chain) findings: Vec<Finding>,
}

/// What can be told of a scan without its result, which may be long, or broken.
#[derive(Debug, Default)]
pub(in crate::supply_chain) struct Head {
    /// Which scanner it was, a URI, where it says so.
    pub(in crate::supply_chain) scanner: Option<String>,
    /// When it was done, where it says so: the later of its times.
    pub(in crate::supply_chain) finished: Option<OffsetDateTime>,
}

/// Why a scan cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::supply_chain) enum Unreadable {
    /// It has not the form of its type.
    #[error("it cannot be read as {kind}: {error}")]
    Malformed {
        /// The type of the predicate.
        kind: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// Its result is of no form that is read here.
    #[error("its result is a report of neither trivy nor grype")]
    Report,
    /// Its times contradict each other.
    #[error("the scan ended before it began")]
    EndsBeforeItBegins,
    /// It has no time.
    #[error("it does not say when the scan was done")]
    Timeless,
}

impl Unreadable {
    /// Whether it is about the times of the scan, and not about its form.
    pub(in crate::supply_chain) const fn is_about_time(&self) -> bool {
        matches!(self, Self::EndsBeforeItBegins | Self::Timeless)
    }
}

/// A vulnerability of a package.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::supply_chain) struct Finding {
    /// Its identifier.
    pub(in crate::supply_chain) id: String,
    /// Other identifiers.
    aliases: Vec<String>,
    pub(in crate::supply_chain) severity: Severity,
    /// The package as the scanner writes it; empty where it does not say.
    pub(in crate::supply_chain) package_name: String,
    /// The package, where it has a package URL that can be read.
    pub(in crate::supply_chain) package: Option<Purl>,
}

/// Whether a predicate is a scan that is read here.
pub(in crate::supply_chain) fn is_scan(kind: &str) -> bool {
    kind == COSIGN || IN_TOTO.contains(&kind)
}

#[derive(Deserialize)]
struct Predicate {
    scanner: Scanner,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Scanner {
    #[serde(default)]
    db: Option<Database>,
    result: Box<RawValue>,
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
    score: Score,
}

/// The specification has a text; there are scanners that write a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Score {
    Text(String),
    Number(f64),
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
    ///
    /// # Errors
    /// [`Unreadable`] says why it cannot be.
    pub(in crate::supply_chain) fn read(statement: &Statement) -> Result<Self, Unreadable> {
        let kind = statement.predicate_type.as_str();
        let malformed = |error: serde_json::Error| Unreadable::Malformed { kind: kind.to_owned(), error };
        let Predicate { scanner, metadata } = serde_json::from_str(statement.predicate.get()).map_err(malformed)?;
        let result = scanner.result.get();
        // A list is no report, though serde would take one for the fields of a struct.
        let is_list = result.trim_start().starts_with('[');
        let findings = if is_list && kind == COSIGN {
            return Err(Unreadable::Report);
        } else if is_list {
            let results: Vec<InTotoResult> = serde_json::from_str(result).map_err(malformed)?;
            results.into_iter().map(Finding::from).collect()
        } else {
            let report: Report = serde_json::from_str(result).map_err(|_| Unreadable::Report)?;
            report.into_findings()
        };
        Ok(Self { finished: metadata.finished()?, data_of: scanner.db.and_then(|db| db.last_update), findings })
    }
}

impl Head {
    /// Reads what can be told of a statement that [`is_scan`].
    pub(in crate::supply_chain) fn read(statement: &Statement) -> Self {
        let Ok(HeadPredicate { scanner, metadata }) = serde_json::from_str(statement.predicate.get()) else {
            return Self::default();
        };
        let finished = metadata.and_then(|metadata| metadata.scan_started_on.max(metadata.scan_finished_on));
        Self { scanner: scanner.map(|scanner| scanner.uri), finished }
    }
}

impl Metadata {
    fn finished(&self) -> Result<OffsetDateTime, Unreadable> {
        if let (Some(started), Some(finished)) = (self.scan_started_on, self.scan_finished_on)
            && started > finished
        {
            return Err(Unreadable::EndsBeforeItBegins);
        }
        self.scan_finished_on.or(self.scan_started_on).ok_or(Unreadable::Timeless)
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

impl InTotoSeverity {
    fn severity(&self) -> Severity {
        match &self.score {
            Score::Text(text) => Severity::of_score(&self.method, text),
            Score::Number(number) => Severity::of_number(&self.method, *number),
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
        let severity = Severity::of_all(said.iter().map(InTotoSeverity::severity));
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
    pub(in crate::supply_chain) fn is_called(&self, id: &str) -> bool {
        self.names().any(|name| name.eq_ignore_ascii_case(id))
    }

    /// Every identifier that it goes by.
    pub(in crate::supply_chain) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}
