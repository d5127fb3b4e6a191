//! The rule `sbom`: there is a bill of materials that is valid, bound to the artifact, fresh and complete, and whose licences may be.
//!
//! One document must be all of that: a second one that is good in another way does not help.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::evidence::{Attested, Case, Judged, Piece};
use super::policy::PolicyError;
use super::signers::Signers;
use super::verdict::{Findings, Reason, Used, Why};
use super::words::Several;
use crate::digest::Digest;
use crate::supply_chain::licence::{self, LicencePolicy};
use crate::supply_chain::sbom::{self, Component, Licence, Limits, Sbom, carried};

/// Components whose licences are looked at once more to name some that may not be.
const EVIDENCE: usize = 10_000;

/// Components that a refusal names.
const NAMED: usize = 5;

/// A bill of materials that is as it must be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bill {
    /// Who may have signed it.
    signers: Option<Signers>,
    /// Whether one counts that nobody has signed, or that somebody has whom nobody trusts.
    #[serde(default)]
    unsigned: bool,
    /// Unset: any that is read.
    formats: Option<Several<Family>>,
    /// How long ago it may have been made.
    #[serde(default, with = "humantime_serde")]
    max_age: Option<Duration>,
    /// The least number of components, without what it describes.
    #[serde(default)]
    min_components: usize,
    /// Whether it must itself name the artifact by a digest, and not only be attached to it.
    #[serde(default)]
    describes_artifact: bool,
    /// What its licences may be. Unset: anything.
    licences: Option<LicencePolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Family {
    CycloneDx,
    Spdx,
}

/// A document that may do, and by whom.
struct Candidate<'a> {
    piece: &'a Piece<'a>,
    signer: Option<String>,
    document: Cow<'a, [u8]>,
}

impl Bill {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        if self.signers.is_none() && !self.unsigned {
            let text = "must name who may have signed it, or unsigned must be true";
            return Err(PolicyError::at(format!("{at}.signers"), text));
        }
        Ok(())
    }

    pub(super) fn takes_unsigned(&self) -> bool {
        self.unsigned
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        if let Some(signers) = &self.signers {
            signers.note_unknown(case.known, findings);
        }
        let before = findings.refusals();
        // Reading one takes long: the first that does is enough.
        if self.is_one_signed(case, findings) || (self.unsigned && self.is_one_attached(case, findings)) {
            return true;
        }
        if findings.refusals() == before {
            findings.refuse(Reason::of_all(Why::NoEvidence, "there is no bill of materials"));
        }
        false
    }

    /// Whether one does that stands in a statement of those whom the rule names.
    fn is_one_signed(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        let Some(signers) = &self.signers else { return false };
        for attested in case.statements(|_| true) {
            let candidate = match stated(&attested) {
                Ok(None) => continue,
                Ok(Some(candidate)) => signers.check(&attested.by).map(|()| candidate),
                Err(reason) => Err(reason),
            };
            if self.tried(case, candidate, findings) {
                return true;
            }
        }
        false
    }

    /// Whether one does that is attached to the artifact, whoever has made it.
    fn is_one_attached(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        let candidates = case.pieces.iter().filter_map(|piece| taken(piece, &case.subject.digests).transpose());
        for candidate in candidates {
            if self.tried(case, candidate, findings) {
                return true;
            }
        }
        false
    }

    fn tried(&self, case: &Case<'_>, candidate: Result<Candidate<'_>, Reason>, findings: &mut Findings) -> bool {
        let accepted = candidate.and_then(|candidate| self.accept(case, &candidate).map(|()| candidate));
        match accepted {
            Ok(candidate) => findings.use_it(Used { digest: candidate.piece.digest, signer: candidate.signer }),
            Err(reason) => {
                findings.refuse(reason);
                return false;
            }
        }
        true
    }

    fn accept(&self, case: &Case<'_>, candidate: &Candidate<'_>) -> Result<(), Reason> {
        let refuse = |code, text: String| reason(candidate.piece, code, text);
        let reading = sbom::read(&candidate.document, None, &Limits::default())
            .map_err(|refusal| refuse(Why::Malformed, refusal.to_string()))?;
        let sbom = reading.valid().map_err(|error| refuse(Why::Invalid, error.message().to_owned()))?;
        if self.formats.as_ref().is_some_and(|formats| !formats.iter().any(|family| family.is(&sbom))) {
            return Err(refuse(Why::Format, format!("it is {}", sbom.format)));
        }
        let components = sbom.components.len().saturating_sub(sbom.roots.len());
        if components < self.min_components {
            let text = format!("it has {components} components, and must have {}", self.min_components);
            return Err(refuse(Why::Incomplete, text));
        }
        if self.describes_artifact && !describes(&sbom, &case.subject.digests) {
            return Err(refuse(Why::NotDescribed, "what it describes has none of the artifact's digests".to_owned()));
        }
        self.check_age(case, candidate.piece, &sbom)?;
        match &self.licences {
            Some(policy) => check_licences(case, candidate.piece, policy, &sbom),
            None => Ok(()),
        }
    }

    fn check_age(&self, case: &Case<'_>, piece: &Piece<'_>, sbom: &Sbom) -> Result<(), Reason> {
        let Some(most) = self.max_age else { return Ok(()) };
        let made = sbom.created.as_deref().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let made = made.ok_or_else(|| reason(piece, Why::Time, "it does not say when it was made".to_owned()))?;
        case.check_age_of(piece, "it", made, Some(most))
    }
}

