//! A piece of evidence as it is shown: what it is, who has made it, or why that does not count.

use time::OffsetDateTime;

use crate::digest::Digest;
use crate::supply_chain::collect::Document;
use crate::supply_chain::verify::{Outcome, Said, Verified};

/// A piece of evidence, and who has made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The digest of the manifest that holds it.
    pub carrier: Digest,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// What the statement in it is, by its own word; nobody need have signed it.
    pub predicate_type: Option<String>,
    /// What came of asking who has made it.
    pub shown: Shown,
}

/// What came of asking who has made a piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Somebody who is believed.
    Signed {
        /// By which name.
        signer: String,
        /// The fingerprint of the key.
        key: Option<Digest>,
        /// Issuer and subject of the certificate.
        identity: Option<(String, String)>,
        /// When it was there at the latest, by clocks that we trust.
        times: Vec<OffsetDateTime>,
        /// Whether it is proven to be in a transparency log.
        is_logged: bool,
    },
    /// It does not count.
    Refused {
        /// Why, for programs.
        code: &'static str,
        /// Why, for people.
        reason: String,
    },
    /// Nobody says to have.
    Unsigned,
}

impl Judgement {
    pub(super) fn new(document: &Document, outcome: Option<&Outcome>) -> Self {
        let said = outcome.and_then(|outcome| outcome.as_ref().ok()).and_then(Verified::predicate_type);
        Self {
            carrier: document.carrier.digest,
            digest: document.digest,
            media_type: document.media_type.clone(),
            predicate_type: said.or_else(|| document.said_predicate_type()).map(str::to_owned),
            shown: match outcome {
                None => Shown::Unsigned,
                Some(Ok(verified)) => Shown::signed(verified),
                Some(Err(refusal)) => Shown::Refused { code: refusal.code(), reason: refusal.to_string() },
            },
        }
    }
}

impl Shown {
    fn signed(verified: &Verified) -> Self {
        Self::Signed {
            signer: verified.signer.to_string(),
            key: verified.key,
            identity: verified.identity.clone(),
            times: verified.times.clone(),
            is_logged: verified.is_logged,
        }
    }
}

/// What tells one piece from another, and one outcome from another, for the digest of all that a verdict is made of. Two older
/// signatures may be over the same bytes.
pub(super) fn entry(document: &Document, verified: Option<&Verified>) -> String {
    let annotations: Vec<String> =
        document.annotations.iter().map(|(name, value)| format!("{}:{name}={value}", name.len())).collect();
    let signed = verified.map(|verified| {
        let kind = match &verified.said {
            Said::Statement(_) => "statement",
            Said::Signature => "signature",
            Said::Image(_) => "image",
        };
        format!("{} {:?} {kind}", verified.signer, verified.key)
    });
    format!("{} {} {} {:?} {annotations:?}", document.carrier.digest, document.digest, document.media_type, signed)
}
