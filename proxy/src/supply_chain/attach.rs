//! Attaching documents to artifacts: signatures, attestations, bills of materials, as what refers to a manifest.
//!
//! [`attach`] is the one way, for what clients push through the artifact door, for what they send by REST and for what is signed here:
//! the intent is on record before anything happens, the blobs are there before the manifest is, and for an object the row that makes
//! it seen commits with the record of the outcome.
//! What does not live here: what a document says, and who may attach one (`authz`; the permit is the proof).

use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::supply_chain::artifact::Artifact;

/// Something to attach: its blobs are pushed first, then its manifest.
#[derive(Debug, Clone)]
pub struct NewReferrerDocument {
    /// The manifest, with the artifact as its subject; or, under a tag, without one.
    pub manifest: Vec<u8>,
    /// The blobs that it names and that are not at the registry yet. Those that it names otherwise must be there.
    pub blobs: Vec<Vec<u8>>,
    /// The tag by which older clients find it (`sha256-<hex>.sig`, `.att`, `.sbom`); unset: it is found as a referrer.
    pub tag: Option<String>,
    /// What the audit record says besides, such as the rule that wants it.
    pub note: Option<String>,
}

/// What was attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The size of its manifest in bytes.
    pub size: u64,
}

/// Attaches a document to an artifact. The permit is for one of the rights that its kinds need ([`Kind::attach`](super::referrer::Kind));
/// the others are asked of the policy here, on behalf of the same caller.
///
/// # Errors
/// `AccessDenied` for a kind that may not be attached; `ManifestInvalid`, `ManifestTooLarge`; `SlowDown` where the intent cannot be put on
/// record; `UpstreamUnavailable`, `IndexUnavailable`, `WritesRefused`.
pub async fn attach(app: &App, permit: &Permit, artifact: &Artifact, document: NewReferrerDocument) -> Result<Attached> {
    let _ = (app, permit, artifact, document);
    Err(Error::internal("not written yet"))
}
