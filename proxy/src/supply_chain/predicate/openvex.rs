//! What vulnerabilities mean to an artifact (OpenVEX 0.2.0, "Specification").

use serde::Deserialize;
use serde_json::Value;

use super::common::{Instant, text};
use super::{Predicate, WrongPredicate, wrong};

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "@context")]
    context: String,
    #[serde(rename = "@id")]
    id: String,
    author: String,
    #[serde(rename = "timestamp")]
    _timestamp: Instant,
    version: u64,
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
struct Statement {
    vulnerability: Value,
    status: Status,
    justification: Option<Justification>,
    impact_statement: Option<String>,
    action_statement: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    NotAffected,
    Affected,
    Fixed,
    UnderInvestigation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Justification {
    ComponentNotPresent,
    VulnerableCodeNotPresent,
    VulnerableCodeNotInExecutePath,
    VulnerableCodeCannotBeControlledByAdversary,
    InlineMitigationsAlreadyExist,
}

impl Predicate for Document {
    fn check(&self) -> Result<(), WrongPredicate> {
        if !self.context.starts_with(super::OPENVEX) {
            return Err(wrong("@context", "it is none of OpenVEX"));
        }
        text("@id", &self.id)?;
        text("author", &self.author)?;
        if self.version == 0 {
            return Err(wrong("version", "it begins with 1"));
        }
        if self.statements.is_empty() {
            return Err(wrong("statements", "there is none"));
        }
        self.statements.iter().enumerate().try_for_each(|(at, statement)| statement.check(&format!("statements[{at}]")))
    }
}

impl Statement {
    fn check(&self, place: &str) -> Result<(), WrongPredicate> {
        // Version 0.0 has the name itself where later ones have an object with it.
        let name = self.vulnerability.as_str().or_else(|| self.vulnerability.get("name").and_then(Value::as_str));
        text(&format!("{place}.vulnerability.name"), name.unwrap_or_default())?;
        match self.status {
            Status::NotAffected if self.justification.is_none() && self.impact_statement.is_none() => {
                Err(wrong(format!("{place}.justification"), "not_affected wants one, or an impact_statement"))
            }
            Status::Affected if self.action_statement.is_none() => {
                Err(wrong(format!("{place}.action_statement"), "affected wants one"))
            }
            _ => Ok(()),
        }
    }
}
