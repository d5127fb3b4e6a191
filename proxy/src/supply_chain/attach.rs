//! Attaching documents to artifacts: signatures, attestations, bills of materials, as what refers to a manifest; and removing them.
//!
//! [`attach`] is the one way, for what clients send by REST and for what is signed here; what clients push through the artifact door
//! ends in the same [`store_in_bucket`]. The intent is on record before anything happens, the blobs are there before the manifest is, and
//! for an object the row that makes it seen commits with the record of the outcome.
//! What does not live here: what a document says, and who may attach one (`authz`; the permit is the proof).

mod bucket;
mod detach;
mod on_record;
mod replaced;
mod repository;

use bytes::Bytes;
use metrics::counter;

pub(crate) use bucket::{BucketReferrer, expect_room, store_in_bucket};
pub use detach::detach;
pub(crate) use replaced::{Replaced, replaced};

use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::{Artifact, Home};
use crate::supply_chain::manifest;
use crate::supply_chain::referrer::{Kind, Referrer, ReferrerTag};
use crate::telemetry::names;

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

impl NewReferrerDocument {
    /// A referrer as `manifest` writes it.
    #[must_use]
    pub fn referrer(artifact: manifest::Artifact) -> Self {
        Self { manifest: artifact.manifest, blobs: artifact.blobs, tag: None, note: None }
    }

    /// The same under a tag of older clients.
    #[must_use]
    pub fn tagged(artifact: manifest::Artifact, tag: String) -> Self {
        Self { tag: Some(tag), ..Self::referrer(artifact) }
    }

    /// With a word for the audit record.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// Attaches a document to an artifact. The permit is for one of the rights that its kinds need ([`Kind::attach`]); the others are asked of
/// the policy here, on behalf of the same caller.
///
/// # Errors
/// `AccessDenied` for a kind that may not be attached; `ManifestInvalid`, `ManifestTooLarge`; `OperationAborted` where the tag of an object
/// names something that the manifest does not keep; `SlowDown` where the intent cannot be put on record; `UpstreamUnavailable`,
/// `IndexUnavailable`, `WritesRefused`.
pub async fn attach(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    document: NewReferrerDocument,
) -> Result<Attached> {
    let referrer = read(app, artifact, &document)?;
    for kind in &referrer.kinds {
        ask_for(app, permit, artifact, *kind).await?;
    }
    let bytes = Bytes::from(document.manifest);
    let attached = Attached { digest: Digest::of(&bytes), size: bytes.len() as u64 };
    match &artifact.home {
        Home::Bucket { bucket, repository } => {
            app.check_attaching()?;
            let replaced = match &document.tag {
                Some(tag) => kept(replaced(app, bucket, tag, &bytes).await?)?,
                None => None,
            };
            let new = BucketReferrer {
                bucket,
                home: repository,
                digest: attached.digest,
                subject: artifact.digest,
                root: artifact.digest,
                tag: document.tag.as_deref(),
                replaced,
                removal: None,
                referrer: &referrer,
                blobs: &document.blobs,
                bytes,
                note: document.note.as_deref(),
            };
            expect_room(app, &new).await?;
            store_in_bucket(app, permit, &new).await?;
        }
        Home::Repository(name) => {
            let new = repository::RepositoryReferrer {
                name,
                digest: attached.digest,
                subject: artifact.digest,
                tag: document.tag.as_deref(),
                blobs: &document.blobs,
                bytes,
                note: document.note.as_deref(),
            };
            repository::store(app, permit, &new).await?;
        }
    }
    count(&referrer);
    Ok(attached)
}

/// What is replaced, where nothing of it is lost: whoever adds to something has read all of it, or another was faster.
fn kept(replaced: Option<Replaced>) -> Result<Option<Replaced>> {
    match replaced {
        Some(replaced) if !replaced.dropped.is_empty() => {
            Err(Error::from(Code::OperationAborted).detail(format!("{} would be lost", replaced.digest)))
        }
        replaced => Ok(replaced),
    }
}

/// Counts what was attached.
pub(crate) fn count(referrer: &Referrer) {
    for kind in &referrer.kinds {
        counter!(names::REFERRERS_ATTACHED, "kind" => kind.as_str()).increment(1);
    }
}

/// Reads what is to be attached, and whether it is about the artifact.
fn read(app: &App, artifact: &Artifact, document: &NewReferrerDocument) -> Result<Referrer> {
    if document.manifest.len() as u64 > app.config.limits.manifest_bytes.as_u64() {
        return Err(Code::ManifestTooLarge.into());
    }
    let (by_tag, tagged) = match document.tag.as_deref().map(ReferrerTag::parse) {
        None => (None, None),
        Some(Some(ReferrerTag::One { subject, kind })) => (Some(kind), Some(subject)),
        Some(_) => {
            return Err(Error::new(Code::ManifestInvalid, "The tag is none that clients look for a document under."));
        }
    };
    let referrer = Referrer::parse(Some(manifest::MANIFEST), &document.manifest, by_tag)?;
    let about: Vec<Digest> = referrer.subject.into_iter().chain(tagged).collect();
    if about.is_empty() || about.iter().any(|digest| *digest != artifact.digest) {
        return Err(Error::new(Code::ManifestInvalid, "The manifest does not refer to the artifact."));
    }
    Ok(referrer)
}

/// The right to attach a kind, where the permit is for another.
async fn ask_for(app: &App, permit: &Permit, artifact: &Artifact, kind: Kind) -> Result<()> {
    if *permit.resource() != artifact.resource() {
        return Err(Error::internal(format!("{} is permitted, not {}", permit.resource(), artifact.resource())));
    }
    if permit.action() == kind.attach() {
        return Ok(());
    }
    app.authority.authorize(permit.caller(), kind.attach(), artifact.resource()).await.map(drop)
}
