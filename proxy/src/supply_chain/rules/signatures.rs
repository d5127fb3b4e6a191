//! The rule `signatures`: enough of the signers that it names have signed the artifact.

use serde::Deserialize;

use super::evidence::{Case, Signed};
use super::policy::PolicyError;
use super::signers::{Signers, are_enough};
use super::verdict::{Findings, Reason, Why};
use crate::supply_chain::statement::COSIGN_SIGN_V1;
use crate::supply_chain::verify::Said;

/// Enough of these signers have signed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signatures {
    signers: Signers,
    #[serde(default = "one")]
    threshold: usize,
}

/// How many signers there must be where nothing is said.
pub(super) const fn one() -> usize {
    1
}

/// Refuses a number of signers that can never be, or that nobody is needed for.
pub(super) fn check_threshold(signers: &Signers, threshold: usize, at: &str) -> Result<(), PolicyError> {
    if signers.can_be(threshold) {
        return Ok(());
    }
    Err(PolicyError::at(format!("{at}.threshold"), "must be from 1 to the number of signers"))
}

impl Signatures {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        check_threshold(&self.signers, self.threshold, at)
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        self.signers.note_unknown(case.known, findings);
        let mut accepted = Vec::new();
        for signed in case.signed().filter(|signed| is_signature(case, signed)) {
            match self.signers.check(&signed) {
                Ok(()) => accepted.push(signed),
                Err(reason) => findings.refuse(reason),
            }
        }
        if accepted.is_empty() {
            findings.refuse(Reason::of_all(Why::NoEvidence, "none of the signers that the rule names has signed"));
        }
        are_enough(&accepted, self.threshold, findings)
    }
}

/// Whether it says that the artifact is signed. Other statements say something of it, and are no signatures however good they are.
fn is_signature(case: &Case<'_>, signed: &Signed<'_>) -> bool {
    match &signed.verified.said {
        Said::Signature | Said::Image(_) => true,
        Said::Statement(statement) => {
            statement.predicate_type == COSIGN_SIGN_V1 && statement.matching(&case.subject.digests).next().is_some()
        }
    }
}
