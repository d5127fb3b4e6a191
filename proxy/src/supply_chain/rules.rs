//! Verification policies: what must be shown of an artifact before it passes, and whether it is.
//!
//! [`VerificationPolicy`] is a document of rules, read strictly; [`evaluate`] holds evidence against it and gives a [`Verdict`]. It is a
//! pure function: no I/O, no clock, and the order of the evidence does not matter. [`judge`] asks the verifier first, and [`summary`]
//! makes a statement of the verdict, to be signed.
//!
//! Rules keep to one principle (in-toto attestation framework, "Validation model"): one is met where good evidence is there, and nothing
//! that is there besides takes that away. So evidence that is added never makes a verdict worse, and evidence that is withheld never makes it
//! better. But what is known of vulnerabilities and by tests changes, and the artifact does not: there the newest counts of what those say whom
//! the rule names (`newest`), and what cannot be read, or was not looked at, is taken for it.
//! What nobody who is believed has signed counts for nothing, but for bills of materials where a rule says so.
//!
//! What does not live here: finding evidence (`collect`), where policies and verdicts are kept (`index`), and what follows from a verdict.
//! `docs/verification-policies.md` describes the language.

mod attestation;
mod bill;
mod clock;
mod document;
mod evidence;
mod judge;
mod layout;
mod newest;
mod policy;
mod provenance;
mod scope;
mod signatures;
mod signers;
mod summary;
mod tests_passed;
mod verdict;
mod vulnerabilities;
mod words;

use std::collections::BTreeSet;

use time::OffsetDateTime;

pub use document::rewritten;
pub use evidence::{Carrier, Judged, Piece, Subject};
pub use judge::judge;
pub use policy::{DOCUMENT_BYTES, PolicyError, VerificationPolicy};
pub use summary::{Summary, summary};
pub use verdict::{Reason, RuleVerdict, Used, Verdict, Why};

use evidence::Case;
use policy::Requirement;
use verdict::Findings;

/// Holds evidence against a policy, as of `now`. `is_whole` says whether all was looked at that may be of consequence: otherwise no rule is met by
/// which the newest counts. `known` are the names of all who are trusted: a rule that names nobody of them says so.
#[must_use]
pub fn evaluate(
    policy: &VerificationPolicy,
    subject: &Subject,
    evidence: &[Piece<'_>],
    is_whole: bool,
    known: &BTreeSet<String>,
    now: OffsetDateTime,
) -> Verdict {
    let case = Case::new(subject, evidence, is_whole, known, now);
    let (mut rules, mut level) = (Vec::new(), None);
    if !policy.covers(&subject.name) {
        let mut findings = Findings::default();
        findings.refuse(Reason::of_all(Why::Scope, format!("the policy is not for {}", subject.name)));
        rules.push(findings.into_verdict("scope", "scope", false).0);
    }
    for rule in policy.rules() {
        let mut findings = Findings::default();
        let passed = rule.requirement.hold(&case, &mut findings);
        let (verdict, shown) = findings.into_verdict(&rule.name, rule.requirement.kind(), passed);
        level = level.max(shown);
        rules.push(verdict);
    }
    let passed = rules.iter().all(|rule| rule.passed);
    Verdict { passed, rules, levels: levels(passed, level), valid_until: case.clock.next() }
}

/// As a verification summary has them: one a track, and one word where the artifact did not pass.
fn levels(passed: bool, level: Option<u8>) -> Vec<String> {
    let text = match (passed, level) {
        (false, _) => "FAILED".to_owned(),
        (true, Some(level)) => format!("SLSA_BUILD_LEVEL_{level}"),
        (true, None) => "SLSA_BUILD_LEVEL_UNEVALUATED".to_owned(),
    };
    vec![text]
}

impl Requirement {
    fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        match self {
            Self::Signatures(rule) => rule.hold(case, findings),
            Self::Provenance(rule) => rule.hold(case, findings),
            Self::Tests(rule) => rule.hold(case, findings),
            Self::Sbom(rule) => rule.hold(case, findings),
            Self::Vulnerabilities(rule) => rule.hold(case, findings),
            Self::Layout(rule) => rule.hold(case, findings),
            Self::Attestation(rule) => rule.hold(case, findings),
        }
    }
}

#[cfg(test)]
mod tests;
