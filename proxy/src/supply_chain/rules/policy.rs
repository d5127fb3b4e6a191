//! [`VerificationPolicy`]: the document, read strictly. What its rules mean, their own files say.

use std::fmt;

use serde::Deserialize;
use serde_json::json;

use super::attestation::Attestation;
use super::bill::Bill;
use super::layout::Layout;
use super::provenance::ProvenanceRule;
use super::scope::Scope;
use super::signatures::Signatures;
use super::tests_passed::TestsPassed;
use super::vulnerabilities::Vulnerabilities;
use super::words::Several;
use crate::digest::Digest;
use crate::error::{Code, Error};

/// Bytes of a document.
pub const DOCUMENT_BYTES: usize = 128 << 10;

/// Bytes of a rule's name.
const NAME_BYTES: usize = 64;

/// What must be shown of an artifact before it passes.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationPolicy {
    digest: Digest,
    scope: Scope,
    rules: Vec<Rule>,
}

/// One thing that must be shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) requirement: Requirement,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Requirement {
    Signatures(Signatures),
    Provenance(Box<ProvenanceRule>),
    Tests(TestsPassed),
    Sbom(Box<Bill>),
    Vulnerabilities(Box<Vulnerabilities>),
    Layout(Layout),
    Attestation(Attestation),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    scope: Scope,
    rules: Several<RuleDocument>,
}

/// One field a kind, so that everything within has a place of its own in errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDocument {
    name: String,
    signatures: Option<Signatures>,
    provenance: Option<Box<ProvenanceRule>>,
    tests: Option<TestsPassed>,
    sbom: Option<Box<Bill>>,
    vulnerabilities: Option<Box<Vulnerabilities>>,
    layout: Option<Layout>,
    attestation: Option<Attestation>,
}

/// Why a document is no policy, with the place. The text is for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Where, as `rules[1].signatures.threshold`; empty: the document.
    pub field: String,
    /// Line and column, both from 1, where they are known.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub text: String,
}

impl VerificationPolicy {
    /// Reads a document.
    /// # Errors
    /// [`PolicyError`] names what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > DOCUMENT_BYTES {
            return Err(PolicyError::at("", format!("a policy has at most {DOCUMENT_BYTES} bytes")));
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let document: Document = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| PolicyError::of_json(&error.path().to_string(), error.inner()))?;
        json.end().map_err(|error| PolicyError::of_json(".", &error))?;
        let mut rules: Vec<Rule> = Vec::new();
        for (index, rule) in document.rules.into_vec().into_iter().enumerate() {
            let at = format!("rules[{index}]");
            let rule = rule.read(&at)?;
            if rules.iter().any(|other| other.name == rule.name) {
                return Err(PolicyError::at(format!("{at}.name"), "another rule has this name"));
            }
            rules.push(rule);
        }
        Ok(Self { digest: Digest::of(text.as_bytes()), scope: document.scope, rules })
    }

    /// The policy that enough of these signers have signed, for whatever artifact.
    /// # Errors
    /// [`PolicyError`] names `signers` or `threshold`.
    pub fn signed_by(signers: &[String], threshold: usize) -> Result<Self, PolicyError> {
        let rule = json!({"name": "signed", "signatures": {"signers": signers, "threshold": threshold}});
        let document = json!({"scope": ["s3://*", "oci://*"], "rules": [rule]});
        Self::parse(&document.to_string()).map_err(|error| {
            let field = error.field.strip_prefix("rules[0].signatures.").unwrap_or("signers").to_owned();
            PolicyError { field, position: None, text: error.text }
        })
    }

    /// The digest of its text: verdicts are about this very policy.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it is for artifacts of this name: `s3://bucket/key` or `oci://repository`.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.scope.covers(name)
    }

    /// Whether a rule takes bills of materials that nobody has signed: their bytes are evidence then.
    #[must_use]
    pub fn takes_unsigned(&self) -> bool {
        self.rules.iter().any(|rule| matches!(&rule.requirement, Requirement::Sbom(bill) if bill.takes_unsigned()))
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl RuleDocument {
    fn read(self, at: &str) -> Result<Rule, PolicyError> {
        let is_middle = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=NAME_BYTES).contains(&self.name.len()) || !self.name.bytes().all(is_middle) {
            let text = format!("a name has 1 to {NAME_BYTES} letters, digits, dots, dashes and underscores");
            return Err(PolicyError::at(format!("{at}.name"), text));
        }
        let kinds = [
            self.signatures.map(Requirement::Signatures),
            self.provenance.map(Requirement::Provenance),
            self.tests.map(Requirement::Tests),
            self.sbom.map(Requirement::Sbom),
            self.vulnerabilities.map(Requirement::Vulnerabilities),
            self.layout.map(Requirement::Layout),
            self.attestation.map(Requirement::Attestation),
        ];
        let mut given = kinds.into_iter().flatten();
        let (Some(requirement), None) = (given.next(), given.next()) else {
            let text = "a rule has one of signatures, provenance, tests, sbom, vulnerabilities, layout, attestation";
            return Err(PolicyError::at(at, text));
        };
        requirement.check(&format!("{at}.{}", requirement.kind()))?;
        Ok(Rule { name: self.name, requirement })
    }
}

impl Requirement {
    /// Its name in documents and verdicts.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Signatures(_) => "signatures",
            Self::Provenance(_) => "provenance",
            Self::Tests(_) => "tests",
            Self::Sbom(_) => "sbom",
            Self::Vulnerabilities(_) => "vulnerabilities",
            Self::Layout(_) => "layout",
            Self::Attestation(_) => "attestation",
        }
    }

    /// What the grammar alone does not say.
    fn check(&self, at: &str) -> Result<(), PolicyError> {
        match self {
            Self::Signatures(rule) => rule.check(at),
            Self::Provenance(rule) => rule.check(at),
            Self::Tests(rule) => rule.check(at),
            Self::Sbom(rule) => rule.check(at),
            Self::Vulnerabilities(rule) => rule.check(at),
            Self::Layout(rule) => rule.check(at),
            Self::Attestation(rule) => rule.check(at),
        }
    }
}

impl PolicyError {
    pub(super) fn at(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: field.into(), position: None, text: text.into() }
    }

    pub(super) fn of_json(path: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let text = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
        // The path of a field that is missing is that of what it is missing in.
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (path, missing) {
            (".", None) => String::new(),
            (".", Some(name)) => name.to_owned(),
            (path, None) => path.to_owned(),
            (path, Some(name)) => format!("{path}.{name}"),
        };
        Self { field, position: Some((line, column)), text }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.text)?;
        match self.position {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PolicyError {}

/// Within a request the document is its field `document`.
impl From<PolicyError> for Error {
    fn from(error: PolicyError) -> Self {
        let field = if error.field.is_empty() { "document".to_owned() } else { format!("document.{}", error.field) };
        let refusal = Self::new(Code::MalformedPolicy, error.to_string()).with("field", field);
        match error.position {
            Some((line, column)) => refusal.with("line", line).with("column", column),
            None => refusal,
        }
    }
}
