//! An instance of sigstore made here: a certificate authority, a log of its certificates, and a transparency log with one entry at a
//! time. It can do everything that a real one does, and what a real one never would.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber,
};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::bundle::MEDIA_TYPE;
use zas_proxy::supply_chain::dsse::{IN_TOTO, pae};
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair, PublicKey};
use zas_proxy::supply_chain::verify::{TrustRoot, TrustRootOptions};

use crate::support::key;

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const SUBJECT: &str = "https://git.example/team/app/ci.yml@refs/heads/main";

/// Fulcio's extension for the issuer, as DER.
const ISSUER_OID: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 8];
/// RFC 6962, 3.3.
const SCT_OID: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

pub(crate) struct Instance {
    authority: rcgen::KeyPair,
    params: CertificateParams,
    root: Vec<u8>,
    certificates: KeyPair,
    log: KeyPair,
}

/// What a certificate is to be.
pub(crate) struct Order {
    pub(crate) subject: SanType,
    pub(crate) from: OffsetDateTime,
    pub(crate) to: OffsetDateTime,
    pub(crate) usage: ExtendedKeyUsagePurpose,
    pub(crate) sct: Sct,
}

/// What the log of certificates has to say of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sct {
    Good,
    Missing,
    /// Signed by a key that is not the log's.
    Forged,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) key: KeyPair,
    pub(crate) der: Vec<u8>,
}

impl Leaf {
    pub(crate) fn pem(&self) -> String {
        pem_block("CERTIFICATE", &self.der)
    }
}

impl Default for Order {
    fn default() -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            subject: SanType::URI(SUBJECT.try_into().unwrap()),
            from: now - Duration::minutes(10),
            to: now + Duration::minutes(10),
            usage: ExtendedKeyUsagePurpose::CodeSigning,
            sct: Sct::Good,
        }
    }
}

/// When everything here is signed, unless a test says otherwise.
pub(crate) fn signing_time() -> OffsetDateTime {
    OffsetDateTime::now_utc() - Duration::minutes(5)
}