impl Family {
    fn is(self, sbom: &Sbom) -> bool {
        let family = match self {
            Self::CycloneDx => "cyclonedx",
            Self::Spdx => "spdx",
        };
        sbom.format.family() == family
    }
}

fn reason(piece: &Piece<'_>, code: Why, text: String) -> Reason {
    Reason { code, text, evidence: Some(piece.digest) }
}

/// The document that a statement is.
fn stated<'a>(attested: &Attested<'a>) -> Result<Option<Candidate<'a>>, Reason> {
    let statement = attested.statement;
    let document = carried::in_predicate(&statement.predicate_type, &statement.predicate)
        .map_err(|refusal| attested.by.reason(Why::Malformed, refusal.to_string()))?;
    let signer = Some(attested.by.verified.signer.to_string());
    Ok(document.map(|document| Candidate { piece: attested.by.piece, signer, document }))
}

/// The document that a piece carries, where it is about the artifact.
fn taken<'a>(piece: &'a Piece<'a>, digests: &[Digest]) -> Result<Option<Candidate<'a>>, Reason> {
    let Some(carrier) = piece.carrier.as_ref() else { return Ok(None) };
    let carried = carried::take(carrier.bytes, &carrier.layer, &Limits::default())
        .map_err(|refusal| reason(piece, Why::Malformed, refusal.to_string()))?;
    let Some(carried) = carried else { return Ok(None) };
    let is_about = digests.iter().any(|digest| carried.is_about(digest));
    if !is_about || (carried.predicate_type.is_none() && !carrier.refers_to_artifact) {
        return Err(reason(piece, Why::NotDescribed, "it is about something else than the artifact".to_owned()));
    }
    let signer = match &piece.judged {
        Judged::Signed(verified) => Some(verified.signer.to_string()),
        Judged::Refused(_) | Judged::Unsigned => None,
    };
    Ok(Some(Candidate { piece, signer, document: carried.document }))
}

/// Whether what a document describes is the artifact, by a digest that stands in it.
fn describes(sbom: &Sbom, digests: &[Digest]) -> bool {
    let is_artifact = |component: &Component| {
        digests.iter().any(|digest| {
            let (hex, text) = (digest.hex(), digest.to_string());
            let is_version = |version: &Option<String>| version.as_ref().is_some_and(|version| *version == text);
            component.hashes.iter().any(|hash| hash.algorithm == "sha256" && hash.value == hex)
                || is_version(&component.version)
                || component.purl.as_ref().is_some_and(|purl| is_version(&purl.version))
        })
    };
    sbom.described().any(is_artifact)
}

/// Holds licences against a policy. What a document describes is weighed too, where it says anything of its licences.
fn check_licences(case: &Case<'_>, piece: &Piece<'_>, policy: &LicencePolicy, sbom: &Sbom) -> Result<(), Reason> {
    for exception in &policy.exceptions {
        // The other side is told the time itself.
        let _ = case.clock.has_come(exception.expires_at);
    }
    let says = |licences: &[Licence]| licences.iter().any(|licence| *licence != Licence::NoAssertion);
    let is_weighed = |(index, component): &(usize, &Component)| {
        !sbom.roots.contains(index) || says(&component.declared) || says(&component.concluded)
    };
    let components = sbom.components.iter().enumerate().filter(is_weighed).map(|(_, component)| component);
    let verdict = licence::evaluate(components, policy, case.clock.now(), EVIDENCE);
    if verdict.passed() {
        return Ok(());
    }
    let denied = verdict.evidence.iter().filter(|evidence| evidence.decision == licence::Decision::Denied);
    let named = denied.take(NAMED).map(|evidence| {
        let version = evidence.version.as_deref().unwrap_or("of no version");
        let licence = if evidence.expression.is_empty() { "nothing that is said" } else { &evidence.expression };
        format!("{} {version} is under {licence}", sbom::excerpt(&evidence.name))
    });
    let text = format!(
        "{} components are under licences that may not be: {}",
        verdict.denied,
        named.collect::<Vec<_>>().join(", ")
    );
    Err(reason(piece, Why::Licence, text))
}
