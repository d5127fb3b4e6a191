//! How signatures lie in a registry: the manifests that are written for them, and what is read out of such manifests.
//!
//! A bundle is a referrer (OCI image-spec 1.1, "Guidelines for Artifact Usage"; cosign, `specs/BUNDLE_SPEC.md`), a legacy signature a
//! layer of the image that the tag `sha256-<hex>.sig` names. What does not live here: pushing and finding either.

mod legacy;
mod referrer;

use std::collections::BTreeMap;

pub use legacy::{append_legacy, legacy_layers, legacy_tag};
pub use referrer::{annotated_bundle_referrer, bundle_layer, bundle_referrer, document_referrer};
use serde::{Deserialize, Serialize};

use super::Malformed;
use crate::digest::Digest;

/// The media type of every manifest here.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What the media types of bundles begin with, of whatever version.
pub const BUNDLES: &str = "application/vnd.dev.sigstore.bundle";

/// Bytes of a manifest: what registries take (OCI distribution-spec 1.1, "Pushing Manifests").
const MANIFEST_BYTES: usize = 4 << 20;

/// What is to be pushed: blobs first, then the manifest.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The manifest, of the type [`MANIFEST`].
    pub manifest: Vec<u8>,
    /// The blobs that it names.
    pub blobs: Vec<Vec<u8>>,
}

/// Something that a manifest names (OCI image-spec, "Content Descriptors").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// The SHA-256 of its bytes.
    #[serde(with = "digest")]
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// What else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest's layers are: where their bytes lie, and what is said of them.
/// # Errors
/// It is no image manifest, or names something by another digest than SHA-256.
pub fn layers(manifest: &[u8]) -> Result<Vec<Descriptor>, Malformed> {
    Ok(Manifest::parse(manifest)?.layers)
}

/// Whether a manifest has all that another one has: its layers first and in their order, each with what is said of it, and what is said of
/// the whole. That is how layers are added ([`append_legacy`]; cosign does the same). Behind them, so that none of them is left out where
/// more is added than is read; and a bundle is read only alone in its manifest.
#[must_use]
pub fn keeps(old: &[u8], new: &[u8]) -> bool {
    let (Ok(old), Ok(new)) = (Manifest::parse(old), Manifest::parse(new)) else { return false };
    let is_read = new.layers.len() == 1 || !new.layers.iter().any(|layer| layer.media_type.starts_with(BUNDLES));
    let says = |(name, value): (&String, &String)| new.annotations.get(name) == Some(value);
    is_read
        && new.layers.starts_with(&old.layers)
        && new.artifact_type == old.artifact_type
        && old.annotations.iter().all(says)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Names these bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        let media_type = media_type.to_owned();
        Self { media_type, digest: Digest::of(bytes), size: bytes.len() as u64, annotations: BTreeMap::new() }
    }
}

impl Manifest {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "the manifest of a signature";
        Malformed::check(WHAT, bytes.len(), MANIFEST_BYTES)?;
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| Malformed::form(WHAT, error))?;
        match manifest.media_type.as_deref() {
            None | Some(MANIFEST) => Ok(manifest),
            Some(other) => Err(Malformed::kind(WHAT, other)),
        }
    }

    fn to_json(&self) -> Result<Vec<u8>, Malformed> {
        serde_json::to_vec(self).map_err(|error| Malformed::form("a manifest", error))
    }
}

/// Digests as manifests have them.
mod digest {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::digest::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

    fn manifest(layers: &[(&str, &str)], annotations: &Value) -> Vec<u8> {
        let layer = |(media_type, text): &(&str, &str)| {
            json!({"mediaType": media_type, "digest": Digest::of(text.as_bytes()).to_string(), "size": text.len(),
                   "annotations": {"predicateType": text}})
        };
        let layers: Vec<Value> = layers.iter().map(layer).collect();
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers, "annotations": annotations,
               "config": {"mediaType": "a/b", "digest": Digest::of(b"{}").to_string(), "size": 2}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn what_adds_keeps_and_what_drops_changes_or_hides_does_not() {
        let none = json!({});
        let old = manifest(&[(DSSE, "one"), (DSSE, "two")], &none);
        assert!(keeps(&old, &old));
        assert!(keeps(&old, &manifest(&[(DSSE, "one"), (DSSE, "two"), (DSSE, "three")], &json!({"more": "x"}))));
        let relabelled =
            String::from_utf8(old.clone()).unwrap().replace(r#""predicateType":"two""#, r#""predicateType":"x""#);
        for (what, new) in [
            ("one is dropped", manifest(&[(DSSE, "one")], &none)),
            ("one stands before", manifest(&[(DSSE, "three"), (DSSE, "one"), (DSSE, "two")], &none)),
            ("one is something else", manifest(&[(DSSE, "one"), ("text/plain", "two")], &none)),
            ("something else is said of one", relabelled.into_bytes()),
            ("a bundle hides all", manifest(&[(DSSE, "one"), (DSSE, "two"), (BUNDLES, "x")], &none)),
            ("it is none", b"{}".to_vec()),
        ] {
            assert!(!keeps(&old, &new), "{what}");
        }
        let said = manifest(&[(DSSE, "one")], &json!({"predicateType": "x"}));
        assert!(!keeps(&said, &manifest(&[(DSSE, "one")], &none)));
        assert!(!keeps(b"[", &old));
    }
}
