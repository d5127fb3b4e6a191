//! [`Form`]: in which form a signature lies in a registry.

use crate::app::App;
use crate::error::Result;
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::bundle;
use crate::supply_chain::collect::{Listed, list};
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

/// Whether an artifact has signatures of the older form and no bundle. cosign looks for bundles, and only where it finds none at all for
/// older signatures: a first bundle, whatever it says, would hide them.
pub(in crate::supply_chain) async fn has_only_legacy(app: &App, artifact: &Artifact) -> Result<bool> {
    let (listed, _) = list(app, artifact).await?;
    Ok(is_only_legacy(&listed, &legacy_tag(&artifact.digest, "sig")))
}

fn is_only_legacy(listed: &[Listed], tag: &str) -> bool {
    let is_bundle = |listed: &Listed| listed.artifact_type.as_deref() == Some(bundle::MEDIA_TYPE);
    listed.iter().any(|listed| listed.tag.as_deref() == Some(tag)) && !listed.iter().any(is_bundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn listed(artifact_type: Option<&str>, tag: Option<&str>) -> Listed {
        Listed {
            digest: Digest::of(b"m"),
            size: 1,
            artifact_type: artifact_type.map(str::to_owned),
            kinds: Vec::new(),
            annotations: Default::default(),
            subject: Digest::of(b"s"),
            tag: tag.map(str::to_owned),
        }
    }

    #[test]
    fn only_a_signature_under_its_tag_without_any_bundle_is_only_legacy() {
        let (sig, att) = (listed(None, Some("x.sig")), listed(None, Some("x.att")));
        let (bundle, sbom) = (listed(Some(bundle::MEDIA_TYPE), None), listed(Some("application/spdx+json"), None));
        let only =
            |listed: &[&Listed]| is_only_legacy(&listed.iter().map(|one| (*one).clone()).collect::<Vec<_>>(), "x.sig");
        assert!(only(&[&sig]) && only(&[&sig, &sbom, &att]));
        assert!(!only(&[]) && !only(&[&att]) && !only(&[&sbom]) && !only(&[&sig, &bundle]));
    }
}
