//! What is known of an artifact, as policies ask for it: who has signed it, what was attested, which bills of materials there are.
//!
//! Of each document that was attached a [`Piece`] is kept: what it is, who has made its signature, and what rules ask of it
//! ([`examine`]). Whether that signer is believed is asked when somebody wants to know ([`Known::facts`]): a key that was revoked counts
//! no moment longer, and none has to be verified again for that. All of it is functions of bytes and rows.
//! What does not live here: finding what was attached, and keeping the pieces (`evidence`); what follows from it (`authz`, policies).

mod examine;
mod judge;
mod known;
mod piece;
mod provenance;
mod scan;
#[cfg(test)]
mod testing;

use time::OffsetDateTime;
use zas_policy::{Found, KeyName};

pub use examine::{About, Examined, FoundSbom, examine};
pub use known::{Known, Look};
pub use piece::{Maker, Piece, PieceKind, SbomSummary, Signed};
pub use scan::Scan;

use crate::config::Builder;
use crate::digest::Digest;
use crate::index::PassedPolicies;
use crate::supply_chain::verify::Verifier;

/// What is known of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether somebody who is believed has signed it.
    pub signed: bool,
    /// Who has: `signing-key/<name>`, `key/<name>`, `identity/<name>`; in order, each once.
    pub signed_by: Vec<String>,
    /// Who vouches for those who have signed with a certificate: their issuers.
    pub signature_issuers: Vec<String>,
    /// Whether it has a bill of materials that is valid.
    pub has_sbom: bool,
    /// The predicate types of what somebody who is believed has attested, signatures left out.
    pub attestation_types: Vec<String>,
    /// The highest level that the configuration gives a builder whose provenance was attested by whom it names; 0: none.
    pub provenance_level: u8,
    /// Vulnerabilities of the newest scan that somebody who is believed has attested: critical ones, and those of a severity that cannot
    /// be told.
    pub vuln_critical: Option<u64>,
    /// When that scan ended.
    pub scanned_at: Option<OffsetDateTime>,
    /// Which verification policies it has passed; unset: nobody has asked.
    pub passed: Option<PassedPolicies>,
    /// Whether it holds signatures, attestations and bills of materials, and nothing else.
    pub is_evidence: bool,
    /// Whether all that was attached is known. Otherwise what is said here is true, and there may be more.
    pub complete: bool,
    /// As of when what was attached is known; unset: nobody has looked.
    pub looked_at: Option<OffsetDateTime>,
}

/// By what facts are judged.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// Whom we believe.
    pub verifier: &'a Verifier,
    /// The revision that it was made of.
    pub revision: i64,
    /// Trusted roots and rules about logs, as a digest.
    pub setup: &'a Digest,
    /// Which builders have which level.
    pub builders: &'a [Builder],
    /// The present.
    pub now: OffsetDateTime,
}

impl Facts {
    /// How old the newest scan is, in whole days.
    #[must_use]
    pub fn vuln_age_days(&self, now: OffsetDateTime) -> Option<i64> {
        self.scanned_at.map(|at| (now - at).whole_days().max(0))
    }

    /// The values of a condition key. What may have more values than are known is unknown; that something is there is known when it was
    /// seen. Without a scan nothing is known of vulnerabilities.
    #[must_use]
    pub fn find(&self, key: KeyName, now: OffsetDateTime) -> Found<'_> {
        match key {
            KeyName::Signed => self.boolean(self.signed),
            KeyName::HasSbom => self.boolean(self.has_sbom),
            KeyName::SignedBy => self.list(&self.signed_by),
            KeyName::SignatureIssuer => self.list(&self.signature_issuers),
            KeyName::AttestationTypes => self.list(&self.attestation_types),
            KeyName::ProvenanceLevel if self.complete => Found::one(self.provenance_level.to_string()),
            KeyName::VulnCritical => self.number(self.vuln_critical.map(|count| count.to_string())),
            KeyName::VulnAgeDays => self.number(self.vuln_age_days(now).map(|days| days.to_string())),
            KeyName::PassedPolicies => {
                self.passed.as_ref().map_or(Found::Unknown, |passed| Found::list(&passed.current))
            }
            _ => Found::Unknown,
        }
    }

    fn boolean(&self, yes: bool) -> Found<'_> {
        match (yes, self.complete) {
            (true, _) => Found::one("true"),
            (false, true) => Found::one("false"),
            (false, false) => Found::Unknown,
        }
    }

    fn list<'a>(&self, values: &'a [String]) -> Found<'a> {
        if self.complete { Found::list(values) } else { Found::Unknown }
    }

    fn number(&self, value: Option<String>) -> Found<'_> {
        value.filter(|_| self.complete).map_or(Found::Unknown, Found::one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-11 12:00 UTC);

    #[test]
    fn what_is_not_wholly_known_is_unknown_but_for_what_was_seen() {
        let facts = Facts { signed: true, signed_by: vec!["key/ci".into()], has_sbom: false, ..Facts::default() };
        assert_eq!(facts.find(KeyName::Signed, NOW), Found::one("true"));
        for key in KeyName::ALL.iter().filter(|key| key.is_evidence() && **key != KeyName::Signed) {
            assert_eq!(facts.find(*key, NOW), Found::Unknown, "{}", key.as_str());
        }
    }

    #[test]
    fn what_is_wholly_known_has_values_and_a_scan_that_is_missing_none() {
        let facts = Facts { signed_by: vec!["key/ci".into()], complete: true, ..Facts::default() };
        assert_eq!(facts.find(KeyName::Signed, NOW), Found::one("false"));
        assert_eq!(facts.find(KeyName::HasSbom, NOW), Found::one("false"));
        assert_eq!(facts.find(KeyName::SignedBy, NOW), Found::one("key/ci"));
        assert_eq!(facts.find(KeyName::ProvenanceLevel, NOW), Found::one("0"));
        assert_eq!(facts.find(KeyName::VulnCritical, NOW), Found::Unknown);
        let scanned = Facts { vuln_critical: Some(3), scanned_at: Some(datetime!(2026-06-01 13:00 UTC)), ..facts };
        assert_eq!(scanned.find(KeyName::VulnCritical, NOW), Found::one("3"));
        assert_eq!(scanned.find(KeyName::VulnAgeDays, NOW), Found::one("9"));
    }

    #[test]
    fn a_policy_is_passed_by_a_verdict_that_counts_whatever_else_is_known() {
        let facts = |passed| Facts { passed, ..Facts::default() };
        assert_eq!(facts(None).find(KeyName::PassedPolicies, NOW), Found::Unknown, "nobody has asked");
        let passed = PassedPolicies { current: vec!["release".into()], lapsed: vec!["nightly".into()] };
        assert_eq!(facts(Some(passed)).find(KeyName::PassedPolicies, NOW), Found::one("release"));
        let none = facts(Some(PassedPolicies::default()));
        assert_eq!(none.find(KeyName::PassedPolicies, NOW), Found::list(&[]));
    }
}
