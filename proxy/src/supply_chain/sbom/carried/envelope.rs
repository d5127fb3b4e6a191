//! DSSE envelopes and Sigstore bundles: their payload, where it is an in-toto statement.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::supply_chain::sbom::{Place, Refusal};

/// The payload type of statements (in-toto attestation, "Envelope").
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Either alphabet, with or without padding: a verifier must take both (DSSE, "Protocol").
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// An envelope, or a bundle with one inside.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer<'a> {
    #[serde(borrow)]
    dsse_envelope: Option<Envelope<'a>>,
    payload_type: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    payload_type: String,
    #[serde(borrow)]
    payload: &'a str,
}

/// The statement of an envelope or a bundle; `None` where the payload is of another type, or the bundle holds a signature of
/// bytes that are elsewhere.
pub(super) fn payload(bytes: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let outer: Outer<'_> = serde_json::from_slice(bytes).map_err(|error| Refusal::Malformed {
        place: Place::line(error.line() as u64, error.column() as u64),
        text: "is no DSSE envelope and no Sigstore bundle".into(),
    })?;
    let (payload_type, payload) = match (outer.dsse_envelope, outer.payload_type, outer.payload) {
        (Some(envelope), ..) => (envelope.payload_type, envelope.payload),
        (None, Some(payload_type), Some(payload)) => (payload_type, payload),
        _ => return Ok(None),
    };
    if payload_type != PAYLOAD_TYPE {
        return Ok(None);
    }
    let url_safe = payload.contains(['-', '_']);
    let engine = if url_safe { &URL_SAFE } else { &STANDARD };
    engine
        .decode(payload)
        .map(Some)
        .map_err(|_| Refusal::Malformed { place: Place::at("/payload"), text: "is no base64".into() })
}