impl Instance {
    pub(crate) fn new() -> Self {
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "a test authority");
        let root = params.self_signed(&authority).unwrap().der().to_vec();
        let (certificates, log) = (key(Algorithm::EcdsaP256), key(Algorithm::EcdsaP256));
        Self { authority, params, root, certificates, log }
    }

    pub(crate) fn trust(&self) -> TrustRoot {
        self.trust_with(TrustRootOptions::default())
    }

    pub(crate) fn trust_with(&self, options: TrustRootOptions) -> TrustRoot {
        TrustRoot::from_json(&self.trusted_root().to_string(), options).unwrap()
    }

    pub(crate) fn trusted_root(&self) -> Value {
        let start = (OffsetDateTime::now_utc() - Duration::days(365)).format(&Rfc3339).unwrap();
        let log = |key: &PublicKey| {
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(key.der()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": start},
                },
                "logId": {"keyId": key.hint()},
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log.public())],
            "ctlogs": [log(self.certificates.public())],
            "certificateAuthorities": [{
                "uri": "https://authority.example",
                "certChain": {"certificates": [{"rawBytes": STANDARD.encode(&self.root)}]},
                "validFor": {"start": start},
            }],
        })
    }

    /// Issues a certificate.
    pub(crate) fn certify(&self, order: &Order) -> Leaf {
        let key = key(Algorithm::EcdsaP256);
        let public = rcgen::KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(vec![7; 16]));
        (params.not_before, params.not_after) = (order.from, order.to);
        params.subject_alt_names = vec![order.subject.clone()];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![order.usage.clone()];
        // DER: a UTF8String.
        let issuer = [&[0x0c, u8::try_from(ISSUER.len()).unwrap()], ISSUER.as_bytes()].concat();
        params.custom_extensions = vec![CustomExtension::from_oid_content(&ISSUER_OID, issuer)];
        let authority = Issuer::from_params(&self.params, &self.authority);
        if order.sct != Sct::Missing {
            // The log signs the certificate without what it says of it.
            let before = params.signed_by(&public, &authority).unwrap();
            let list = self.sct_list(&to_be_signed(before.der()), order.sct);
            params.custom_extensions.push(CustomExtension::from_oid_content(&SCT_OID, list));
        }
        let der = params.signed_by(&public, &authority).unwrap().der().to_vec();
        Leaf { key, der }
    }

    /// RFC 6962, 3.2 and 3.3: a list of one, as an OCTET STRING.
    fn sct_list(&self, certificate: &[u8], sct: Sct) -> Vec<u8> {
        let milliseconds = OffsetDateTime::now_utc().unix_timestamp().cast_unsigned() * 1000;
        let authority = Digest::of(&rcgen::PublicKeyData::subject_public_key_info(&self.authority));
        let length = u32::try_from(certificate.len()).unwrap().to_be_bytes();
        let signed = [
            &[0, 0][..],
            &milliseconds.to_be_bytes(),
            &[0, 1],
            authority.as_bytes(),
            &length[1..],
            certificate,
            &[0, 0],
        ]
        .concat();
        let forger = key(Algorithm::EcdsaP256);
        let signer = if sct == Sct::Forged { &forger } else { &self.certificates };
        let signature = signer.sign(&signed).unwrap();
        let log = *self.certificates.public().fingerprint().as_bytes();
        let time = milliseconds.to_be_bytes();
        // SHA-256 with ECDSA.
        let one = [&[0][..], &log, &time, &[0, 0], &[4, 3], &length_of(&signature), &signature].concat();
        let list = [&length_of(&one)[..], &one].concat();
        let list = [&length_of(&list)[..], &list].concat();
        let length = u8::try_from(list.len()).unwrap();
        assert!(length < 0x80, "a length of one byte");
        [&[0x04, length], &list[..]].concat()
    }

    /// Writes a body into the log, and gives the entry with promise and proof.
    pub(crate) fn entry(&self, body: &Value, at: OffsetDateTime) -> Value {
        let body_bytes = body.to_string().into_bytes();
        let (log, time) = (self.log.public().fingerprint(), at.unix_timestamp());
        let promise = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":0}}"#,
            STANDARD.encode(&body_bytes),
            log.hex()
        );
        let promise = self.log.sign(promise.as_bytes()).unwrap();
        let root = STANDARD.encode(Digest::of(&[&[0][..], &body_bytes].concat()).as_bytes());
        let note = format!("log.example\n1\n{root}\n");
        let signature = [&log.as_bytes()[..4], &self.log.sign(note.as_bytes()).unwrap()].concat();
        json!({
            "logIndex": "0",
            "logId": {"keyId": STANDARD.encode(log.as_bytes())},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "integratedTime": time.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": STANDARD.encode(promise)},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": root,
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": format!("{note}\n\u{2014} log.example {}\n", STANDARD.encode(signature))},
            },
            "canonicalizedBody": STANDARD.encode(&body_bytes),
        })
    }

    /// What a signer with a certificate makes of a payload: a bundle with its log entry.
    pub(crate) fn attest(&self, leaf: &Leaf, payload: &[u8]) -> Value {
        self.attest_at(leaf, payload, signing_time())
    }

    pub(crate) fn attest_at(&self, leaf: &Leaf, payload: &[u8], at: OffsetDateTime) -> Value {
        let signature = leaf.key.sign(&pae(IN_TOTO, payload)).unwrap();
        let entry = self.entry(&dsse_body(payload, &signature, &leaf.pem()), at);
        json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": STANDARD.encode(&leaf.der)},
                "tlogEntries": [entry],
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": STANDARD.encode(signature)}],
            },
        })
    }
}

/// What Rekor writes of a DSSE envelope (`dsse` 0.0.1).
pub(crate) fn dsse_body(payload: &[u8], signature: &[u8], verifier: &str) -> Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": Digest::of(payload).hex()},
            "payloadHash": {"algorithm": "sha256", "value": Digest::of(payload).hex()},
            "signatures": [{"signature": STANDARD.encode(signature), "verifier": STANDARD.encode(verifier)}],
        },
    })
}

/// What Rekor writes of a signature over bytes (`hashedrekord` 0.0.1).
pub(crate) fn hashedrekord_body(bytes: &[u8], signature: &[u8], verifier: &str) -> Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": Digest::of(bytes).hex()}},
            "signature": {
                "content": STANDARD.encode(signature),
                "publicKey": {"content": STANDARD.encode(verifier)},
            },
        },
    })
}

pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The first part of a certificate: what its issuer has signed.
fn to_be_signed(certificate: &[u8]) -> Vec<u8> {
    // Both lengths take two bytes: a certificate is longer than 255 bytes and shorter than 64 KiB.
    assert!(certificate[1] == 0x82 && certificate[5] == 0x82);
    let length = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
    certificate[4..8 + length].to_vec()
}

fn length_of(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}
