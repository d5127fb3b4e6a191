//! Somebody who would like to be believed: what they attach to an artifact, case by case, and what a verifier must say to each.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::bundle::{Bundle, Content};
use zas_proxy::supply_chain::dsse::{Envelope, IN_TOTO, pae};
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::legacy::{Layer, Payload, SIGNATURE};
use zas_proxy::supply_chain::limits::{LEGACY_PAYLOAD_BYTES, NAME_BYTES};
use zas_proxy::supply_chain::statement::{COSIGN_SIGN_V1, Statement, Subject};

use crate::instance::{Instance, Order, dsse_body, hashedrekord_body, signing_time};
use crate::legacy::{LOG_ENTRY, annotation};
use crate::support::key;
use crate::world::{HOST, Thing};

/// Keys of everybody, of whom a service believes `vendor` alone; an instance of sigstore that it believes, and one that it does not.
pub(crate) struct Forger {
    pub(crate) vendor: KeyPair,
    pub(crate) revoked: KeyPair,
    pub(crate) expired: KeyPair,
    pub(crate) later: KeyPair,
    stranger: KeyPair,
    pub(crate) instance: Instance,
    elsewhere: Instance,
}

/// What is attached.
pub(crate) enum Attached {
    /// The bytes of a bundle.
    Bundle(Vec<u8>),
    /// A signature under the tag of older clients.
    Legacy(Layer),
}

/// One thing to try.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Why the evidence does not count; nothing: it is good, and no signature.
    pub(crate) refusal: Option<&'static str>,
    pub(crate) make: fn(&Forger, &Thing) -> Attached,
}

const fn case(name: &'static str, refusal: &'static str, make: fn(&Forger, &Thing) -> Attached) -> Case {
    Case { name, refusal: Some(refusal), make }
}

/// Everything that is tried.
pub(crate) const CASES: [Case; 25] = [
    case("a payload that was changed", "no_trusted_key", Forger::changed_payload),
    case("an older payload that was changed", "no_trusted_key", Forger::changed_legacy_payload),
    case("a signature of another subject", "other_artifact", Forger::other_subject),
    case("an older signature of another subject", "other_artifact", Forger::other_legacy_subject),
    case("the wrong key", "no_trusted_key", Forger::wrong_key),
    case("the wrong key in the older form", "no_trusted_key", Forger::wrong_legacy_key),
    case("the wrong key by the name of a trusted one", "no_trusted_key", Forger::wrong_key_named_as_trusted),
    case("a key that the bundle brings as its hint", "no_trusted_key", Forger::key_as_hint),
    case("a key that the bundle brings along", "malformed", Forger::key_in_bundle),
    case("a certificate of an authority of one's own", "certificate", Forger::own_authority),
    case("a good certificate of nobody who is known", "unknown_identity", Forger::unknown_identity),
    case("a key that was revoked", "signer_revoked", Forger::by_revoked),
    case("a key whose time is over", "signer_expired", Forger::by_expired),
    case("a key whose time has not come", "signer_not_yet_valid", Forger::by_later),
    Case {
        name: "a predicate that nobody knows, attached as a signature",
        refusal: Some("attached_as_other"),
        make: Forger::unknown_predicate,
    },
    case("signed bytes that are no statement", "payload_type", Forger::no_statement),
    case("two signatures in one envelope", "signature_count", Forger::two_signatures),
    case("a bundle that is cut", "malformed", Forger::truncated),
    case("a bundle with a name that is too long", "too_large", Forger::oversized),
    case("an older payload that is too long", "too_large", Forger::oversized_legacy),
    case("an older signature of another repository", "other_repository", Forger::of_another_repository),
    case("an older signature of another registry", "other_repository", Forger::of_another_registry),
    case("a log entry about another signature", "log_entry_of_another", Forger::log_entry_of_another),
    case("an older log entry about another signature", "log_entry_of_another", Forger::legacy_log_entry_of_another),
    case("an entry of a log that nobody trusts", "log_entry_unproven", Forger::entry_of_another_log),
];

impl Attached {
    fn bundle(value: &Value) -> Self {
        Self::Bundle(value.to_string().into_bytes())
    }

    /// The digest of the evidence.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Bundle(bytes) => Digest::of(bytes),
            Self::Legacy(layer) => Digest::of(&layer.bytes),
        }
    }
}

impl Forger {
    pub(crate) fn new() -> Self {
        let key = || key(Algorithm::EcdsaP256);
        Self {
            vendor: key(),
            revoked: key(),
            expired: key(),
            later: key(),
            stranger: key(),
            instance: Instance::new(),
            elsewhere: Instance::new(),
        }
    }

