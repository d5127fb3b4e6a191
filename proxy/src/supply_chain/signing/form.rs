//! [`Form`]: in which form a signature lies in a registry.

use crate::app::App;
use crate::error::Result;
use crate::index::ReferrerRef;
use crate::supply_chain::artifact::{Artifact, Home};
use crate::supply_chain::bundle;
use crate::supply_chain::manifest::legacy_tag;

/// In which form a signature or an attestation lies in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A sigstore bundle that refers to the artifact.
    Bundle,
    /// A layer of the image that a tag names: `sha256-<hex>.sig` or `.att`.
    Legacy,
}

impl Form {
    /// As REST has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Legacy => "legacy",
        }
    }
}

/// Whether an artifact has signatures or attestations of the older form and no bundle. cosign looks for bundles, and only where it finds none
/// at all for older signatures (`cosign verify`) or attestations (`cosign verify-attestation`): a first bundle, whatever it says, would hide
/// both. Asked by the type, so that it holds for however many referrers.
///
/// # Errors
/// `UpstreamUnavailable`, `IndexUnavailable`.
pub(in crate::supply_chain) async fn has_only_legacy(app: &App, artifact: &Artifact) -> Result<bool> {
    Ok(has_legacy(app, artifact).await? && !has_bundle(app, artifact).await?)
}

async fn has_legacy(app: &App, artifact: &Artifact) -> Result<bool> {
    for end in ["sig", "att"] {
        let tag = legacy_tag(&artifact.digest, end);
        let is_there = match &artifact.home {
            Home::Repository(name) => app.store.get_manifest(name, &tag).await?.is_some(),
            Home::Bucket { bucket, .. } => app.index.referrer(bucket, ReferrerRef::Tag(&tag)).await?.is_some(),
        };
        if is_there {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn has_bundle(app: &App, artifact: &Artifact) -> Result<bool> {
    Ok(match &artifact.home {
        Home::Repository(name) => {
            !app.store.referrers(name, &artifact.digest, Some(bundle::MEDIA_TYPE)).await?.is_empty()
        }
        Home::Bucket { bucket, .. } => {
            let types = [bundle::MEDIA_TYPE.to_owned()];
            !app.index.list_referrers(bucket, &artifact.digest, &types, 0, 1).await?.referrers.is_empty()
        }
    })
}
