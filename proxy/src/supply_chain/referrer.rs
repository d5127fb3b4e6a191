//! A manifest that refers to another one, as it is attached: what it says, and what kinds of things it is.
//!
//! The kind decides which right is needed to attach it. It is read off every media type that the manifest names, so that a
//! signature cannot be pushed with the right to attach SBOMs; that it is a *good* signature is for whoever verifies it. Types are known by
//! how they begin: what the next version of a tool attaches takes the same right. What may be pulled whatever is known of it is another
//! question, and not answered so ([`is_evidence`]).

mod evidence;
mod tag;

use std::collections::BTreeMap;

use serde::Deserialize;
use zas_policy::Action;

pub use evidence::is_evidence;
pub use tag::ReferrerTag;

use super::manifest::MANIFEST as IMAGE_MANIFEST;
use super::media_type::essence;
use super::statement::COSIGN_SIGN_V1 as SIGNATURE_PREDICATE;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Blobs that one manifest names at the most, its config included.
const BLOBS: usize = 256;

/// Bytes of all annotations: they are repeated in lists.
const ANNOTATION_BYTES: usize = 64 * 1024;

/// The longest artifact type (RFC 6838, 4.2).
const TYPE_BYTES: usize = 255;

/// What something that is attached is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// That somebody stands for the artifact.
    Signature,
    /// What is in it.
    Sbom,
    /// What somebody says of it besides.
    Attestation,
    /// Anything else.
    Other,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Signature, Self::Sbom, Self::Attestation, Self::Other];

    /// The name in the index and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Sbom => "sbom",
            Self::Attestation => "attestation",
            Self::Other => "other",
        }
    }

    /// By its name; what a newer version has written is something else.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Other)
    }

    /// The right that it takes to attach one.
    #[must_use]
    pub const fn attach(self) -> Action {
        match self {
            Self::Signature => Action::Sign,
            Self::Sbom => Action::AttachSbom,
            Self::Attestation => Action::Attest,
            Self::Other => Action::Attach,
        }
    }

    /// The right that it takes to remove one.
    #[must_use]
    pub const fn detach(self) -> Action {
        match self {
            Self::Signature => Action::DeleteSignature,
            Self::Sbom => Action::DeleteSbom,
            Self::Attestation => Action::DeleteAttestation,
            Self::Other => Action::Detach,
        }
    }

    /// The rights to attach something.
    pub const ATTACH: [Action; 4] =
        [Self::Signature.attach(), Self::Sbom.attach(), Self::Attestation.attach(), Self::Other.attach()];
}

/// A pushed manifest.
#[derive(Debug)]
pub struct Referrer {
    /// What it says that it refers to.
    pub subject: Option<Digest>,
    /// Its type, for lists (OCI distribution-spec 1.1, "Listing Referrers").
    pub artifact_type: Option<String>,
    /// What it is; never empty, in order, each once.
    pub kinds: Vec<Kind>,
    /// Config and layers, each once.
    pub blobs: Vec<(Digest, u64)>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    manifests: Option<serde::de::IgnoredAny>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Referrer {
    /// Reads a manifest that a client sends as `content_type`, under a tag that says what it is where it has one.
    ///
    /// # Errors
    /// `ManifestInvalid`, with the reason.
    pub fn parse(content_type: Option<&str>, bytes: &[u8], by_tag: Option<Kind>) -> Result<Self> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| invalid(format!("The manifest cannot be read: {error}.")))?;
        let sent = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        let said = document.media_type.as_deref();
        if sent.or(said) != Some(IMAGE_MANIFEST) || said.is_some_and(|said| said != IMAGE_MANIFEST) {
            return Err(invalid(format!("What is attached has a manifest of the type {IMAGE_MANIFEST}.")));
        }
        if document.schema_version != 2 || document.manifests.is_some() {
            return Err(invalid("The manifest is of another version, or an index too."));
        }
        let subject = match &document.subject {
            Some(subject) => Some(digest(&subject.digest)?),
            None => None,
        };
        let annotations = document.annotations.unwrap_or_default();
        check_texts(document.artifact_type.as_deref(), &annotations)?;
        let mut types = vec![document.config.media_type.as_str()];
        types.extend(document.artifact_type.as_deref());
        types.extend(document.layers.iter().map(|layer| layer.media_type.as_str()));
        let kinds = kinds(&types, &annotations, by_tag);
        let blobs = blobs(std::iter::once(&document.config).chain(&document.layers))?;
        let artifact_type = document.artifact_type.filter(|text| !text.is_empty());
        let artifact_type = artifact_type.or(Some(document.config.media_type));
        Ok(Self { subject, artifact_type, kinds, blobs, annotations })
    }
}

