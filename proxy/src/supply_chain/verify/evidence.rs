//! What is checked, against what, and what came of it.

use time::OffsetDateTime;

use super::{Refusal, Verified};
use crate::digest::Digest;
use crate::supply_chain::legacy::{Layer, Repository};

/// A piece of evidence about an artifact, as it was found.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A sigstore bundle, as JSON.
    Bundle(Vec<u8>),
    /// A layer of a `.sig` or `.att` manifest.
    Legacy(Layer),
}

/// What evidence must be about and what it must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// What the artifact is: the digest of its manifest, and the one of an object's bytes.
    pub artifacts: &'a [Digest],
    /// What it is to say.
    pub accept: Accept<'a>,
    /// Where the artifact lies. Legacy signatures name it; for bundles it is of no concern.
    pub repository: Option<Repository<'a>>,
    /// All bytes of the artifact, where they are at hand: some keys sign nothing less.
    pub bytes: Option<&'a [u8]>,
    /// The present.
    pub now: OffsetDateTime,
}

/// What evidence is to say.
#[derive(Debug, Clone, Copy)]
pub enum Accept<'a> {
    /// That the artifact is signed: a statement of cosign's predicate for that, a signature over its bytes, or a legacy one.
    Signature,
    /// Statements with one of these predicates.
    Statements(&'a [&'a str]),
    /// Anything, for whoever only wants to show it.
    Anything,
}

/// What came of a piece of evidence.
pub type Outcome = Result<Verified, Refusal>;
