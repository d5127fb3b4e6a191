//! Taking a document out of what carries it.
//!
//! Tools attach a bill of materials in three ways: as the layer of a referrer (`oras attach`, trivy, `cosign attach sbom`), as
//! the predicate of an in-toto statement (buildx), and as such a statement in a DSSE envelope (`cosign attest`), which may
//! stand in a Sigstore bundle. Here is found out which it is, and the document is taken out. Nothing is verified: an envelope
//! is opened without a look at its signatures, and who relies on them asks whoever checks signatures.

mod envelope;
mod layer;
mod statement;

pub use layer::{Layer, Manner, is_document, manner};
pub use statement::in_predicate;

use std::borrow::Cow;

use super::limits::Limits;
use super::refusal::Refusal;
use crate::digest::Digest;

/// A document, and what its carrier says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried<'a> {
    /// The document.
    pub document: Cow<'a, [u8]>,
    /// How it was brought along.
    pub manner: Manner,
    /// The predicate type of the statement; unset where there is no statement.
    pub predicate_type: Option<String>,
    /// What the statement is about; empty where there is no statement.
    pub subjects: Vec<Subject>,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The name; it need not mean anything.
    pub name: String,
    /// The SHA-256; unset where the statement has only other digests.
    pub digest: Option<Digest>,
}

impl Carried<'_> {
    /// Whether the statement is about these bytes; a document without a statement is about what it refers to.
    #[must_use]
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.predicate_type.is_none() || self.subjects.iter().any(|subject| subject.digest.as_ref() == Some(digest))
    }
}

/// Takes the document out of the bytes of a layer; `None` where the layer carries something else.
/// # Errors
/// It says to be a statement, an envelope or a bundle and cannot be read as one; more than the limits let through.
pub fn take<'a>(bytes: &'a [u8], layer: &Layer<'_>, limits: &Limits) -> Result<Option<Carried<'a>>, Refusal> {
    // A statement holds the document, an envelope holds it as base64: four bytes for three.
    if bytes.len() / 2 > limits.bytes {
        return Err(Refusal::TooMuch { what: "bytes", limit: limits.bytes });
    }
    let Some(manner) = manner(layer) else { return Ok(None) };
    match manner {
        Manner::Referrer => {
            Ok(Some(Carried { document: Cow::Borrowed(bytes), manner, predicate_type: None, subjects: Vec::new() }))
        }
        Manner::Statement => statement::document(bytes, manner),
        Manner::Attestation => {
            let statement = envelope::payload(bytes)?;
            let carried = statement.map(|statement| statement::owned_document(&statement, manner)).transpose()?;
            Ok(carried.flatten())
        }
    }
}

#[cfg(test)]
mod tests;
