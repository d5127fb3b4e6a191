//! Why a document is not read at all. What is read and wrong is a finding.

use super::finding::Place;
use crate::error::{Code, Error};

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More than what is read of a document.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// Nothing says that it is a bill of materials.
    #[error("the bytes are no SBOM in a format that is known here")]
    Unrecognised,
    /// It is one, in a format or version that is not read.
    #[error("{0} is not read")]
    Unsupported(String),
    /// Its syntax is broken.
    #[error("{place}: {text}")]
    Malformed {
        /// Where.
        place: Place,
        /// What.
        text: String,
    },
    /// A fault of ours.
    #[error("{0}")]
    Fault(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::TooMuch { .. } => Code::SbomTooLarge,
            Refusal::Unrecognised | Refusal::Unsupported(_) => Code::SbomUnsupported,
            Refusal::Malformed { .. } => Code::SbomInvalid,
            Refusal::Fault(text) => return Self::internal(text),
        };
        Self::new(code, refusal.to_string())
    }
}
