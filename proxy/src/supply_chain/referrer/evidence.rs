//! [`is_evidence`]: which manifests are signatures, attestations and bills of materials, and nothing else. They are pulled whatever is known
//! of them, so what can be run or unpacked must not be among them.
//!
//! A list of what tools write, and not of what can be run: nobody knows all of that. Which right it takes to attach something is another
//! question, and asked of what it may be (`super::kinds`): there a kind too many does no harm.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::IMAGE_MANIFEST;
use crate::supply_chain::bundle;
use crate::supply_chain::dsse;
use crate::supply_chain::legacy::SIMPLE_SIGNING;
use crate::supply_chain::media_type::essence;
use crate::supply_chain::sbom::carried;

/// Manifests of images as Docker has them: cosign writes them where it is told to (`COSIGN_DOCKER_MEDIA_TYPES`).
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Signatures and attestations, besides those that are read here: older bundles, whose version is a parameter; cosign's referrers before
/// bundles; and syft's own form of a bill of materials.
const OTHERS: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle+json",
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.dev.cosign.artifact.att.v1+json",
    "application/vnd.syft+json",
];

/// Configs beside such layers. The first three say nothing: of image-spec 1.1, of its candidates, and of oras before it. Those of images stand
/// where older clients expect one: cosign's tags `.sig`, `.att` and `.sbom`, and BuildKit's attestations within an index.
const CONFIGS: [&str; 5] = [
    "application/vnd.oci.empty.v1+json",
    "application/vnd.oci.scratch.v1+json",
    "application/vnd.unknown.config.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// A manifest that says what it has to say in the names of its specification alone: clients that take a name in any case (Go's
/// `encoding/json`) must not find another layer in it than is found here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "what may be said besides, and nothing else")]
struct Strict {
    schema_version: u64,
    media_type: Option<String>,
    config: StrictDescriptor,
    layers: Vec<StrictDescriptor>,
    artifact_type: Option<IgnoredAny>,
    subject: Option<IgnoredAny>,
    annotations: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "what may be said besides, and nothing else")]
struct StrictDescriptor {
    media_type: String,
    digest: IgnoredAny,
    size: IgnoredAny,
    annotations: Option<IgnoredAny>,
    artifact_type: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
}

/// Whether a manifest holds signatures, attestations and bills of materials and nothing else: each of its layers is one, by its media type as
/// a whole, and its config is one that tools write beside them. What it says to refer to, and to be, makes no difference.
#[must_use]
pub fn is_evidence(manifest: &[u8]) -> bool {
    let Ok(manifest) = serde_json::from_slice::<Strict>(manifest) else { return false };
    let is_image = manifest.media_type.as_deref().is_none_or(|kind| kind == IMAGE_MANIFEST || kind == DOCKER_MANIFEST);
    let config = essence(&manifest.config.media_type);
    is_image
        && manifest.schema_version == 2
        && (CONFIGS.contains(&config.as_str()) || holds_evidence(&config))
        && !manifest.layers.is_empty()
        && manifest.layers.iter().all(|layer| holds_evidence(&essence(&layer.media_type)))
}

