//! An artifact that was verified, as it is shown.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::sign::FoundArtifact;
use crate::error::{Error, Result};
use crate::index::StoredVerdict;
use crate::supply_chain::collect::{LeftOut, WhyLeftOut};
use crate::supply_chain::verification::{Against, Judgement, Shown, Verdict, Verification};

/// An artifact that was verified.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerifiedArtifact {
    /// The artifact.
    artifact: FoundArtifact,
    /// Whether it has passed; null where it was held against nothing.
    verdict: Option<ArtifactVerdict>,
    /// Each piece of evidence, with who has made it or the one reason why it does not count.
    evidence: Vec<EvidencePiece>,
    /// What was not looked at. Where there was too much of it, or no time, no rule is met by which the newest counts.
    left_out: Vec<LeftOutDocument>,
}

/// A verdict: whether an artifact passes a policy, rule by rule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArtifactVerdict {
    /// Its id; another with each verdict; null where it is not kept.
    id: Option<Uuid>,
    /// The name of the policy; null where it is none of the service.
    #[schema(example = "release")]
    policy: Option<String>,
    /// The digest of the policy's text.
    policy_digest: String,
    /// Whether every rule is met.
    passed: bool,
    /// What came of each rule, in the order of the policy.
    rules: Vec<RuleVerdict>,
    /// The SLSA levels that provenance shows, as verification summaries have them.
    #[schema(example = json!(["SLSA_BUILD_LEVEL_3"]))]
    levels: Vec<String>,
    /// The earliest moment at which time alone may change it; null: time does not.
    #[serde(with = "time::serde::rfc3339::option")]
    valid_until: Option<OffsetDateTime>,
    /// By which revision of trusted keys and identities it was made.
    trust_revision: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    made_at: OffsetDateTime,
    /// For whom; null where it is not kept.
    made_by: Option<String>,
    /// Whether it counts: the policy, whom we believe and all that it rests on are as they were, and its time is not over.
    counts: bool,
    /// Whether it was made before, and nothing has changed since.
    cached: bool,
    /// Whether it is signed.
    signed: bool,
    /// The digest of the manifest by which the signed verdict is attached to the artifact; null where it is not.
    attached: Option<String>,
}

/// What came of one rule.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct RuleVerdict {
    /// The rule's name in the policy.
    name: String,
    /// What it is about: `signatures`, `provenance`, `tests`, `sbom`, `vulnerabilities`, `layout`, `attestation`, or `scope`.
    kind: String,
    /// Whether it is met.
    passed: bool,
    /// The evidence that meets it.
    evidence: Vec<UsedEvidence>,
    /// Why it is not met, or which evidence did not help.
    reasons: Vec<RuleReason>,
    /// How many reasons there are besides.
    more_reasons: u64,
}

/// Evidence that a rule is met by.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct UsedEvidence {
    /// Its digest.
    digest: String,
    /// Who has signed it; null: nobody, and the rule takes it all the same.
    signer: Option<String>,
}

/// Why something does not count.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct RuleReason {
    /// The kind of reason, for programs. New ones may come.
    #[schema(example = "too_few_signers")]
    code: String,
    /// The reason, for people.
    text: String,
    /// The digest of the evidence that it is about; null: it is about all that there is.
    #[serde(default)]
    evidence: Option<String>,
}

/// A piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EvidencePiece {
    /// The digest of the manifest that holds it.
    carrier: String,
    /// The digest of its bytes.
    digest: String,
    /// Its media type.
    media_type: String,
    /// What the statement in it is, by its own word.
    predicate_type: Option<String>,
    /// Whether somebody who is believed has signed it.
    verified: bool,
    /// Who has signed: `signing-key/…`, `key/…` or `identity/…`.
    signer: Option<String>,
    /// SHA-256 of the key that has; null of a certificate's.
    key: Option<String>,
    /// Who vouches for the signer, of a certificate.
    issuer: Option<String>,
    /// Whom the certificate names.
    subject: Option<String>,
    /// When it was there at the latest, by clocks that are trusted.
    times: Vec<String>,
    /// Whether it is proven to be in a transparency log.
    logged: bool,
    /// Why it does not count, for programs; `unsigned`: nobody says to have signed it.
    #[schema(example = "no_trusted_key")]
    code: Option<&'static str>,
    /// Why it does not count, for people.
    reason: Option<String>,
}