fn blobs<'a>(descriptors: impl Iterator<Item = &'a Descriptor>) -> Result<Vec<(Digest, u64)>> {
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    for descriptor in descriptors {
        let digest = digest(&descriptor.digest)?;
        if blobs.insert(digest, descriptor.size).is_some_and(|known| known != descriptor.size) {
            return Err(invalid(format!("The manifest gives {digest} two sizes.")));
        }
        if blobs.len() > BLOBS {
            return Err(invalid(format!("The manifest names more than {BLOBS} blobs.")));
        }
    }
    Ok(blobs.into_iter().collect())
}

fn digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|_| invalid("The manifest names something by another digest than sha256."))
}

fn check_texts(artifact_type: Option<&str>, annotations: &BTreeMap<String, String>) -> Result<()> {
    let bytes: usize = annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ANNOTATION_BYTES || artifact_type.is_some_and(|text| text.len() > TYPE_BYTES) {
        return Err(invalid(format!(
            "The manifest has more than {ANNOTATION_BYTES} bytes of annotations, or a longer type."
        )));
    }
    let mut texts = annotations.iter().flat_map(|(name, value)| [name.as_str(), value]).chain(artifact_type);
    // The index cannot hold it.
    if texts.any(|text| text.contains('\0')) {
        return Err(invalid("The manifest has a text with a NUL character."));
    }
    Ok(())
}

/// What something is that is only listed: by its type and its annotations, without a look at its layers.
#[must_use]
pub fn listed_kinds(artifact_type: Option<&str>, annotations: &BTreeMap<String, String>) -> Vec<Kind> {
    kinds(&artifact_type.into_iter().collect::<Vec<_>>(), annotations, None)
}

/// What a manifest is, by all that it says of itself.
fn kinds(types: &[&str], annotations: &BTreeMap<String, String>, by_tag: Option<Kind>) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = types.iter().flat_map(|text| kinds_of(text, annotations)).chain(by_tag).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() { vec![Kind::Other] } else { kinds }
}

/// What a media type stands for, by how it begins.
fn kinds_of(media_type: &str, annotations: &BTreeMap<String, String>) -> Vec<Kind> {
    let media_type = essence(media_type);
    let begins = |starts: &[&str]| starts.iter().any(|start| media_type.starts_with(start));
    if begins(&["application/vnd.dev.sigstore.bundle"]) {
        return bundle(annotations);
    }
    if begins(&[
        "application/vnd.dev.cosign.simplesigning",
        "application/vnd.dev.cosign.artifact.sig",
        "application/vnd.cncf.notary.signature",
    ]) {
        return vec![Kind::Signature];
    }
    if begins(&[
        "application/vnd.in-toto",
        "application/vnd.dsse.envelope",
        "application/vnd.dev.cosign.artifact.att",
        "application/vnd.docker.attestation.manifest",
    ]) {
        return vec![Kind::Attestation];
    }
    let sboms = [
        "application/spdx",
        "application/vnd.spdx",
        "text/spdx",
        "application/vnd.cyclonedx",
        "application/vnd.syft",
        "application/vnd.dev.cosign.artifact.sbom",
    ];
    if begins(&sboms) { vec![Kind::Sbom] } else { Vec::new() }
}