/// Whether a layer of this type is a signature, an attestation or a bill of materials.
fn holds_evidence(media_type: &str) -> bool {
    [bundle::MEDIA_TYPE, SIMPLE_SIGNING, dsse::MEDIA_TYPE, dsse::IN_TOTO].contains(&media_type)
        || OTHERS.contains(&media_type)
        || carried::is_document(media_type)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::OffsetDateTime;

    use super::*;
    use crate::digest::Digest;
    use crate::supply_chain::legacy::Layer;
    use crate::supply_chain::manifest::{Descriptor, append_legacy, bundle_referrer, document_referrer};

    const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    const IMAGE: &str = "application/vnd.oci.image.config.v1+json";
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const IN_TOTO: &str = "application/vnd.in-toto+json";

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(b"{}").to_string(), "size": 2})
    }

    fn manifest(config: &str, layers: &[&str]) -> Value {
        let layers: Vec<Value> = layers.iter().map(|&layer| descriptor(layer)).collect();
        json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": descriptor(config), "layers": layers})
    }

    /// With what refers to something.
    fn referrer(artifact_type: &str, config: &str, layers: &[&str]) -> Value {
        let mut manifest = manifest(config, layers);
        manifest["artifactType"] = json!(artifact_type);
        manifest["subject"] = descriptor(IMAGE_MANIFEST);
        manifest["annotations"] = json!({"org.opencontainers.image.created": "2026-06-01T00:00:00Z"});
        manifest
    }

    fn counts(manifest: &Value) -> bool {
        is_evidence(manifest.to_string().as_bytes())
    }

    #[test]
    fn what_tools_attach_is_evidence() {
        let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
        let dsse = "application/vnd.dsse.envelope.v1+json";
        let (spdx, cyclonedx) = ("application/spdx+json", "application/vnd.cyclonedx+json");
        let sig = "application/vnd.dev.cosign.artifact.sig.v1+json";
        let buildkit = "application/vnd.docker.attestation.manifest.v1+json";
        let older = "application/vnd.dev.sigstore.bundle+json;version=0.2";
        for (tool, manifest) in [
            ("cosign sign and attest", referrer(BUNDLE, EMPTY, &[BUNDLE])),
            ("cosign with an older bundle", referrer(older, EMPTY, &[older])),
            ("cosign's tag .sig", manifest(IMAGE, &[simple, simple])),
            ("cosign's tag .att", manifest(IMAGE, &[dsse])),
            ("cosign's tag .sbom", manifest(IMAGE, &["text/spdx"])),
            ("cosign's referrers before bundles", referrer(sig, sig, &[simple])),
            ("BuildKit", manifest(IMAGE, &[IN_TOTO, IN_TOTO])),
            ("BuildKit with oci-artifact=true", referrer(buildkit, EMPTY, &[IN_TOTO])),
            ("oras attach sbom.json:application/spdx+json", referrer(spdx, EMPTY, &[spdx])),
            ("oras attach with a type of one's own", referrer("application/vnd.acme.sbom", EMPTY, &[cyclonedx])),
            ("oras for registries of image-spec 1.0", referrer(spdx, spdx, &[spdx])),
            ("oras before 1.0", manifest("application/vnd.unknown.config.v1+json", &[spdx])),
            ("trivy and Zot", referrer(cyclonedx, EMPTY, &[cyclonedx])),
            ("trivy's plugin", referrer(cyclonedx, cyclonedx, &[cyclonedx])),
            ("syft's own form", referrer("application/vnd.syft+json", EMPTY, &["application/vnd.syft+json"])),
            ("another case, and a parameter", referrer(spdx, EMPTY, &["Application/SPDX+json; charset=utf-8"])),
        ] {
            assert!(counts(&manifest), "{tool}: {manifest}");
        }
    }

    #[test]
    fn what_the_service_attaches_is_evidence() {
        let subject = Descriptor::of(IMAGE_MANIFEST, b"subject");
        let legacy =
            Layer { media_type: SIMPLE_SIGNING.to_owned(), bytes: b"{}".to_vec(), annotations: Default::default() };
        for made in [
            bundle_referrer(&subject, b"bundle", "p:q", OffsetDateTime::UNIX_EPOCH).unwrap(),
            document_referrer(&subject, "application/spdx+json", b"{}", "sbom.spdx.json").unwrap(),
            append_legacy(None, &legacy).unwrap(),
        ] {
            assert!(is_evidence(&made.manifest), "{}", String::from_utf8_lossy(&made.manifest));
        }
    }

    #[test]
    fn what_can_be_run_or_unpacked_is_no_evidence_whatever_it_refers_to() {
        let spdx = "application/spdx+json";
        let (tar, docker_tar) =
            ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip");
        let (helm, chart) =
            ("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
        for (what, manifest) in [
            ("nothing", referrer(BUNDLE, EMPTY, &[])),
            ("an image", referrer(BUNDLE, IMAGE, &[tar])),
            ("an image of Docker's", referrer(BUNDLE, "application/vnd.docker.container.image.v1+json", &[docker_tar])),
            ("an image with a signature in it", referrer(BUNDLE, IMAGE, &[BUNDLE, tar])),
            (
                "a file as oras names it where nobody does",
                referrer(spdx, EMPTY, &["application/vnd.oci.image.layer.v1.tar"]),
            ),
            ("a chart", referrer(spdx, helm, &[chart])),
            ("a chart whose layer says to be something else", referrer(spdx, helm, &[spdx])),
            ("a module", referrer(spdx, "application/vnd.wasm.config.v0+json", &["application/wasm"])),
            (
                "a module whose layer says to be something else",
                referrer(spdx, "application/vnd.wasm.config.v0+json", &[spdx]),
            ),
            ("a config that nobody knows", referrer(spdx, "application/vnd.acme.program+json", &[spdx])),
            ("a type that only begins like one", referrer(BUNDLE, EMPTY, &["application/vnd.in-toto+json.tar"])),
            ("another", referrer(BUNDLE, EMPTY, &["application/spdx-image.layer.v1.tar"])),
            (
                "a bundle of a version that nobody knows",
                referrer(BUNDLE, EMPTY, &["application/vnd.dev.sigstore.bundle.tar"]),
            ),
        ] {
            assert!(!counts(&manifest), "{what}: {manifest}");
        }
        assert!(!is_evidence(b"{}"));
    }

    #[test]
    fn what_another_reader_may_read_differently_is_no_evidence() {
        let good = referrer(BUNDLE, EMPTY, &[BUNDLE]);
        let image = json!([descriptor("application/vnd.oci.image.layer.v1.tar")]);
        let changed = |pointer: &str, name: &str, value: &Value| {
            let mut manifest = good.clone();
            manifest.pointer_mut(pointer).unwrap()[name] = value.clone();
            manifest
        };
        assert!(counts(&changed("/layers/0", "data", &json!("e30="))));
        for manifest in [
            changed("", "manifests", &json!([])),
            changed("", "Layers", &image),
            changed("", "layer\u{17f}", &image),
            changed("", "schemaVersion", &json!(1)),
            changed("", "mediaType", &json!("application/vnd.oci.image.index.v1+json")),
            changed("/layers/0", "MediaType", &json!("application/vnd.oci.image.layer.v1.tar")),
        ] {
            assert!(!counts(&manifest), "{manifest}");
        }
        let twice = good.to_string().replacen('{', &format!("{{\"layers\":{image},"), 1);
        assert!(!is_evidence(twice.as_bytes()));
    }
}
