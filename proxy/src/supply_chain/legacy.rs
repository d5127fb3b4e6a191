//! Signatures as cosign stored them before bundles: a simple-signing payload, its signature and what vouches for it in annotations
//! (cosign, `specs/SIGNATURE_SPEC.md`; containers/image, "atomic container signature" for the payload).
//!
//! Unlike a bundle, the payload names the repository: a signature that was copied from another one is found out.
//! What does not live here: the manifest that holds the layers (`manifest`), and whether a signature is to be believed (`verify`).

mod evidence;
mod payload;

use std::collections::BTreeMap;

pub use payload::{Payload, Repository};

use super::limits::{ANNOTATION_BYTES, LEGACY_PAYLOAD_BYTES};
use super::{Malformed, dsse, encoding};

/// The media type of a layer that is a simple-signing payload.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation that holds a payload's signature, in base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// One layer of a `.sig` or `.att` manifest with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// [`SIMPLE_SIGNING`], or [`dsse::MEDIA_TYPE`].
    pub media_type: String,
    /// The bytes of the layer.
    pub bytes: Vec<u8>,
    /// The annotations of its descriptor.
    pub annotations: BTreeMap<String, String>,
}

impl Layer {
    /// The layer of a payload that a key has signed.
    #[must_use]
    pub fn signed(payload: Vec<u8>, signature: &[u8]) -> Self {
        let annotations = BTreeMap::from([(SIGNATURE.to_owned(), encoding::encode(signature))]);
        Self { media_type: SIMPLE_SIGNING.to_owned(), bytes: payload, annotations }
    }

    /// The signature over the payload.
    pub(super) fn signature(&self) -> Result<Vec<u8>, Malformed> {
        let text = self.annotation(SIGNATURE)?.ok_or_else(|| Malformed::form("a legacy signature", "it has none"))?;
        encoding::decode(text).ok_or_else(|| Malformed::form("a legacy signature", "it is not base64"))
    }

    /// Whether a certificate is to say who signed.
    pub(super) fn has_certificate(&self) -> bool {
        self.annotations.get(CERTIFICATE).is_some_and(|text| !text.is_empty())
    }

    /// Refuses layers of other types, and those that are too long.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        match self.media_type.as_str() {
            SIMPLE_SIGNING => Malformed::check("a legacy signature", self.bytes.len(), LEGACY_PAYLOAD_BYTES),
            // Its reader has its own limit.
            dsse::MEDIA_TYPE => Ok(()),
            other => Err(Malformed::kind("a legacy signature", other)),
        }
    }

    fn annotation(&self, name: &str) -> Result<Option<&str>, Malformed> {
        let Some(text) = self.annotations.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        Malformed::check("an annotation of a legacy signature", text.len(), ANNOTATION_BYTES)?;
        Ok(Some(text))
    }
}
