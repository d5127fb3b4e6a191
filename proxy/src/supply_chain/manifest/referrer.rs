//! The manifest of a bundle that refers to what it is about.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Artifact, Descriptor, MANIFEST, Manifest};
use crate::supply_chain::Malformed;
use crate::supply_chain::bundle::MEDIA_TYPE;
use crate::supply_chain::limits::BUNDLE_BYTES;

const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The referrer that cosign 3 writes for a bundle with a statement of this predicate type, with one annotation more that tells other
/// tools the same. `created` is when it was made.
/// # Errors
/// Never with arguments that were made here.
pub fn bundle_referrer(
    subject: &Descriptor,
    bundle: &[u8],
    predicate_type: &str,
    created: OffsetDateTime,
) -> Result<Artifact, Malformed> {
    annotated_bundle_referrer(subject, bundle, predicate_type, created, &[])
}

/// As [`bundle_referrer`], with annotations of ours.
/// # Errors
/// Never with arguments that were made here.
pub fn annotated_bundle_referrer(
    subject: &Descriptor,
    bundle: &[u8],
    predicate_type: &str,
    created: OffsetDateTime,
    more: &[(&str, &str)],
) -> Result<Artifact, Malformed> {
    let whole = created.replace_nanosecond(0).unwrap_or(created);
    let created = whole.format(&Rfc3339).map_err(|error| Malformed::form("the time of a bundle", error))?;
    let mut annotations = BTreeMap::from([
        ("org.opencontainers.image.created".to_owned(), created),
        ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
        ("dev.sigstore.bundle.predicateType".to_owned(), predicate_type.to_owned()),
        // What trivy looks for.
        ("in-toto.io/predicate-type".to_owned(), predicate_type.to_owned()),
    ]);
    annotations.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: Some(MEDIA_TYPE.to_owned()),
        config: Descriptor::of(EMPTY, b"{}"),
        layers: vec![Descriptor::of(MEDIA_TYPE, bundle)],
        subject: Some(Descriptor { annotations: BTreeMap::new(), ..subject.clone() }),
        annotations,
    };
    Ok(Artifact { manifest: manifest.to_json()?, blobs: vec![b"{}".to_vec(), bundle.to_vec()] })
}

/// The referrer that `oras attach` writes for a document of this type: the same one each time, so that a document that is attached
/// again is there once. `title` is what the file is called when it is pulled.
/// # Errors
/// Never with arguments that were made here.
pub fn document_referrer(
    subject: &Descriptor,
    media_type: &str,
    document: &[u8],
    title: &str,
) -> Result<Artifact, Malformed> {
    let title = ("org.opencontainers.image.title".to_owned(), title.to_owned());
    let layer = Descriptor { annotations: BTreeMap::from([title]), ..Descriptor::of(media_type, document) };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: Some(media_type.to_owned()),
        config: Descriptor::of(EMPTY, b"{}"),
        layers: vec![layer],
        subject: Some(Descriptor { annotations: BTreeMap::new(), ..subject.clone() }),
        annotations: BTreeMap::new(),
    };
    Ok(Artifact { manifest: manifest.to_json()?, blobs: vec![b"{}".to_vec(), document.to_vec()] })
}

/// The bundle that a referrer holds: where it lies.
/// # Errors
/// It is no manifest with one bundle in it, or the bundle is longer than what is read.
pub fn bundle_layer(manifest: &[u8]) -> Result<Descriptor, Malformed> {
    const WHAT: &str = "the referrer of a bundle";
    let manifest = Manifest::parse(manifest)?;
    let many = manifest.layers.len();
    let [layer] = <[Descriptor; 1]>::try_from(manifest.layers)
        .map_err(|_| Malformed::form(WHAT, format!("it must have one layer and has {many}")))?;
    if layer.media_type != MEDIA_TYPE {
        return Err(Malformed::kind(WHAT, &layer.media_type));
    }
    Malformed::check("a sigstore bundle", usize::try_from(layer.size).unwrap_or(usize::MAX), BUNDLE_BYTES)?;
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn referrer() -> Value {
        let subject = Descriptor::of(MANIFEST, b"subject");
        let at = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap() + time::Duration::milliseconds(1);
        let artifact = bundle_referrer(&subject, b"bundle", "p:q", at).unwrap();
        assert_eq!(artifact.blobs, [&b"{}"[..], b"bundle"]);
        serde_json::from_slice(&artifact.manifest).unwrap()
    }

    #[test]
    fn a_bundle_refers_to_its_subject_as_cosign_writes_it() {
        let expected = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "size": 2,
            },
            "layers": [{
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "digest": Digest::of(b"bundle").to_string(),
                "size": 6,
            }],
            "subject": {"mediaType": MANIFEST, "digest": Digest::of(b"subject").to_string(), "size": 7},
            "annotations": {
                "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": "p:q",
                "in-toto.io/predicate-type": "p:q",
            },
        });
        assert_eq!(referrer(), expected);
    }

    #[test]
    fn a_document_refers_to_its_subject_the_same_way_each_time() {
        let subject = Descriptor::of(MANIFEST, b"subject");
        let made = || document_referrer(&subject, "application/spdx+json", b"document", "sbom.spdx.json").unwrap();
        assert_eq!(made().manifest, made().manifest);
        let manifest: Value = serde_json::from_slice(&made().manifest).unwrap();
        assert_eq!(manifest["artifactType"], "application/spdx+json");
        assert_eq!(manifest["layers"][0]["mediaType"], "application/spdx+json");
        assert_eq!(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"], "sbom.spdx.json");
        assert_eq!(manifest["subject"]["digest"], subject.digest.to_string());
    }

    #[test]
    fn the_bundle_is_found_in_its_referrer_and_in_nothing_else() {
        let layer = bundle_layer(referrer().to_string().as_bytes()).unwrap();
        assert_eq!((layer.digest, layer.size), (Digest::of(b"bundle"), 6));
        let changes: [fn(&mut Value); 6] = [
            |value| value["layers"] = json!([]),
            |value| value["layers"] = json!([value["layers"][0], value["layers"][0]]),
            |value| value["layers"][0]["mediaType"] = json!("text/plain"),
            |value| value["layers"][0]["size"] = json!(BUNDLE_BYTES + 1),
            |value| value["layers"][0]["digest"] = json!("sha512:00"),
            |value| value["mediaType"] = json!("application/vnd.oci.image.index.v1+json"),
        ];
        for change in changes {
            let mut value = referrer();
            change(&mut value);
            assert!(bundle_layer(value.to_string().as_bytes()).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            prop_assert!(bundle_layer(&bytes).is_err());
            let mut changed = referrer().to_string().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let _ = bundle_layer(&changed);
        }
    }
}
