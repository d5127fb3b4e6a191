//! [`Refusal`]: why a piece of evidence does not count.

use sigstore_verify::bundle::Error as Shape;
use sigstore_verify::{Error, TransparencyLogError};
use time::OffsetDateTime;

use super::SignerName;
use crate::supply_chain::Malformed;
use crate::supply_chain::malformed::cut;

/// Why a piece of evidence does not count. The texts are for whoever asks about the artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No trusted key has made the signature.
    #[error("no trusted key has made the signature")]
    NoTrustedKey,
    /// The signature can only be checked with the artifact's bytes, and they were not given.
    #[error("the signature can only be checked with all bytes of the artifact")]
    NeedsBytes,
    /// The key or the identity was good only later than when it was used.
    #[error("{signer} is good from {from} on, and it was used at {at}")]
    NotYetValid {
        /// Whose it is.
        signer: SignerName,
        /// From when on it is good.
        from: OffsetDateTime,
        /// When it was used, as far as that is known; else now.
        at: OffsetDateTime,
    },
    /// The key or the identity was no longer good when it was used, or when that is not known, now.
    #[error("{signer} was good until {to}, and the time of the signature is {at}")]
    Expired {
        /// Whose it is.
        signer: SignerName,
        /// Until when it was good.
        to: OffsetDateTime,
        /// When it was used, as far as that is known; else now.
        at: OffsetDateTime,
    },
    /// Somebody has revoked the key or the identity.
    #[error("{0} was revoked")]
    Revoked(SignerName),
    /// Somebody has disabled the key for now.
    #[error("{0} is disabled")]
    Disabled(SignerName),
    /// The signed bytes are no in-toto statement.
    #[error("what is signed is of the type {0:?} and no in-toto statement")]
    PayloadType(String),
    /// A good statement about something else.
    #[error("what is signed is about another artifact")]
    OtherArtifact,
    /// A good statement that says something else than what is asked for.
    #[error("the statement is a {0:?}, which is not what is asked for")]
    OtherPredicate(String),
    /// A signature over the artifact itself, where a statement is asked for; or the other way round.
    #[error("it is a signature of a kind that is not asked for")]
    OtherKind,
    /// A signature that was attached as something else, or something else that was attached as a signature: whoever attached it was not
    /// asked for the right to attach what it is.
    #[error("it was attached as something else than what is signed")]
    AttachedAsOther,
    /// A legacy signature that was made for another repository.
    #[error("the signature is for {0:?}")]
    OtherRepository(String),
    /// A log, a timestamp or a certificate vouches for it, and there is no trusted root to check them with.
    #[error("there is no trusted root to check its {0} with")]
    NoTrustedRoot(&'static str),
    /// It must be in a transparency log, and nothing says that it is.
    #[error("nothing shows that it is in a transparency log")]
    NotLogged,
    /// An entry of a transparency log that is about something else.
    #[error("its log entry is about another signature: {0}")]
    LogEntryOfAnother(String),
    /// An entry of a transparency log that is not proven to be there.
    #[error("its log entry is not proven: {0}")]
    LogEntryUnproven(String),
    /// No trusted clock says when it was made; or the one that does is not to be believed.
    #[error("the time of the signature is not proven: {0}")]
    Time(String),
    /// The certificate was not issued by a trusted authority, not for this, or not for the time of the signature.
    #[error("its certificate is not trusted: {0}")]
    Certificate(String),
    /// The signature is not the certificate's.
    #[error("the signature is not of the key of its certificate")]
    Forged,
    /// A good signature by somebody whom we do not believe.
    #[error("{subject:?} of the issuer {issuer:?} is no trusted identity")]
    UnknownIdentity {
        /// Who vouches for them.
        issuer: String,
        /// Who they are.
        subject: String,
    },
    /// There is more evidence than what is looked at.
    #[error("there is more evidence than what is looked at")]
    TooMuchEvidence,
}

impl Refusal {
    /// The reason as programs read it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::TooLarge { .. }) => "too_large",
            Self::Malformed(Malformed::Signatures(_)) => "signature_count",
            Self::Malformed(Malformed::Kind { .. }) => "unsupported",
            Self::Malformed(Malformed::Form { .. }) => "malformed",
            Self::NoTrustedKey => "no_trusted_key",
            Self::NeedsBytes => "needs_bytes",
            Self::NotYetValid { .. } => "signer_not_yet_valid",
            Self::Expired { .. } => "signer_expired",
            Self::Revoked(_) => "signer_revoked",
            Self::Disabled(_) => "signer_disabled",
            Self::PayloadType(_) => "payload_type",
            Self::OtherArtifact => "other_artifact",
            Self::OtherPredicate(_) => "other_predicate",
            Self::OtherKind => "other_kind",
            Self::AttachedAsOther => "attached_as_other",
            Self::OtherRepository(_) => "other_repository",
            Self::NoTrustedRoot(_) => "no_trusted_root",
            Self::NotLogged => "not_logged",
            Self::LogEntryOfAnother(_) => "log_entry_of_another",
            Self::LogEntryUnproven(_) => "log_entry_unproven",
            Self::Time(_) => "time_unproven",
            Self::Certificate(_) => "certificate",
            Self::Forged => "forged",
            Self::UnknownIdentity { .. } => "unknown_identity",
            Self::TooMuchEvidence => "too_much_evidence",
        }
    }
}

/// What `sigstore-verify` says, in our words.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let text = cut(error.to_string());
        match error {
            Error::SignatureInvalid(_) => Self::Forged,
            Error::ArtifactMismatch(_) => Self::LogEntryOfAnother(text),
            Error::UnsupportedArtifact(_) => Self::NeedsBytes,
            Error::Certificate(_) | Error::TrustedCertificate(_) => Self::Certificate(text),
            Error::TransparencyLog(TransparencyLogError::EntryMismatch(_)) => Self::LogEntryOfAnother(text),
            Error::TransparencyLog(TransparencyLogError::IntegratedTime(_)) | Error::Timestamp(_) => Self::Time(text),
            Error::TransparencyLog(_) => Self::LogEntryUnproven(text),
            Error::Bundle(
                Shape::MissingInclusionProof(_) | Shape::MissingInclusionPromise(_) | Shape::MissingSigningTimeEvidence,
            ) => Self::NotLogged,
            Error::Bundle(
                Shape::MissingCheckpoint | Shape::LogIndexOutOfRange { .. } | Shape::CheckpointRootMismatch,
            ) => Self::LogEntryUnproven(text),
            _ => Self::Malformed(Malformed::form("a sigstore bundle", text)),
        }
    }
}