/// A Sigstore bundle says by an annotation what is in it; one that does not may be either.
fn bundle(annotations: &BTreeMap<String, String>) -> Vec<Kind> {
    let said = |name: &str| annotations.get(name).map(String::as_str);
    match (said("dev.sigstore.bundle.content"), said("dev.sigstore.bundle.predicateType")) {
        (Some("message-signature"), _) | (_, Some(SIGNATURE_PREDICATE)) => vec![Kind::Signature],
        (_, Some(_)) => vec![Kind::Attestation],
        (_, None) => vec![Kind::Signature, Kind::Attestation],
    }
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::ManifestInvalid, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn manifest(artifact_type: &str, layer_type: &str) -> Value {
        json!({
            "schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "artifactType": artifact_type,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2},
            "layers": [{"mediaType": layer_type, "digest": Digest::of(b"layer").to_string(), "size": 5}],
            "subject": {"mediaType": IMAGE_MANIFEST, "digest": Digest::of(b"subject").to_string(), "size": 7},
        })
    }

    fn parse(manifest: &Value, tag: Option<Kind>) -> Result<Referrer> {
        Referrer::parse(Some(IMAGE_MANIFEST), manifest.to_string().as_bytes(), tag)
    }

    fn kinds_of(artifact_type: &str, layer_type: &str, annotations: &[(&str, &str)], tag: Option<Kind>) -> Vec<Kind> {
        let mut manifest = manifest(artifact_type, layer_type);
        manifest["annotations"] = annotations.iter().map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
        parse(&manifest, tag).unwrap().kinds
    }

    #[test]
    fn a_referrer_is_read_with_its_blobs_each_once() {
        let mut manifest = manifest("application/vnd.example", "text/plain");
        let layer = manifest["layers"][0].clone();
        manifest["layers"].as_array_mut().unwrap().push(layer);
        let referrer = parse(&manifest, None).unwrap();
        assert_eq!(referrer.subject, Some(Digest::of(b"subject")));
        assert_eq!(referrer.artifact_type.as_deref(), Some("application/vnd.example"));
        let mut expected = [(Digest::of(b"{}"), 2), (Digest::of(b"layer"), 5)];
        expected.sort();
        assert_eq!(referrer.blobs, expected);
        assert_eq!(referrer.kinds, [Kind::Other]);
    }

    #[test]
    fn without_a_type_of_its_own_it_has_that_of_its_config() {
        let mut manifest = manifest("", "text/plain");
        assert_eq!(parse(&manifest, None).unwrap().artifact_type.as_deref(), Some("application/vnd.oci.empty.v1+json"));
        manifest.as_object_mut().unwrap().remove("artifactType");
        assert_eq!(parse(&manifest, None).unwrap().artifact_type.as_deref(), Some("application/vnd.oci.empty.v1+json"));
    }

    #[test]
    fn the_kind_is_read_off_every_media_type_and_the_tag() {
        let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let (sign, predicate) = (SIGNATURE_PREDICATE, "dev.sigstore.bundle.predicateType");
        assert_eq!(kinds_of(bundle, bundle, &[(predicate, sign)], None), [Kind::Signature]);
        assert_eq!(
            kinds_of(bundle, bundle, &[(predicate, "https://slsa.dev/provenance/v1")], None),
            [Kind::Attestation]
        );
        assert_eq!(kinds_of(bundle, bundle, &[], None), [Kind::Signature, Kind::Attestation]);
        assert_eq!(kinds_of("application/spdx+json", "application/json", &[], None), [Kind::Sbom]);
        assert_eq!(
            kinds_of("application/vnd.cncf.notary.signature", "application/jose+json", &[], None),
            [Kind::Signature]
        );
        assert_eq!(kinds_of("application/vnd.in-toto+json", "text/plain", &[], None), [Kind::Attestation]);
        // A type that hides what the layer is does not help.
        assert_eq!(
            kinds_of("application/spdx+json", bundle, &[(predicate, sign)], None),
            [Kind::Signature, Kind::Sbom]
        );
        assert_eq!(kinds_of("application/vnd.note", "text/plain", &[], Some(Kind::Signature)), [Kind::Signature]);
        assert_eq!(kinds_of("Application/SPDX+json", "text/plain", &[], None), [Kind::Sbom]);
        let buildkit = "application/vnd.docker.attestation.manifest.v1+json";
        assert_eq!(listed_kinds(Some(buildkit), &BTreeMap::new()), [Kind::Attestation]);
        assert_eq!(kinds_of("application/vnd.note", "application/vnd.spdx+json", &[], None), [Kind::Sbom]);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let change = |field: &str, value: Value| {
            let mut manifest = manifest("application/vnd.example", "text/plain");
            manifest[field] = value;
            manifest
        };
        for (what, manifest) in [
            ("another media type", change("mediaType", json!("application/vnd.oci.image.index.v1+json"))),
            ("an index too", change("manifests", json!([]))),
            ("another version", change("schemaVersion", json!(1))),
            ("no layers", change("layers", Value::Null)),
            ("a subject by sha512", change("subject", json!({"mediaType": "a/b", "digest": "sha512:00", "size": 1}))),
            ("a NUL", change("annotations", json!({"a": "\u{0}"}))),
            ("long annotations", change("annotations", json!({"a": "x".repeat(ANNOTATION_BYTES)}))),
            ("a long type", change("artifactType", json!("x".repeat(256)))),
            ("two sizes of one blob", change("layers", json!([{"mediaType": "a/b", "digest": EMPTY, "size": 3}]))),
        ] {
            assert_eq!(parse(&manifest, None).unwrap_err().code(), Code::ManifestInvalid, "{what}");
        }
        let many: Vec<Value> = (0..=BLOBS)
            .map(|i| json!({"mediaType": "a/b", "digest": Digest::of(&i.to_be_bytes()).to_string(), "size": 1}))
            .collect();
        assert!(parse(&change("layers", json!(many)), None).is_err());
        let fine = manifest("application/vnd.example", "text/plain").to_string();
        assert!(Referrer::parse(Some("application/json"), fine.as_bytes(), None).is_err());
        assert!(Referrer::parse(None, fine.as_bytes(), None).is_ok());
    }

    #[test]
    fn rights_and_names_belong_to_kinds_one_to_one() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), kind);
            assert!(Kind::ATTACH.contains(&kind.attach()));
            assert_ne!(kind.attach(), kind.detach());
        }
        assert_eq!(Kind::parse("from-the-future"), Kind::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Referrer::parse(Some(IMAGE_MANIFEST), &bytes, None);
        }
    }
}
