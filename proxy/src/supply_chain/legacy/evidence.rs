//! What vouches for a legacy signature, as `sigstore-verify` has it: the annotations put together to a bundle of an older version.

use pem::Pem;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sigstore_verify::types;
use sigstore_verify::types::bundle::{
    PublicKeyIdentifier, Rfc3161Timestamp, TimestampVerificationData, TransparencyLogEntry, VerificationMaterial,
    VerificationMaterialContent, X509Certificate,
};
use sigstore_verify::types::{DerCertificate, MediaType, TimestampToken};

use super::{CERTIFICATE, CHAIN, LOG_ENTRY, Layer, TIMESTAMP};
use crate::supply_chain::Malformed;
use crate::supply_chain::bundle::Content;
use crate::supply_chain::encoding::Base64;

const WHAT: &str = "the log entry of a legacy signature";

/// Certificates of a chain, the signer's included.
const CHAIN_LENGTH: usize = 8;

/// An entry of Rekor with its promise, as cosign wrote it.
#[derive(Deserialize)]
struct LogEntry {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: Base64,
    #[serde(rename = "Payload")]
    payload: LogPayload,
}

#[derive(Deserialize)]
struct LogPayload {
    body: Base64,
    #[serde(rename = "integratedTime")]
    time: i64,
    #[serde(rename = "logIndex")]
    index: u64,
    #[serde(rename = "logID")]
    log: String,
}

#[derive(Deserialize, Serialize)]
struct LogBody {
    #[serde(rename(deserialize = "apiVersion"))]
    version: String,
    kind: String,
}

#[derive(Deserialize)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: Base64,
}

impl Layer {
    /// Whether anything but a key vouches for the signature.
    pub(in crate::supply_chain) fn has_evidence(&self) -> bool {
        [LOG_ENTRY, TIMESTAMP].iter().any(|name| self.annotations.get(*name).is_some_and(|text| !text.is_empty()))
    }

    /// The signature over `content` with all that vouches for it.
    pub(in crate::supply_chain) fn to_sigstore(&self, content: &Content) -> Result<types::Bundle, Malformed> {
        let entry = self.annotation(LOG_ENTRY)?.map(log_entry).transpose()?;
        let timestamp = self.annotation(TIMESTAMP)?.map(timestamp).transpose()?;
        // Version 0.1 is the one with a promise in place of a proof; without an entry, 0.2 has the same form.
        let version = if entry.is_some() { MediaType::Bundle0_1 } else { MediaType::Bundle0_2 };
        let signer = match self.annotation(CERTIFICATE)? {
            Some(certificate) => chain(certificate, self.annotation(CHAIN)?.unwrap_or_default())?,
            None => VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new("")),
        };
        let material = VerificationMaterial::new(signer)
            .with_tlog_entries(entry.into_iter().collect())
            .with_timestamp_verification_data(TimestampVerificationData::new(timestamp.into_iter().collect()));
        Ok(types::Bundle::new(version, material, content.to_sigstore()))
    }
}

fn chain(certificate: &str, chain: &str) -> Result<VerificationMaterialContent, Malformed> {
    let leaf = certificates(certificate)?;
    if leaf.len() != 1 {
        return Err(Malformed::form("the certificate of a legacy signature", "there must be one"));
    }
    let certificates: Vec<_> = leaf.into_iter().chain(certificates(chain)?).collect();
    Malformed::check("the chain of a legacy signature", certificates.len(), CHAIN_LENGTH)?;
    Ok(VerificationMaterialContent::X509CertificateChain { certificates })
}

fn certificates(text: &str) -> Result<Vec<X509Certificate>, Malformed> {
    let wrong = |why: &str| Malformed::form("the certificates of a legacy signature", why);
    let blocks = pem::parse_many(text).map_err(|_| wrong("they are not PEM"))?;
    let read = |block: Pem| match block.tag() {
        "CERTIFICATE" => Ok(X509Certificate::new(DerCertificate::new(block.into_contents()))),
        _ => Err(wrong("there is something else among them")),
    };
    blocks.into_iter().map(read).collect()
}

fn log_entry(text: &str) -> Result<TransparencyLogEntry, Malformed> {
    let form = |error: serde_json::Error| Malformed::form(WHAT, error);
    let entry: LogEntry = serde_json::from_str(text).map_err(form)?;
    let body: LogBody = serde_json::from_slice(&entry.payload.body.0).map_err(form)?;
    let log = hex::decode(&entry.payload.log).map_err(|error| Malformed::form(WHAT, error))?;
    serde_json::from_value(json!({
        "logIndex": entry.payload.index,
        "logId": {"keyId": Base64(log)},
        "kindVersion": body,
        "integratedTime": entry.payload.time,
        "inclusionPromise": {"signedEntryTimestamp": entry.promise},
        "canonicalizedBody": entry.payload.body,
    }))
    .map_err(form)
}

fn timestamp(text: &str) -> Result<Rfc3161Timestamp, Malformed> {
    let timestamp: Timestamp =
        serde_json::from_str(text).map_err(|error| Malformed::form("the timestamp of a legacy signature", error))?;
    Ok(Rfc3161Timestamp::new(TimestampToken::new(timestamp.token.0)))
}
