//! [`Usage`]: what a key of ours may sign.
//!
//! `cosign verify` does not look at what an attestation says: any statement about a digest, by a trusted key, passes as its signature.
//! So a key that signs releases signs nothing else, and verdicts and reports have keys of their own that no client trusts as a release's.

use crate::supply_chain::statement::COSIGN_SIGN_V1;

/// What the types of verification summaries begin with, of all versions (SLSA, "Verification Summary Attestation"): a verifier may take
/// an older one too.
const SLSA_VSA: &str = "https://slsa.dev/verification_summary/";

/// What a key of ours may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
    /// That an artifact is signed, and nothing else.
    Release,
    /// What came of checking an artifact, good or bad.
    Verdict,
    /// What was found in an artifact: everything that neither of the others signs.
    Report,
}

impl Usage {
    /// Every usage.
    pub const ALL: [Self; 3] = [Self::Release, Self::Verdict, Self::Report];

    /// As the index and REST have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Verdict => "verdict",
            Self::Report => "report",
        }
    }

    /// The usage of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|usage| usage.as_str() == text)
    }

    /// Whether a key of this usage may sign statements with such a predicate.
    #[must_use]
    pub fn may_sign(self, predicate_type: &str) -> bool {
        let usage = match predicate_type {
            COSIGN_SIGN_V1 => Self::Release,
            _ if predicate_type.starts_with(SLSA_VSA) => Self::Verdict,
            _ => Self::Report,
        };
        self == usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::statement::SLSA_VSA_V1;

    #[test]
    fn every_predicate_is_signed_by_keys_of_one_usage() {
        for (predicate, usage) in [
            (COSIGN_SIGN_V1, Usage::Release),
            (SLSA_VSA_V1, Usage::Verdict),
            ("https://slsa.dev/verification_summary/v0.1", Usage::Verdict),
            ("https://slsa.dev/verification_summary/v0.2", Usage::Verdict),
            ("https://spdx.dev/Document", Usage::Report),
            ("https://slsa.dev/provenance/v1", Usage::Report),
        ] {
            let able: Vec<_> = Usage::ALL.into_iter().filter(|usage| usage.may_sign(predicate)).collect();
            assert_eq!(able, [usage], "{predicate}");
        }
    }

    #[test]
    fn a_usage_is_read_as_it_is_written() {
        for usage in Usage::ALL {
            assert_eq!(Usage::parse(usage.as_str()), Some(usage));
        }
        assert_eq!(Usage::parse("Release"), None);
    }
}