/// Something that was not looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOutDocument {
    /// The digest of its manifest, or its tag; null: there was more in the list.
    what: Option<String>,
    /// Why: `too_much`, `too_large`, `unreadable` or `too_late`.
    why: &'static str,
}

/// What the index keeps of a verdict as JSON.
#[derive(Deserialize)]
struct Kept {
    rules: Vec<RuleVerdict>,
    levels: Vec<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    valid_until: Option<OffsetDateTime>,
}

impl VerifiedArtifact {
    /// As it is shown.
    pub(super) fn of(verification: Verification, against: &Against) -> Result<Self> {
        let Verification { artifact, evidence, left_out, verdict } = verification;
        Ok(Self {
            artifact: FoundArtifact::from(&artifact),
            verdict: verdict.map(|verdict| ArtifactVerdict::made(verdict, against)).transpose()?,
            evidence: evidence.into_iter().map(EvidencePiece::from).collect(),
            left_out: left_out.into_iter().map(LeftOutDocument::from).collect(),
        })
    }
}

impl ArtifactVerdict {
    fn made(verdict: Verdict, against: &Against) -> Result<Self> {
        let is_cached = verdict.is_cached;
        if let Some(stored) = verdict.kept {
            return Ok(Self { cached: is_cached, ..Self::stored(*stored)? });
        }
        let Kept { rules, levels, valid_until } = read(&verdict.json)?;
        let policy = match against {
            Against::Policy(name) => Some(name.clone()),
            Against::Nothing | Against::Signers { .. } | Against::Document(_) => None,
        };
        Ok(Self {
            id: None,
            policy,
            policy_digest: verdict.policy_digest.to_string(),
            passed: verdict.passed,
            rules,
            levels,
            valid_until,
            trust_revision: verdict.trust_revision,
            made_at: verdict.made_at,
            made_by: None,
            counts: true,
            cached: is_cached,
            signed: false,
            attached: None,
        })
    }

    /// One that is kept.
    pub(super) fn stored(stored: StoredVerdict) -> Result<Self> {
        let Kept { rules, levels, .. } = read(&stored.verdict)?;
        Ok(Self {
            id: Some(stored.id),
            policy: Some(stored.policy),
            policy_digest: stored.policy_digest.to_string(),
            passed: stored.passed,
            rules,
            levels,
            valid_until: stored.valid_until,
            trust_revision: stored.trust_revision,
            made_at: stored.made_at,
            made_by: Some(stored.made_by),
            counts: stored.counts,
            cached: true,
            signed: stored.summary.is_some(),
            attached: stored.attached.map(|digest| digest.to_string()),
        })
    }
}

fn read(json: &str) -> Result<Kept> {
    serde_json::from_str(json).map_err(|error| Error::internal(format!("a verdict cannot be read: {error}")))
}

impl From<Judgement> for EvidencePiece {
    fn from(judgement: Judgement) -> Self {
        let Judgement { carrier, digest, media_type, predicate_type, shown } = judgement;
        let piece = Self {
            carrier: carrier.to_string(),
            digest: digest.to_string(),
            media_type,
            predicate_type,
            verified: false,
            signer: None,
            key: None,
            issuer: None,
            subject: None,
            times: Vec::new(),
            logged: false,
            code: None,
            reason: None,
        };
        match shown {
            Shown::Signed { signer, key, identity, times, is_logged } => {
                let (issuer, subject) = identity.unzip();
                let times =
                    times.iter().filter_map(|time| time.format(&time::format_description::well_known::Rfc3339).ok());
                Self {
                    verified: true,
                    signer: Some(signer),
                    key: key.map(|key| key.hex()),
                    issuer,
                    subject,
                    times: times.collect(),
                    logged: is_logged,
                    ..piece
                }
            }
            Shown::Refused { code, reason } => Self { code: Some(code), reason: Some(reason), ..piece },
            Shown::Unsigned => {
                let reason = Some("nobody says to have signed it".to_owned());
                Self { code: Some("unsigned"), reason, ..piece }
            }
        }
    }
}

impl From<LeftOut> for LeftOutDocument {
    fn from(left_out: LeftOut) -> Self {
        let why = match left_out.why {
            WhyLeftOut::TooMuch => "too_much",
            WhyLeftOut::TooLarge => "too_large",
            WhyLeftOut::Unreadable => "unreadable",
            WhyLeftOut::TooLate => "too_late",
        };
        Self { what: left_out.what, why }
    }
}