    /// What must be believed: a signature with its entry in the log.
    pub(crate) fn good(&self, thing: &Thing) -> Attached {
        let bundle = signed(&self.vendor, &thing.digest);
        let body = self.log_body(&bundle);
        Attached::bundle(&logged(bundle, &self.instance, &body))
    }

    fn changed_payload(&self, thing: &Thing) -> Attached {
        let mut bundle = signed(&self.vendor, &another());
        bundle["dsseEnvelope"]["payload"] = signed(&self.vendor, &thing.digest)["dsseEnvelope"]["payload"].clone();
        Attached::bundle(&bundle)
    }

    fn changed_legacy_payload(&self, thing: &Thing) -> Attached {
        let mut layer = legacy(&self.vendor, &home(thing), &another());
        layer.bytes = payload(&home(thing), &thing.digest);
        Attached::Legacy(layer)
    }

    fn other_subject(&self, _: &Thing) -> Attached {
        Attached::bundle(&signed(&self.vendor, &another()))
    }

    fn other_legacy_subject(&self, thing: &Thing) -> Attached {
        Attached::Legacy(legacy(&self.vendor, &home(thing), &another()))
    }

    fn wrong_key(&self, thing: &Thing) -> Attached {
        Attached::bundle(&signed(&self.stranger, &thing.digest))
    }

    fn wrong_legacy_key(&self, thing: &Thing) -> Attached {
        Attached::Legacy(legacy(&self.stranger, &home(thing), &thing.digest))
    }

    fn wrong_key_named_as_trusted(&self, thing: &Thing) -> Attached {
        let mut bundle = signed(&self.stranger, &thing.digest);
        let hint = json!(self.vendor.public().hint());
        bundle["dsseEnvelope"]["signatures"][0]["keyid"] = hint.clone();
        bundle["verificationMaterial"]["publicKey"]["hint"] = hint;
        Attached::bundle(&bundle)
    }

    fn key_as_hint(&self, thing: &Thing) -> Attached {
        let mut bundle = signed(&self.stranger, &thing.digest);
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(self.stranger.public().to_pem());
        Attached::bundle(&bundle)
    }

    fn key_in_bundle(&self, thing: &Thing) -> Attached {
        let mut bundle = signed(&self.stranger, &thing.digest);
        let bytes = json!(STANDARD.encode(self.stranger.public().der()));
        bundle["verificationMaterial"]["publicKey"]["rawBytes"] = bytes;
        Attached::bundle(&bundle)
    }

    fn own_authority(&self, thing: &Thing) -> Attached {
        // In the log that is believed, so that only the authority is another.
        let leaf = self.elsewhere.certify(&Order::default());
        Attached::bundle(&self.instance.attest(&leaf, &statement(&thing.digest, COSIGN_SIGN_V1)))
    }

    fn unknown_identity(&self, thing: &Thing) -> Attached {
        let leaf = self.instance.certify(&Order::default());
        Attached::bundle(&self.instance.attest(&leaf, &statement(&thing.digest, COSIGN_SIGN_V1)))
    }

    fn by_revoked(&self, thing: &Thing) -> Attached {
        Attached::bundle(&signed(&self.revoked, &thing.digest))
    }

    fn by_expired(&self, thing: &Thing) -> Attached {
        Attached::bundle(&signed(&self.expired, &thing.digest))
    }

    fn by_later(&self, thing: &Thing) -> Attached {
        Attached::bundle(&signed(&self.later, &thing.digest))
    }

    fn unknown_predicate(&self, thing: &Thing) -> Attached {
        let payload = statement(&thing.digest, "https://acme.example/unknown/v1");
        Attached::bundle(&enveloped(&self.vendor, IN_TOTO, payload))
    }

    fn no_statement(&self, thing: &Thing) -> Attached {
        Attached::bundle(&enveloped(&self.vendor, "text/plain", thing.digest.to_string().into_bytes()))
    }

    fn two_signatures(&self, thing: &Thing) -> Attached {
        let mut bundle = signed(&self.vendor, &thing.digest);
        let more = signed(&self.stranger, &thing.digest)["dsseEnvelope"]["signatures"][0].clone();
        bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(more);
        Attached::bundle(&bundle)
    }

    fn truncated(&self, thing: &Thing) -> Attached {
        let mut bytes = signed(&self.vendor, &thing.digest).to_string().into_bytes();
        bytes.truncate(bytes.len() / 2);
        Attached::Bundle(bytes)
    }

