//! [`Bundle`]: a signature with all that is needed to check it (sigstore protobuf-specs, `sigstore_bundle.proto`, v0.3, as JSON).
//!
//! Read as strictly as cosign reads it (protojson): a name that is not known, or stands twice, is refused, so that nobody sees more
//! in a bundle than somebody else. Entries of logs and timestamps have the types of `sigstore-verify`, which checks them; names within
//! them that are not known are passed over, as everything in them is proven or not.
//! What does not live here: whether any of it is true (`verify`), and how a bundle lies in a registry (`manifest`).

use serde::{Deserialize, Serialize};
use sigstore_verify::types;
use sigstore_verify::types::bundle::{
    CertificateContent, MessageDigest, MessageSignature, PublicKeyIdentifier, Rfc3161Timestamp,
    TimestampVerificationData, TransparencyLogEntry, VerificationMaterial, VerificationMaterialContent,
};
use sigstore_verify::types::{DerCertificate, HashAlgorithm, MediaType, SignatureContent};

use super::Malformed;
use super::dsse::{self, Envelope};
use super::encoding::Base64;
use super::keys::PublicKey;
use super::limits::{ANNOTATION_BYTES, BUNDLE_BYTES, LOG_ENTRIES, NAME_BYTES, TIMESTAMPS};

/// The media type of the bundles that we write and read.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The same by the scheme of the earlier versions.
const MEDIA_TYPE_ALIAS: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

const WHAT: &str = "a sigstore bundle";

/// A signature with all that is needed to check it.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Who says to have signed.
    pub claimed: Claimed,
    /// Entries of transparency logs about the signature.
    pub log_entries: Vec<TransparencyLogEntry>,
    /// When it was there at the latest (RFC 3161).
    pub timestamps: Vec<Rfc3161Timestamp>,
    /// What was signed.
    pub content: Content,
}

/// Who says to have signed. Nothing here is a reason to believe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The holder of a key. The hint helps to find it; it is no key and chooses none.
    Key {
        /// cosign: the SHA-256 of the key in DER, in base64.
        hint: String,
    },
    /// Whom a certificate authority names in this certificate (DER).
    Certificate(Vec<u8>),
}

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A statement, or other bytes of a type.
    Envelope(Envelope),
    /// The artifact itself.
    Message {
        /// What the artifact is said to be.
        digest: Option<MessageDigest>,
        /// The signature over its bytes.
        signature: Vec<u8>,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    media_type: String,
    verification_material: WireMaterial,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_signature: Option<WireMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<dsse::Wire>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireMaterial {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<WireKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<WireCertificate>,
    #[serde(default, skip_serializing)]
    x509_certificate_chain: Option<serde::de::IgnoredAny>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tlog_entries: Option<Vec<TransparencyLogEntry>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<TimestampVerificationData>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireCertificate {
    raw_bytes: Base64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_digest: Option<MessageDigest>,
    signature: Base64,
}

impl Bundle {
    /// A bundle of a signature that `key` has made, without a log and without timestamps.
    #[must_use]
    pub fn keyed(key: &PublicKey, content: Content) -> Self {
        let claimed = Claimed::Key { hint: key.hint() };
        Self { claimed, log_entries: Vec::new(), timestamps: Vec::new(), content }
    }

    /// Reads a bundle.
    /// # Errors
    /// [`Malformed`] says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        Malformed::check(WHAT, json.len(), BUNDLE_BYTES)?;
        let wire: Wire = serde_json::from_slice(json).map_err(|error| Malformed::form(WHAT, error))?;
        if wire.media_type != MEDIA_TYPE && wire.media_type != MEDIA_TYPE_ALIAS {
            return Err(Malformed::kind(WHAT, &wire.media_type));
        }
        let material = wire.verification_material;
        let claimed = claimed(&material)?;
        let log_entries = material.tlog_entries.unwrap_or_default();
        let timestamps = material.timestamp_verification_data.unwrap_or_default().rfc3161_timestamps;
        Malformed::check("the log entries of a bundle", log_entries.len(), LOG_ENTRIES)?;
        Malformed::check("the timestamps of a bundle", timestamps.len(), TIMESTAMPS)?;
        let content = match (wire.dsse_envelope, wire.message_signature) {
            (Some(envelope), None) => Content::Envelope(envelope.try_into()?),
            (None, Some(message)) => {
                Content::Message { digest: message.message_digest, signature: message.signature.0 }
            }
            _ => return Err(Malformed::form(WHAT, "it must have one of dsseEnvelope and messageSignature")),
        };
        Ok(Self { claimed, log_entries, timestamps, content })
    }

    /// The bundle as JSON.
    /// # Errors
    /// Never for a bundle that was read or made here.
    pub fn to_json(&self) -> Result<Vec<u8>, Malformed> {
        let (public_key, certificate) = match &self.claimed {
            Claimed::Key { hint } => (Some(WireKey { hint: hint.clone() }), None),
            Claimed::Certificate(der) => (None, Some(WireCertificate { raw_bytes: Base64(der.clone()) })),
        };
        let (dsse_envelope, message_signature) = match &self.content {
            Content::Envelope(envelope) => (Some(envelope.into()), None),
            Content::Message { digest, signature } => {
                let signature = Base64(signature.clone());
                (None, Some(WireMessage { message_digest: digest.clone(), signature }))
            }
        };
        let timestamps = TimestampVerificationData::new(self.timestamps.clone());
        let material = WireMaterial {
            public_key,
            certificate,
            x509_certificate_chain: None,
            tlog_entries: (!self.log_entries.is_empty()).then(|| self.log_entries.clone()),
            timestamp_verification_data: (!self.timestamps.is_empty()).then_some(timestamps),
        };
        let media_type = MEDIA_TYPE.to_owned();
        let wire = Wire { media_type, verification_material: material, message_signature, dsse_envelope };
        serde_json::to_vec(&wire).map_err(|error| Malformed::form(WHAT, error))
    }

    /// The same bundle as `sigstore-verify` has it.
    pub(super) fn to_sigstore(&self) -> types::Bundle {
        let material = match &self.claimed {
            Claimed::Key { hint } => VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint)),
            Claimed::Certificate(der) => {
                VerificationMaterialContent::Certificate(CertificateContent::new(DerCertificate::from_bytes(der)))
            }
        };
        let material = VerificationMaterial::new(material)
            .with_tlog_entries(self.log_entries.clone())
            .with_timestamp_verification_data(TimestampVerificationData::new(self.timestamps.clone()));
        types::Bundle::new(MediaType::Bundle0_3, material, self.content.to_sigstore())
    }
}

