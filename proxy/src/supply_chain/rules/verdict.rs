//! [`Verdict`]: whether an artifact passes a policy, rule by rule, by which evidence or why not.

use serde::Serialize;
use time::OffsetDateTime;

use crate::digest::Digest;

/// Reasons that are given for a rule; the others are counted.
const REASONS: usize = 32;

/// What came of holding evidence against a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether every rule is met.
    pub passed: bool,
    /// What came of each rule, in the order of the policy.
    pub rules: Vec<RuleVerdict>,
    /// The SLSA levels that the rules about provenance show (SLSA 1.2, "Verification Summary Attestation", `verifiedLevels`).
    pub levels: Vec<String>,
    /// The earliest moment at which time alone may change the verdict; unset: time does not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_until: Option<OffsetDateTime>,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleVerdict {
    /// The rule's name in the policy.
    pub name: String,
    /// What it is about: `signatures`, `provenance`, ...
    pub kind: &'static str,
    /// Whether it is met.
    pub passed: bool,
    /// The evidence that meets it; empty where it is not met.
    pub evidence: Vec<Used>,
    /// Why it is not met, or which evidence did not help.
    pub reasons: Vec<Reason>,
    /// How many reasons there are besides.
    pub more_reasons: usize,
}

/// Evidence that a rule is met by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Used {
    /// Its digest.
    #[serde(serialize_with = "text")]
    pub digest: Digest,
    /// Who has signed it; unset: nobody, and the rule takes it all the same.
    pub signer: Option<String>,
}

/// Why something does not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    /// The kind of reason, for programs.
    pub code: Why,
    /// The reason, for people.
    pub text: String,
    /// The digest of the evidence that it is about; unset: it is about all that there is.
    #[serde(serialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
}

/// Kinds of reasons. New ones may come; none is given another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The policy is not for artifacts of this name.
    Scope,
    /// There is no evidence of the kind.
    NoEvidence,
    /// There is, by fewer signers than wanted.
    TooFewSigners,
    /// A signer whom the rule does not name.
    OtherSigner,
    /// A signer whom the rule names, and whom nobody trusts here.
    UnknownSigner,
    /// What is signed cannot be read as what it says it is.
    Malformed,
    /// It is older than the rule allows.
    Stale,
    /// It is from the future, or ends before it begins.
    Time,
    /// A builder that the rule does not name with this signer.
    Builder,
    /// A lower level than wanted.
    Level,
    /// Another type of build.
    BuildType,
    /// Another source, or none that can be told.
    Source,
    /// Other parameters of the build.
    Parameters,
    /// Tests that have not passed.
    TestResult,
    /// Tests with another configuration.
    Configuration,
    /// A bill of materials that breaks its specification.
    Invalid,
    /// A bill of materials in another format.
    Format,
    /// A bill of materials with too few components.
    Incomplete,
    /// A document that does not speak of the artifact.
    NotDescribed,
    /// Licences that may not be.
    Licence,
    /// Vulnerabilities that may not be.
    Vulnerability,
    /// A scan with another scanner.
    Scanner,
    /// A scan with vulnerability data that is too old, or of which nobody says how old it is.
    Database,
    /// A step of a layout that nobody has shown.
    Step,
    /// A step whose materials are not the products of those before it.
    Chain,
    /// A value in a statement that is not one of those wanted.
    Field,
    /// There is a newer one.
    Superseded,
    /// Not all was looked at, and what was not may be the newest.
    LeftOut,
}

impl Why {
    /// The kind of reason as programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::NoEvidence => "no_evidence",
            Self::TooFewSigners => "too_few_signers",
            Self::OtherSigner => "other_signer",
            Self::UnknownSigner => "unknown_signer",
            Self::Malformed => "malformed",
            Self::Stale => "stale",
            Self::Time => "time",
            Self::Builder => "builder",
            Self::Level => "level",
            Self::BuildType => "build_type",
            Self::Source => "source",
            Self::Parameters => "parameters",
            Self::TestResult => "test_result",
            Self::Configuration => "configuration",
            Self::Invalid => "invalid",
            Self::Format => "format",
            Self::Incomplete => "incomplete",
            Self::NotDescribed => "not_described",
            Self::Licence => "licence",
            Self::Vulnerability => "vulnerability",
            Self::Scanner => "scanner",
            Self::Database => "database",
            Self::Step => "step",
            Self::Chain => "chain",
            Self::Field => "field",
            Self::Superseded => "superseded",
            Self::LeftOut => "left_out",
        }
    }
}

