//! Whether a layer may carry a bill of materials, and how, by what its descriptor and its manifest say.

use crate::supply_chain::media_type::essence;

/// What a manifest says of one of its layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layer<'a> {
    /// The media type of the layer.
    pub media_type: &'a str,
    /// The artifact type of the manifest; where it has none, the media type of its config.
    pub artifact_type: &'a str,
    /// The annotation `in-toto.io/predicate-type` of the layer, or `dev.sigstore.bundle.predicateType` of the manifest.
    pub predicate_type: Option<&'a str>,
}

/// How a document is brought along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manner {
    /// As it is, in a layer of a referrer or of a tag `.sbom`.
    Referrer,
    /// As the predicate of a statement that nobody signed, as buildx does.
    Statement,
    /// As the predicate of a statement in an envelope with signatures.
    Attestation,
}

impl Manner {
    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Referrer => "referrer",
            Self::Statement => "statement",
            Self::Attestation => "attestation",
        }
    }

    /// The manner of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Referrer, Self::Statement, Self::Attestation].into_iter().find(|manner| manner.as_str() == text)
    }
}

/// Media types of plain documents: what IANA has, what cosign and trivy write, and what SPDX was called before.
const DOCUMENTS: [&str; 10] = [
    "application/vnd.cyclonedx",
    "application/vnd.cyclonedx+json",
    "application/vnd.cyclonedx+xml",
    "application/spdx+json",
    "application/spdx",
    "text/spdx",
    "text/spdx+json",
    "text/spdx+xml",
    "application/vnd.spdx+json",
    "application/vnd.dev.cosign.artifact.sbom.v1+json",
];

/// Layers that say nothing of themselves; the artifact type of the manifest may (`oras attach --artifact-type`).
const NEUTRAL: [&str; 6] = [
    "",
    "application/octet-stream",
    "application/json",
    "application/xml",
    "text/plain",
    "application/vnd.oci.image.layer.v1.tar",
];

const STATEMENT: &str = "application/vnd.in-toto+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// How a layer may carry a document; `None`: it carries something else, and need not be read. A layer of statements without a
/// predicate type may carry one: only its bytes tell.
#[must_use]
pub fn manner(layer: &Layer<'_>) -> Option<Manner> {
    let media_type = essence(layer.media_type);
    let artifact_type = essence(layer.artifact_type);
    let carrier = if media_type == STATEMENT {
        Manner::Statement
    } else if media_type == ENVELOPE || media_type.starts_with(BUNDLE) {
        Manner::Attestation
    } else {
        let is_plain =
            is_document(&media_type) || NEUTRAL.contains(&media_type.as_str()) && is_document(&artifact_type);
        return is_plain.then_some(Manner::Referrer);
    };
    layer.predicate_type.is_none_or(is_sbom_predicate).then_some(carrier)
}

/// Whether a layer of this type, in lower case and without parameters, is a bill of materials as it is.
#[must_use]
pub fn is_document(media_type: &str) -> bool {
    DOCUMENTS.contains(&media_type)
}

/// Whether a predicate of this type is a bill of materials (in-toto attestation, "Predicates"; with and without a version).
#[must_use]
pub(super) fn is_sbom_predicate(predicate_type: &str) -> bool {
    ["https://spdx.dev/Document", "https://cyclonedx.org/bom", "https://cyclonedx.org/schema"]
        .iter()
        .any(|known| predicate_type.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(media_type: &str, artifact_type: &str, predicate_type: Option<&str>) -> Option<Manner> {
        manner(&Layer { media_type, artifact_type, predicate_type })
    }

    #[test]
    fn what_tools_attach_is_known() {
        for (tool, media_type, artifact_type, predicate_type, expected) in [
            ("trivy", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+json", None, Manner::Referrer),
            ("zot", "application/spdx+json", "application/spdx+json", None, Manner::Referrer),
            (
                "oras attach a.json",
                "application/vnd.oci.image.layer.v1.tar",
                "application/spdx+json",
                None,
                Manner::Referrer,
            ),
            (
                "oras attach a.json:application/json",
                "application/json",
                "application/vnd.cyclonedx+json",
                None,
                Manner::Referrer,
            ),
            ("cosign attach sbom", "text/spdx", "application/vnd.oci.image.config.v1+json", None, Manner::Referrer),
            ("buildx", "application/vnd.in-toto+json", "", Some("https://spdx.dev/Document"), Manner::Statement),
            (
                "cosign 2",
                "application/vnd.dsse.envelope.v1+json",
                "",
                Some("https://cyclonedx.org/bom"),
                Manner::Attestation,
            ),
            (
                "cosign 3",
                "application/vnd.dev.sigstore.bundle.v0.3+json",
                "application/vnd.dev.sigstore.bundle.v0.3+json",
                Some("https://spdx.dev/Document/v2.3"),
                Manner::Attestation,
            ),
            ("an envelope that does not say", "application/vnd.dsse.envelope.v1+json", "", None, Manner::Attestation),
        ] {
            assert_eq!(found(media_type, artifact_type, predicate_type), Some(expected), "{tool}");
        }
    }

    #[test]
    fn what_carries_something_else_is_left_alone() {
        for (media_type, artifact_type, predicate_type) in [
            ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.config.v1+json", None),
            ("application/vnd.in-toto+json", "", Some("https://slsa.dev/provenance/v1")),
            ("application/vnd.dev.sigstore.bundle.v0.3+json", "", Some("https://sigstore.dev/cosign/sign/v1")),
            ("application/json", "application/vnd.example", None),
            ("application/vnd.in-toto+json", "", Some("https://spdx.dev/Documents")),
            ("", "", None),
        ] {
            assert_eq!(found(media_type, artifact_type, predicate_type), None, "{media_type}");
        }
    }
}
