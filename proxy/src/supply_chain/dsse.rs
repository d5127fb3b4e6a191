//! [`Envelope`]: bytes of a type, and who has signed them (DSSE 1.0, "Dead Simple Signing Envelope").
//!
//! What is signed is the pre-authentication encoding, so that a payload never passes for one of another type. A `keyid` is a hint and
//! chooses no key. The envelopes of the DSSE specification may have many signatures; those that we read have one, because a bundle's
//! certificate, log entry and timestamps vouch for one.

use serde::{Deserialize, Serialize};

use super::Malformed;
use super::encoding::Base64;
use super::limits::{BUNDLE_BYTES, PAYLOAD_BYTES};

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The media type of an envelope: the layers of a legacy attestation.
pub const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

const WHAT: &str = "a DSSE envelope";

/// Signed bytes with their one signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the bytes are.
    pub payload_type: String,
    /// The bytes.
    pub payload: Vec<u8>,
    /// The signature over [`pae`].
    pub signature: Vec<u8>,
}

/// An envelope as it stands in JSON.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wire {
    payload: Base64,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    sig: Base64,
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "read so that it may stand there, and never looked at: it chooses no key")]
    keyid: Option<String>,
}

/// The bytes that a signature is over: `DSSEv1`, and length and text of type and payload.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Reads an envelope that stands by itself.
    /// # Errors
    /// [`Malformed`] says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        Malformed::check(WHAT, json.len(), BUNDLE_BYTES)?;
        let wire: Wire = serde_json::from_slice(json).map_err(|error| Malformed::form(WHAT, error))?;
        wire.try_into()
    }

    /// The envelope as JSON.
    /// # Errors
    /// Never for an envelope that was read or made here.
    pub fn to_json(&self) -> Result<Vec<u8>, Malformed> {
        serde_json::to_vec(&Wire::from(self)).map_err(|error| Malformed::form(WHAT, error))
    }

    /// The bytes that the signature is over.
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }
}

/// Without the payload, which may be long.
impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({}, {} bytes)", self.payload_type, self.payload.len())
    }
}

impl TryFrom<Wire> for Envelope {
    type Error = Malformed;

    fn try_from(wire: Wire) -> Result<Self, Malformed> {
        Malformed::check("the payload of a DSSE envelope", wire.payload.0.len(), PAYLOAD_BYTES)?;
        let many = wire.signatures.len();
        let [signature] = <[WireSignature; 1]>::try_from(wire.signatures).map_err(|_| Malformed::Signatures(many))?;
        Ok(Self { payload_type: wire.payload_type, payload: wire.payload.0, signature: signature.sig.0 })
    }
}

impl From<&Envelope> for Wire {
    fn from(envelope: &Envelope) -> Self {
        Self {
            payload: Base64(envelope.payload.clone()),
            payload_type: envelope.payload_type.clone(),
            signatures: vec![WireSignature { sig: Base64(envelope.signature.clone()), keyid: None }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // DSSE 1.0, "Test vectors".
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
        assert_eq!(pae("é", b""), "DSSEv1 2 é 0 ".as_bytes());
    }

    fn json(signatures: &str) -> String {
        format!(r#"{{"payload":"aGk=","payloadType":"t","signatures":[{signatures}]}}"#)
    }

    #[test]
    fn exactly_one_signature_is_read() {
        let one = r#"{"sig":"_-8=","keyid":"anything"}"#;
        let envelope = Envelope::parse(json(one).as_bytes()).unwrap();
        assert_eq!((envelope.payload.as_slice(), envelope.signature.as_slice()), (&b"hi"[..], &[0xff, 0xef][..]));
        for (signatures, many) in [(String::new(), 0), (format!("{one},{one}"), 2)] {
            assert_eq!(Envelope::parse(json(&signatures).as_bytes()), Err(Malformed::Signatures(many)));
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let one = r#"{"sig":"_-8="}"#;
        for text in [
            json(one).replace("\"payloadType\"", "\"payload\":\"aGk=\",\"payloadType\""),
            json(r#"{"sig":"_-8=","sig":"_-8="}"#),
            json(r#"{"sig":"_-8=","cert":"x"}"#),
            json(one).replace('}', ",\"more\":1}"),
            json(r#"{"sig":"_-/="}"#),
            json(r#"{"keyid":"x"}"#),
            json(one).replace("\"aGk=\"", "1"),
        ] {
            assert!(matches!(Envelope::parse(text.as_bytes()), Err(Malformed::Form { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_envelope_is_read_as_it_was_written(
            payload in any::<Vec<u8>>(), payload_type in ".*", signature in any::<Vec<u8>>(),
        ) {
            let envelope = Envelope { payload_type, payload, signature };
            prop_assert_eq!(Envelope::parse(&envelope.to_json().unwrap()).unwrap(), envelope);
        }

        #[test]
        fn two_different_contents_never_have_one_encoding(a in "[a-c ]{0,4}", b in "[a-c ]{0,4}", c in "[0-9 ]{0,6}", d in "[0-9 ]{0,6}") {
            prop_assume!((&a, &c) != (&b, &d));
            prop_assert_ne!(pae(&a, c.as_bytes()), pae(&b, d.as_bytes()));
        }

        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), cut in 0..60_usize) {
            let _ = Envelope::parse(&bytes);
            let whole = json(r#"{"sig":"_-8="}"#);
            prop_assert!(Envelope::parse(&whole.as_bytes()[..cut]).is_err());
        }
    }
}