    fn oversized(&self, thing: &Thing) -> Attached {
        let mut bundle = signed(&self.vendor, &thing.digest);
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!("A".repeat(NAME_BYTES + 1));
        Attached::bundle(&bundle)
    }

    fn oversized_legacy(&self, thing: &Thing) -> Attached {
        let mut bytes = payload(&home(thing), &thing.digest);
        bytes.resize(LEGACY_PAYLOAD_BYTES + 1, b' ');
        let signature = self.vendor.sign(&bytes).unwrap();
        Attached::Legacy(Layer::signed(bytes, &signature))
    }

    fn of_another_repository(&self, thing: &Thing) -> Attached {
        Attached::Legacy(legacy(&self.vendor, &format!("{}-elsewhere", home(thing)), &thing.digest))
    }

    fn of_another_registry(&self, thing: &Thing) -> Attached {
        Attached::Legacy(legacy(&self.vendor, &format!("evil.example/{}", thing.repository), &thing.digest))
    }

    fn log_entry_of_another(&self, thing: &Thing) -> Attached {
        // Of the same key over the same statement, and not this one.
        let body = self.log_body(&signed(&self.vendor, &thing.digest));
        Attached::bundle(&logged(signed(&self.vendor, &thing.digest), &self.instance, &body))
    }

    fn legacy_log_entry_of_another(&self, thing: &Thing) -> Attached {
        let mut layer = legacy(&self.vendor, &home(thing), &thing.digest);
        let other = legacy(&self.vendor, &home(thing), &another());
        let signature = STANDARD.decode(&other.annotations[SIGNATURE]).unwrap();
        let body = hashedrekord_body(&other.bytes, &signature, &self.vendor.public().to_pem());
        let entry = self.instance.entry(&body, signing_time());
        layer.annotations.insert(LOG_ENTRY.to_owned(), annotation(&entry));
        Attached::Legacy(layer)
    }

    fn entry_of_another_log(&self, thing: &Thing) -> Attached {
        let bundle = signed(&self.vendor, &thing.digest);
        let body = self.log_body(&bundle);
        Attached::bundle(&logged(bundle, &self.elsewhere, &body))
    }

    /// What a log has of a signature of the vendor's.
    fn log_body(&self, bundle: &Value) -> Value {
        let decoded = |at: &str| {
            let text = bundle.pointer(at).and_then(Value::as_str).unwrap();
            STANDARD.decode(text).unwrap()
        };
        let (payload, signature) = (decoded("/dsseEnvelope/payload"), decoded("/dsseEnvelope/signatures/0/sig"));
        dsse_body(&payload, &signature, &self.vendor.public().to_pem())
    }
}

/// An artifact that nothing here is about.
fn another() -> Digest {
    Digest::of(b"another artifact")
}

/// The repository of a thing, as older signatures name it.
fn home(thing: &Thing) -> String {
    format!("{HOST}/{}", thing.repository)
}

fn statement(artifact: &Digest, predicate_type: &str) -> Vec<u8> {
    let statement = Statement::new(vec![Subject::new("", artifact)], predicate_type, &json!({})).unwrap();
    statement.to_payload().unwrap()
}

/// A bundle in which a key says that an artifact is signed.
fn signed(pair: &KeyPair, artifact: &Digest) -> Value {
    enveloped(pair, IN_TOTO, statement(artifact, COSIGN_SIGN_V1))
}

fn enveloped(pair: &KeyPair, payload_type: &str, payload: Vec<u8>) -> Value {
    let signature = pair.sign(&pae(payload_type, &payload)).unwrap();
    let envelope = Envelope { payload_type: payload_type.to_owned(), payload, signature };
    let json = Bundle::keyed(pair.public(), Content::Envelope(envelope)).to_json().unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// The bundle with one entry in a log.
fn logged(mut bundle: Value, log: &Instance, body: &Value) -> Value {
    bundle["verificationMaterial"]["tlogEntries"] = json!([log.entry(body, signing_time())]);
    bundle
}

fn payload(reference: &str, artifact: &Digest) -> Vec<u8> {
    let payload = Payload { reference: reference.to_owned(), digest: *artifact, annotations: Default::default() };
    payload.to_bytes().unwrap()
}

fn legacy(pair: &KeyPair, reference: &str, artifact: &Digest) -> Layer {
    let bytes = payload(reference, artifact);
    let signature = pair.sign(&bytes).unwrap();
    Layer::signed(bytes, &signature)
}
