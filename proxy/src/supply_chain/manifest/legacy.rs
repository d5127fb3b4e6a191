//! The image that holds legacy signatures: one layer each, the signature in its annotations.

use serde_json::json;

use super::{Artifact, Descriptor, MANIFEST, Manifest};
use crate::digest::Digest;
use crate::supply_chain::Malformed;
use crate::supply_chain::dsse;
use crate::supply_chain::legacy::{Layer, SIMPLE_SIGNING};
use crate::supply_chain::limits::{BUNDLE_BYTES, LEGACY_PAYLOAD_BYTES, LEGACY_SIGNATURES};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

const WHAT: &str = "the manifest of legacy signatures";

/// The tag that names the signatures (`sig`) or attestations (`att`) of a manifest.
#[must_use]
pub fn legacy_tag(digest: &Digest, suffix: &str) -> String {
    format!("sha256-{}.{suffix}", digest.hex())
}

/// The image with one signature more: behind those of `existing`, the manifest that the tag names now. Its blobs are the new ones.
/// # Errors
/// `existing` is no such manifest, or there are as many signatures as are read.
pub fn append_legacy(existing: Option<&[u8]>, layer: &Layer) -> Result<Artifact, Malformed> {
    let mut layers = existing.map(legacy_layers).transpose()?.unwrap_or_default();
    let existing = existing.map(Manifest::parse).transpose()?;
    let (artifact_type, said) = existing.map(|image| (image.artifact_type, image.annotations)).unwrap_or_default();
    let annotations = layer.annotations.clone();
    layers.push(Descriptor { annotations, ..Descriptor::of(&layer.media_type, &layer.bytes) });
    Malformed::check("a manifest of legacy signatures", layers.len(), LEGACY_SIGNATURES)?;
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let config = json!({
        "architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type,
        config: Descriptor::of(CONFIG, &config),
        layers,
        subject: None,
        annotations: said,
    };
    Ok(Artifact { manifest: manifest.to_json()?, blobs: vec![config, layer.bytes.clone()] })
}

/// The signatures and attestations that an image holds: where their bytes lie, and their annotations.
/// # Errors
/// It is no manifest, there are more than are read, or one is longer than what is read.
pub fn legacy_layers(manifest: &[u8]) -> Result<Vec<Descriptor>, Malformed> {
    let manifest = Manifest::parse(manifest)?;
    Malformed::check("a manifest of legacy signatures", manifest.layers.len(), LEGACY_SIGNATURES)?;
    for layer in &manifest.layers {
        let most = match layer.media_type.as_str() {
            SIMPLE_SIGNING => LEGACY_PAYLOAD_BYTES,
            dsse::MEDIA_TYPE => BUNDLE_BYTES,
            other => return Err(Malformed::kind(WHAT, other)),
        };
        Malformed::check("a legacy signature", usize::try_from(layer.size).unwrap_or(usize::MAX), most)?;
    }
    Ok(manifest.layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::legacy::SIGNATURE;
    use proptest::prelude::*;
    use serde_json::Value;

    fn layer(text: &str) -> Layer {
        Layer::signed(text.as_bytes().to_vec(), b"signature")
    }

    #[test]
    fn signatures_are_appended_and_none_is_lost() {
        let first = append_legacy(None, &layer("one")).unwrap();
        let both = append_legacy(Some(&first.manifest), &layer("two")).unwrap();
        let layers = legacy_layers(&both.manifest).unwrap();
        let digests: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
        assert_eq!(digests, [Digest::of(b"one"), Digest::of(b"two")]);
        assert!(layers.iter().all(|layer| layer.annotations[SIGNATURE] == "c2lnbmF0dXJl"));
        let [config, payload] = <[Vec<u8>; 2]>::try_from(both.blobs).unwrap();
        let manifest: Value = serde_json::from_slice(&both.manifest).unwrap();
        assert_eq!(manifest["config"]["digest"], Digest::of(&config).to_string());
        assert_eq!(payload, b"two");
    }

    #[test]
    fn an_image_that_holds_something_else_is_not_appended_to() {
        let image = append_legacy(None, &layer("one")).unwrap().manifest;
        let other = String::from_utf8(image).unwrap().replace(SIMPLE_SIGNING, "application/vnd.oci.image.layer.v1.tar");
        assert!(append_legacy(Some(other.as_bytes()), &layer("two")).is_err());
        assert!(append_legacy(Some(b"{}"), &layer("two")).is_err());
    }

    #[test]
    fn there_is_a_last_signature() {
        let mut image = append_legacy(None, &layer("0")).unwrap().manifest;
        for at in 1..LEGACY_SIGNATURES {
            image = append_legacy(Some(&image), &layer(&at.to_string())).unwrap().manifest;
        }
        assert!(matches!(append_legacy(Some(&image), &layer("x")), Err(Malformed::TooLarge { .. })));
    }

    #[test]
    fn the_tag_is_the_one_that_cosign_asks_for() {
        let digest: Digest = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
        assert_eq!(legacy_tag(&digest, "sig"), format!("sha256-{}.sig", "ab".repeat(32)));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            prop_assert!(legacy_layers(&bytes).is_err());
            let mut changed = append_legacy(None, &layer("one")).unwrap().manifest;
            let at = at.index(changed.len());
            changed[at] = byte;
            let _ = legacy_layers(&changed);
        }
    }
}
