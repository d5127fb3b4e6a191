//! [`Verified`]: evidence that counts.

use time::OffsetDateTime;

use super::{Accept, Expected, Refusal, SignerName};
use crate::digest::Digest;
use crate::supply_chain::dsse::{Envelope, IN_TOTO};
use crate::supply_chain::statement::{COSIGN_SIGN_V1, Statement};

/// Evidence that counts: who says what, since when.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Who has signed.
    pub signer: SignerName,
    /// The fingerprint of the key that has; of a certificate's key, which is used once, none.
    pub key: Option<Digest>,
    /// Issuer and subject of the certificate, where one says who has signed.
    pub identity: Option<(String, String)>,
    /// When it was there at the latest, by clocks that we trust; in no order, and often empty.
    pub times: Vec<OffsetDateTime>,
    /// Whether it is proven to be in a transparency log.
    pub is_logged: bool,
    /// What is said.
    pub said: Said,
}

/// What is said of the artifact.
#[derive(Debug, Clone)]
pub enum Said {
    /// A statement, one of whose subjects is the artifact.
    Statement(Box<Statement>),
    /// That its bytes are signed.
    Signature,
    /// That its manifest is signed, in a repository of this name.
    Image(String),
}

impl Verified {
    /// Whether it says that the artifact is signed, and no more.
    #[must_use]
    pub fn is_signature(&self) -> bool {
        match &self.said {
            Said::Statement(statement) => statement.predicate_type == COSIGN_SIGN_V1,
            Said::Signature | Said::Image(_) => true,
        }
    }

    /// The predicate type of a statement.
    #[must_use]
    pub fn predicate_type(&self) -> Option<&str> {
        match &self.said {
            Said::Statement(statement) => Some(&statement.predicate_type),
            Said::Signature | Said::Image(_) => None,
        }
    }
}

impl Said {
    /// What an envelope says, where that is what is asked for.
    pub(super) fn in_envelope(envelope: &Envelope, expected: &Expected<'_>) -> Result<Self, Refusal> {
        if envelope.payload_type != IN_TOTO {
            return Err(Refusal::PayloadType(crate::supply_chain::malformed::cut(envelope.payload_type.clone())));
        }
        let statement = Statement::parse(&envelope.payload)?;
        if statement.matching(expected.artifacts).next().is_none() {
            return Err(Refusal::OtherArtifact);
        }
        let kind = statement.predicate_type.as_str();
        let is_asked_for = match expected.accept {
            Accept::Signature => kind == COSIGN_SIGN_V1,
            Accept::Statements(kinds) => kinds.contains(&kind),
            Accept::Anything => true,
        };
        if is_asked_for {
            Ok(Self::Statement(Box::new(statement)))
        } else {
            Err(Refusal::OtherPredicate(kind.to_owned()))
        }
    }

    /// That something is signed, where that is what is asked for.
    pub(super) const fn signature(expected: &Expected<'_>) -> Result<Self, Refusal> {
        match expected.accept {
            Accept::Signature | Accept::Anything => Ok(Self::Signature),
            Accept::Statements(_) => Err(Refusal::OtherKind),
        }
    }
}