impl Content {
    pub(super) fn to_sigstore(&self) -> SignatureContent {
        match self {
            Self::Envelope(envelope) => SignatureContent::DsseEnvelope(types::DsseEnvelope::new(
                &envelope.payload_type,
                types::PayloadBytes::from_bytes(&envelope.payload),
                types::DsseSignature::new(
                    types::SignatureBytes::from_bytes(&envelope.signature),
                    types::KeyId::default(),
                ),
            )),
            Self::Message { digest, signature } => {
                let message = MessageSignature::new(types::SignatureBytes::from_bytes(signature));
                SignatureContent::MessageSignature(match digest {
                    Some(digest) => message.with_message_digest(digest.clone()),
                    None => message,
                })
            }
        }
    }

    /// A signature over an artifact whose SHA-256 is this.
    #[must_use]
    pub fn message(digest: &crate::digest::Digest, signature: Vec<u8>) -> Self {
        let digest = types::DigestBytes::from(digest.as_bytes().as_slice());
        Self::Message { digest: Some(MessageDigest::new(HashAlgorithm::Sha2256, digest)), signature }
    }
}

fn claimed(material: &WireMaterial) -> Result<Claimed, Malformed> {
    match (&material.public_key, &material.certificate, &material.x509_certificate_chain) {
        (Some(key), None, None) => {
            Malformed::check("the hint of a bundle", key.hint.len(), NAME_BYTES)?;
            Ok(Claimed::Key { hint: key.hint.clone() })
        }
        (None, Some(certificate), None) => {
            Malformed::check("the certificate of a bundle", certificate.raw_bytes.0.len(), ANNOTATION_BYTES)?;
            Ok(Claimed::Certificate(certificate.raw_bytes.0.clone()))
        }
        (None, None, Some(_)) => Err(Malformed::form(WHAT, "version 0.3 has one certificate and no chain")),
        _ => Err(Malformed::form(WHAT, "it must have one of publicKey and certificate")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn bundle() -> Value {
        json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": "aGludA=="}},
            "dsseEnvelope": {"payload": "aGk=", "payloadType": "t", "signatures": [{"sig": "AA=="}]},
        })
    }

    fn parse(value: &Value) -> Result<Bundle, Malformed> {
        Bundle::parse(value.to_string().as_bytes())
    }

    fn with(pointer: &str, name: &str, new: Value) -> Value {
        let mut value = bundle();
        value.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(name.to_owned(), new);
        value
    }

    #[test]
    fn a_bundle_is_written_as_it_was_read() {
        let message = json!({"messageDigest": {"algorithm": "SHA2_256", "digest": "aGk="}, "signature": "AA=="});
        let mut signed = with("", "messageSignature", message);
        signed.as_object_mut().unwrap().remove("dsseEnvelope");
        signed["verificationMaterial"] = json!({"certificate": {"rawBytes": "MAA="}});
        for value in [bundle(), signed] {
            let json = parse(&value).unwrap().to_json().unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), value);
        }
    }

    #[test]
    fn other_versions_are_named_in_the_refusal() {
        let old = "application/vnd.dev.sigstore.bundle+json;version=0.2";
        let refused = parse(&with("", "mediaType", json!(old))).unwrap_err();
        assert_eq!(refused, Malformed::Kind { what: WHAT, found: old.to_owned() });
        assert!(parse(&with("", "mediaType", json!(MEDIA_TYPE_ALIAS))).is_ok());
    }

    #[test]
    fn what_cosign_would_not_read_is_not_read() {
        for (value, says) in [
            (with("", "more", json!(1)), "unknown field"),
            (with("/verificationMaterial", "more", json!(1)), "unknown field"),
            (with("/verificationMaterial/publicKey", "rawBytes", json!("AA==")), "unknown field"),
            (with("/dsseEnvelope", "more", json!(1)), "unknown field"),
            (with("", "messageSignature", json!({"signature": "AA=="})), "one of dsseEnvelope"),
            (with("", "dsseEnvelope", Value::Null), "one of dsseEnvelope"),
            (with("/verificationMaterial", "publicKey", Value::Null), "one of publicKey"),
            (with("/verificationMaterial", "certificate", json!({"rawBytes": "MAA="})), "one of publicKey"),
            (with("/verificationMaterial", "tlogEntries", json!([{}])), "missing field"),
        ] {
            assert!(parse(&value).unwrap_err().to_string().contains(says), "{value}");
        }
        let chain = json!({"x509CertificateChain": {"certificates": [{"rawBytes": "MAA="}]}});
        assert!(parse(&with("", "verificationMaterial", chain)).unwrap_err().to_string().contains("no chain"));
        let twice = bundle().to_string().replacen('{', &format!("{{\"mediaType\":\"{MEDIA_TYPE}\","), 1);
        assert!(Bundle::parse(twice.as_bytes()).unwrap_err().to_string().contains("duplicate field"));
    }

    #[test]
    fn two_signatures_in_one_envelope_are_refused() {
        let two = json!([{"sig": "AA=="}, {"sig": "AA=="}]);
        assert_eq!(parse(&with("/dsseEnvelope", "signatures", two)).unwrap_err(), Malformed::Signatures(2));
    }

    #[test]
    fn too_much_of_anything_is_refused() {
        let stamps = json!({"rfc3161Timestamps": vec![json!({"signedTimestamp": "MAA="}); TIMESTAMPS + 1]});
        for value in [
            with("/verificationMaterial", "timestampVerificationData", stamps),
            with("/verificationMaterial/publicKey", "hint", json!("x".repeat(NAME_BYTES + 1))),
        ] {
            assert!(matches!(parse(&value), Err(Malformed::TooLarge { .. })));
        }
        let long = vec![b' '; BUNDLE_BYTES + 1];
        assert!(matches!(Bundle::parse(&long), Err(Malformed::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn a_bundle_that_is_cut_or_changed_is_refused_or_read_and_never_breaks_the_reader(
            cut in 0..200_usize, at in 0..200_usize, byte in any::<u8>(),
        ) {
            let whole = bundle().to_string().into_bytes();
            prop_assert!(Bundle::parse(&whole[..cut.min(whole.len() - 1)]).is_err());
            let mut changed = whole;
            let at = at % changed.len();
            changed[at] = byte;
            let _ = Bundle::parse(&changed);
        }
    }
}
