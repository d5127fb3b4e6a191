//! What a scanner has found (in-toto attestation, "Vulnerabilities" 0.2; cosign's own form).

use serde::Deserialize;
use serde_json::Value;

use super::common::{Instant, in_order, text, uri};
use super::{Predicate, WrongPredicate};

/// As in-toto has it.
#[derive(Debug, Deserialize)]
pub(super) struct InToto {
    scanner: Scanner,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Scanner {
    uri: String,
    #[serde(rename = "db")]
    _db: Database,
    result: Vec<Found>,
}

/// How old what the scanner knew is: without it nobody can tell what "nothing found" means.
#[derive(Debug, Deserialize)]
struct Database {
    #[serde(rename = "lastUpdate")]
    _last_update: Instant,
}

#[derive(Debug, Deserialize)]
struct Found {
    id: String,
    severity: Vec<Severity>,
}

#[derive(Debug, Deserialize)]
struct Severity {
    method: String,
    score: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    scan_started_on: Instant,
    scan_finished_on: Instant,
}

impl Predicate for InToto {
    fn check(&self) -> Result<(), WrongPredicate> {
        uri("scanner.uri", &self.scanner.uri)?;
        for (at, found) in self.scanner.result.iter().enumerate() {
            text(&format!("scanner.result[{at}].id"), &found.id)?;
            for (number, severity) in found.severity.iter().enumerate() {
                text(&format!("scanner.result[{at}].severity[{number}].method"), &severity.method)?;
                text(&format!("scanner.result[{at}].severity[{number}].score"), &severity.score)?;
            }
        }
        let (begin, end) = (self.metadata.scan_started_on, self.metadata.scan_finished_on);
        in_order("metadata.scanFinishedOn", Some(begin), Some(end))
    }
}

/// As cosign has it: what the scanner writes is its own.
#[derive(Debug, Deserialize)]
pub(super) struct Cosign {
    scanner: CosignScanner,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct CosignScanner {
    uri: String,
    #[serde(rename = "result")]
    _result: Value,
}

impl Predicate for Cosign {
    fn check(&self) -> Result<(), WrongPredicate> {
        uri("scanner.uri", &self.scanner.uri)?;
        let (begin, end) = (self.metadata.scan_started_on, self.metadata.scan_finished_on);
        in_order("metadata.scanFinishedOn", Some(begin), Some(end))
    }
}
