//! Everything that refers to an artifact: signatures, attestations, bills of materials, wherever tools put them.
//!
//! Referrers (from the index for an object, from the registry otherwise), the tags of older clients (`sha256-<hex>.sig`, `.att`, `.sbom`),
//! and within an index what buildx puts beside the images. [`list`] tells what there is, [`collect`] reads it. Nothing is believed and
//! nothing verified. Bounded in number, bytes and time: what was left out is said, and whoever needs all of it must fail closed on it.

mod buildkit;
mod found;
mod read;

use std::collections::BTreeMap;

use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::s3::Taken;
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::referrer::Kind;
use crate::supply_chain::verify::{Evidence, Refusal, Verified};

pub use read::Budget;

/// Something that refers to an artifact, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's size in bytes.
    pub size: u64,
    /// The artifact's type; where it has none, the type of its config.
    pub artifact_type: Option<String>,
    /// What it is, by all that it says of itself; never empty.
    pub kinds: Vec<Kind>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it refers to: the artifact; within an index, one of its manifests.
    pub subject: Digest,
    /// The tag by which it was found; unset: it is a referrer.
    pub tag: Option<String>,
}

/// A document that somebody has attached: one layer of what refers to the artifact.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it was found in.
    pub carrier: Listed,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The layer's media type.
    pub media_type: String,
    /// The layer's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its bytes, as what they are.
    pub content: Content,
}

/// The bytes of a document.
#[derive(Debug, Clone)]
pub enum Content {
    /// Something signed, for the verifier.
    Evidence(Evidence),
    /// An in-toto statement that nobody has signed.
    Statement(Vec<u8>),
    /// Anything else: a bill of materials as it is, a signature of a kind that is not read here.
    Other(Vec<u8>),
}

/// Something that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The manifest, or the tag, that was not read; unset: there was more in the list.
    pub what: Option<String>,
    /// Why.
    pub why: WhyLeftOut,
}

impl LeftOut {
    /// Whether it may be a document that somebody who is believed has signed, and that would be read another time. What is too large or cannot
    /// be read is by nobody, however often one looks: whoever may attach something could otherwise keep all else from counting.
    #[must_use]
    pub const fn may_be_of_consequence(&self) -> bool {
        matches!(self.why, WhyLeftOut::TooMuch | WhyLeftOut::TooLate)
    }
}

/// Why something was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyLeftOut {
    /// There were as many documents as are read of one artifact, or as many bytes.
    TooMuch,
    /// It is larger than what is read.
    TooLarge,
    /// It is no manifest with layers, or names something that is not there.
    Unreadable,
    /// Time was up.
    TooLate,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Collected {
    /// What was read, signatures first, otherwise in the order in which it came.
    pub documents: Vec<Document>,
    /// What was not.
    pub left_out: Vec<LeftOut>,
    /// Held for as long as the bytes are.
    memory: Vec<Taken>,
}

/// Annotations that say what the predicate of a statement is: as we and buildx write it, as cosign does, and as it did before.
const PREDICATE_TYPE: [&str; 3] = ["in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType", "predicateType"];

impl Listed {
    /// The predicate type of the statement in it, as its annotations say; nobody has looked into it.
    #[must_use]
    pub fn predicate_type(&self) -> Option<&str> {
        PREDICATE_TYPE.into_iter().find_map(|name| self.annotations.get(name)).map(String::as_str)
    }
}

impl Document {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Evidence(Evidence::Bundle(bytes)) | Content::Statement(bytes) | Content::Other(bytes) => bytes,
            Content::Evidence(Evidence::Legacy(layer)) => &layer.bytes,
        }
    }

    /// What somebody who is believed has signed, where it was attached as what it is. By what a manifest says of itself its kinds are told, and
    /// by them the right to attach it: what says to be a report and is a signature was attached without the right to sign.
    ///
    /// # Errors
    /// [`Refusal::AttachedAsOther`].
    pub fn attached_as_said(&self, verified: Verified) -> Result<Verified, Refusal> {
        let kinds = &self.carrier.kinds;
        let is_as_said =
            if verified.is_signature() { kinds.contains(&Kind::Signature) } else { *kinds != [Kind::Signature] };
        if is_as_said { Ok(verified) } else { Err(Refusal::AttachedAsOther) }
    }

    /// The predicate type of the statement in it, as the annotations say it; nobody has looked into it.
    #[must_use]
    pub fn said_predicate_type(&self) -> Option<&str> {
        let own = PREDICATE_TYPE.into_iter().find_map(|name| self.annotations.get(name)).map(String::as_str);
        own.or_else(|| self.carrier.predicate_type())
    }
}

impl Collected {
    /// What the verifier can be asked about, each with the document that it stands in.
    pub fn evidence(&self) -> impl Iterator<Item = (&Document, &Evidence)> {
        self.documents.iter().filter_map(|document| match &document.content {
            Content::Evidence(evidence) => Some((document, evidence)),
            Content::Statement(_) | Content::Other(_) => None,
        })
    }
}

/// What refers to an artifact, without reading any of it: referrers in the order in which they came, then what older clients find by
/// tags, then what an index has beside its images.
///
/// # Errors
/// `UpstreamUnavailable`, `IndexUnavailable`.
pub async fn list(app: &App, artifact: &Artifact) -> Result<(Vec<Listed>, Vec<LeftOut>)> {
    let (found, left_out) = found::find(app, artifact).await?;
    Ok((found.into_iter().map(|found| found.listed).collect(), left_out))
}

/// One thing that refers to an artifact, by the digest of its manifest; none where there is none.
///
/// # Errors
/// `UpstreamUnavailable`, `IndexUnavailable`.
pub async fn find(app: &App, artifact: &Artifact, digest: &Digest) -> Result<Option<Listed>> {
    found::find_one(app, artifact, digest).await
}

/// The documents in one thing that refers to an artifact, each at most as large as what is read of evidence.
///
/// # Errors
/// As [`collect`].
pub async fn read(app: &App, artifact: &Artifact, listed: Listed) -> Result<Collected> {
    read::read(app, artifact, vec![found::Found { listed, manifest: None }]).await
}

/// As [`read`], within what may still be read of the artifact; all of it or nothing.
///
/// # Errors
/// As [`collect`].
pub async fn read_within(app: &App, artifact: &Artifact, listed: Listed, budget: &mut Budget) -> Result<Collected> {
    read::read_one(app, artifact, found::Found { listed, manifest: None }, budget).await
}

/// All that refers to an artifact and is a signature, an attestation or a bill of materials, read.
///
/// # Errors
/// `UpstreamUnavailable`, `IndexUnavailable`; `SlowDown` where others hold as much as may be held in memory. What cannot be read of what
/// somebody has attached is no error but [`Collected::left_out`].
pub async fn collect(app: &App, artifact: &Artifact) -> Result<Collected> {
    let (mut found, left_out) = found::find(app, artifact).await?;
    found.retain(|found| found.listed.kinds != [Kind::Other]);
    // A kind sorts as it stands in the list of kinds: signatures first.
    found.sort_by_key(|found| found.listed.kinds.first().copied());
    let mut collected = read::read(app, artifact, found).await?;
    collected.left_out.splice(0..0, left_out);
    Ok(collected)
}