impl Reason {
    /// Why the rule is not met by all that there is.
    pub(super) fn of_all(code: Why, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), evidence: None }
    }
}

/// What a rule has found, before it has the rule's name.
#[derive(Debug, Default)]
pub(super) struct Findings {
    used: Vec<Used>,
    reasons: Vec<Reason>,
    level: Option<u8>,
}

impl Findings {
    /// Evidence that the rule is met by.
    pub(super) fn use_it(&mut self, used: Used) {
        self.used.push(used);
    }

    /// Why something does not count.
    pub(super) fn refuse(&mut self, reason: Reason) {
        self.reasons.push(reason);
    }

    /// The SLSA build level that is shown.
    pub(super) fn show_level(&mut self, level: u8) {
        self.level = self.level.max(Some(level));
    }

    /// How many refusals there are.
    pub(super) fn refusals(&self) -> usize {
        self.reasons.len()
    }

    /// What came of the rule, in an order that is not that of the evidence; and the level that it shows.
    pub(super) fn into_verdict(self, name: &str, kind: &'static str, passed: bool) -> (RuleVerdict, Option<u8>) {
        let (mut evidence, mut reasons) = (if passed { self.used } else { Vec::new() }, self.reasons);
        for reason in &mut reasons {
            reason.text = one_line(&reason.text);
        }
        evidence.sort_unstable();
        evidence.dedup();
        reasons.sort_unstable();
        reasons.dedup();
        let more_reasons = reasons.len().saturating_sub(REASONS);
        reasons.truncate(REASONS);
        let verdict = RuleVerdict { name: name.to_owned(), kind, passed, evidence, reasons, more_reasons };
        (verdict, self.level.filter(|_| passed))
    }
}

/// A text that may quote a document, as one line of bounded length.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    crate::supply_chain::malformed::cut(line)
}

fn text<S: serde::Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn maybe_text<S: serde::Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => serializer.collect_str(digest),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(at: usize) -> Reason {
        Reason { code: Why::OtherSigner, text: format!("reason {at:03}"), evidence: Some(Digest::of(b"x")) }
    }

    #[test]
    fn reasons_are_in_one_order_each_once_and_those_above_the_limit_are_counted() {
        let mut findings = Findings::default();
        for at in (0..REASONS + 5).rev().chain(0..5) {
            findings.refuse(reason(at));
        }
        let (verdict, _) = findings.into_verdict("signed", "signatures", false);
        assert_eq!((verdict.reasons.len(), verdict.more_reasons), (REASONS, 5));
        assert_eq!(verdict.reasons[0], reason(0));
    }

    #[test]
    fn a_rule_that_is_not_met_names_no_evidence_and_shows_no_level() {
        let mut findings = Findings::default();
        findings.use_it(Used { digest: Digest::of(b"x"), signer: None });
        findings.show_level(3);
        let (verdict, level) = findings.into_verdict("built", "provenance", false);
        assert_eq!((verdict.evidence, level), (Vec::new(), None));
    }

    #[test]
    fn codes_are_written_as_they_are_named() {
        for why in
            [Why::NoEvidence, Why::TooFewSigners, Why::BuildType, Why::TestResult, Why::NotDescribed, Why::LeftOut]
        {
            assert_eq!(serde_json::to_value(why).unwrap(), why.as_str());
        }
    }

    #[test]
    fn what_a_document_says_does_not_break_the_line() {
        let mut findings = Findings::default();
        findings.refuse(Reason::of_all(Why::Malformed, format!("a\nb{}", "c".repeat(500))));
        let (verdict, _) = findings.into_verdict("r", "sbom", false);
        let text = &verdict.reasons[0].text;
        assert!(text.starts_with("a bc") && text.chars().count() < 300, "{text}");
    }
}
