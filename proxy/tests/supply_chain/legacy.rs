//! Legacy signatures with what vouched for them, of keys and of an instance made here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::legacy::{Layer, Payload, Repository, SIGNATURE};
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::verify::{Accept, Evidence, Expected, LogPolicy, Outcome, Said, SignerName, Verifier};

use crate::instance::{ISSUER, Instance, Leaf, Order, SUBJECT, hashedrekord_body, signing_time};
use crate::support::{believing, code, expected, identity, key, trusted, with_root};

const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
pub(crate) const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";

fn payload(reference: &str) -> Payload {
    Payload { reference: reference.to_owned(), digest: Digest::of(b"manifest"), annotations: Default::default() }
}

fn ask(verifier: &Verifier, layer: &Layer) -> Outcome {
    let (artifacts, hosts) = ([Digest::of(b"manifest")], ["registry.example".to_owned()]);
    let repository = Some(Repository { name: "team/app", hosts: &hosts });
    let expected = Expected { repository, ..expected(&artifacts, Accept::Signature) };
    verifier.verify(&Evidence::Legacy(layer.clone()), &expected)
}

async fn signed(pair: &KeyPair, reference: &str) -> Layer {
    sign::sign_legacy(pair, &payload(reference)).await.unwrap()
}

/// The entry as cosign wrote it into an annotation.
pub(crate) fn annotation(entry: &Value) -> String {
    let log = STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
    json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": number(&entry["integratedTime"]),
            "logIndex": number(&entry["logIndex"]),
            "logID": hex::encode(log),
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_signature_of_a_key_is_verified_in_its_repository_and_nowhere_else() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let pair = key(algorithm);
        let verifier = believing(vec![trusted("release", pair.public())]);
        let verified = ask(&verifier, &signed(&pair, "registry.example/team/app").await).unwrap();
        assert_eq!(verified.signer, SignerName::Key("release".into()));
        assert!(matches!(verified.said, Said::Image(reference) if reference == "registry.example/team/app"));
        for elsewhere in ["registry.example/team/other", "registry.evil/team/app", "team/app", ""] {
            assert_eq!(code(ask(&verifier, &signed(&pair, elsewhere).await)), "other_repository", "{elsewhere}");
        }
    }
}

#[tokio::test]
async fn a_signature_of_another_payload_or_key_is_refused() {
    let pair = key(Algorithm::EcdsaP256);
    let verifier = believing(vec![trusted("release", pair.public())]);
    let good = signed(&pair, "registry.example/team/app").await;
    let other = signed(&pair, "registry.example/team/other").await;
    let swapped = Layer { annotations: other.annotations.clone(), ..good.clone() };
    assert_eq!(code(ask(&verifier, &swapped)), "no_trusted_key");
    let stranger = signed(&key(Algorithm::EcdsaP256), "registry.example/team/app").await;
    assert_eq!(code(ask(&verifier, &stranger)), "no_trusted_key");
    let mut garbled = good;
    garbled.annotations.insert(SIGNATURE.to_owned(), "not base64!".to_owned());
    assert_eq!(code(ask(&verifier, &garbled)), "malformed");
}

#[tokio::test]
async fn a_legacy_signature_is_no_statement() {
    let pair = key(Algorithm::EcdsaP256);
    let verifier = believing(vec![trusted("release", pair.public())]);
    let layer = Evidence::Legacy(signed(&pair, "registry.example/team/app").await);
    let artifacts = [Digest::of(b"manifest")];
    assert_eq!(code(verifier.verify(&layer, &expected(&artifacts, Accept::Statements(&["a:b"])))), "other_kind");
}

#[tokio::test]
async fn the_log_entry_of_a_keys_signature_is_checked_and_must_be_about_it() {
    let instance = Instance::new();
    let pair = key(Algorithm::EcdsaP256);
    let mut layer = signed(&pair, "registry.example/team/app").await;
    let signature = STANDARD.decode(&layer.annotations[SIGNATURE]).unwrap();
    let entry = |bytes: &[u8], signature: &[u8]| {
        annotation(&instance.entry(&hashedrekord_body(bytes, signature, &pair.public().to_pem()), signing_time()))
    };
    layer.annotations.insert(LOG_ENTRY.to_owned(), entry(&layer.bytes, &signature));
    let keys = vec![trusted("release", pair.public())];
    let verifier = with_root(keys.clone(), Vec::new(), Some(instance.trust()), LogPolicy::Required);
    let verified = ask(&verifier, &layer).unwrap();
    assert!(verified.is_logged && verified.times.len() == 1);
    assert_eq!(code(ask(&believing(keys), &layer)), "no_trusted_root");
    for (what, forged) in [
        ("other bytes", entry(b"other", &signature)),
        ("another signature", entry(&layer.bytes, &pair.sign(b"other").unwrap())),
    ] {
        layer.annotations.insert(LOG_ENTRY.to_owned(), forged);
        assert_eq!(code(ask(&verifier, &layer)), "log_entry_of_another", "{what}");
    }
    let (other, bytes) = (Instance::new(), layer.bytes.clone());
    let body = hashedrekord_body(&bytes, &signature, &pair.public().to_pem());
    layer.annotations.insert(LOG_ENTRY.to_owned(), annotation(&other.entry(&body, signing_time())));
    assert_eq!(code(ask(&verifier, &layer)), "log_entry_unproven");
    layer.annotations.insert(LOG_ENTRY.to_owned(), "{}".to_owned());
    assert_eq!(code(ask(&verifier, &layer)), "malformed");
}

/// What cosign 1 and 2 wrote for somebody with a certificate.
fn keyless(instance: &Instance, leaf: &Leaf, reference: &str) -> Layer {
    let bytes = payload(reference).to_bytes().unwrap();
    let signature = leaf.key.sign(&bytes).unwrap();
    let entry = instance.entry(&hashedrekord_body(&bytes, &signature, &leaf.pem()), signing_time());
    let annotations = BTreeMap::from([
        (SIGNATURE.to_owned(), STANDARD.encode(&signature)),
        (CERTIFICATE.to_owned(), leaf.pem()),
        (LOG_ENTRY.to_owned(), annotation(&entry)),
    ]);
    Layer { bytes, annotations, ..Layer::signed(Vec::new(), &[]) }
}

#[test]
fn a_signature_with_a_certificate_is_verified_by_the_name_of_its_holder() {
    let instance = Instance::new();
    let leaf = instance.certify(&Order::default());
    let team = vec![identity("team", ISSUER, SUBJECT)];
    let verifier = with_root(Vec::new(), team, Some(instance.trust()), LogPolicy::default());
    let good = keyless(&instance, &leaf, "registry.example/team/app");
    let verified = ask(&verifier, &good).unwrap();
    assert_eq!(verified.signer, SignerName::Identity("team".into()));
    assert!(verified.is_logged);
    assert_eq!(code(ask(&verifier, &keyless(&instance, &leaf, "registry.example/team/other"))), "other_repository");
    let nobody = with_root(Vec::new(), Vec::new(), Some(instance.trust()), LogPolicy::default());
    assert_eq!(code(ask(&nobody, &good)), "unknown_identity");
    assert_eq!(code(ask(&believing(vec![trusted("leaf", leaf.key.public())]), &good)), "no_trusted_root");
}

#[test]
fn a_certificate_needs_its_log_entry_its_authority_and_its_own_signature() {
    let (instance, other) = (Instance::new(), Instance::new());
    let leaf = instance.certify(&Order::default());
    let team = vec![identity("team", ISSUER, SUBJECT)];
    let verifier = with_root(Vec::new(), team, Some(instance.trust()), LogPolicy::default());
    let good = keyless(&instance, &leaf, "registry.example/team/app");
    let with = |name: &str, value: Option<String>| {
        let mut layer = good.clone();
        layer.annotations.remove(name);
        layer.annotations.extend(value.map(|value| (name.to_owned(), value)));
        code(ask(&verifier, &layer))
    };
    assert_eq!(with(LOG_ENTRY, None), "not_logged");
    assert_eq!(with(SIGNATURE, Some(STANDARD.encode(leaf.key.sign(b"other").unwrap()))), "forged");
    assert_eq!(with(CERTIFICATE, Some("-----BEGIN".to_owned())), "malformed");
    assert_eq!(with(CERTIFICATE, Some(format!("{}{}", leaf.pem(), leaf.pem()))), "malformed");
    assert_eq!(with(CERTIFICATE, Some("x".repeat(300 << 10))), "too_large");
    assert_eq!(with(CHAIN, Some(leaf.pem().repeat(9))), "too_large");
    let stranger = other.certify(&Order::default());
    let strange = keyless(&instance, &stranger, "registry.example/team/app");
    assert_eq!(code(ask(&verifier, &strange)), "certificate");
    assert_eq!(with(CERTIFICATE, Some(instance.certify(&Order::default()).pem())), "forged");
}

proptest! {
    #[test]
    fn annotations_that_are_anything_break_no_reader(name in 0..4_usize, text in ".*", at in any::<Index>(), byte in any::<u8>()) {
        static WORLD: LazyLock<(Verifier, Layer)> = LazyLock::new(|| {
            let instance = Instance::new();
            let leaf = instance.certify(&Order::default());
            let team = vec![identity("team", ISSUER, SUBJECT)];
            let verifier = with_root(Vec::new(), team, Some(instance.trust()), LogPolicy::default());
            (verifier, keyless(&instance, &leaf, "registry.example/team/app"))
        });
        let (verifier, good) = &*WORLD;
        let name = [SIGNATURE, CERTIFICATE, CHAIN, LOG_ENTRY][name];
        let mut layer = good.clone();
        layer.annotations.insert(name.to_owned(), text);
        let _ = ask(verifier, &layer);
        // One character of what was good.
        let mut bytes = good.annotations.get(name).cloned().unwrap_or_default().into_bytes();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte & 0x7f;
            layer.annotations.insert(name.to_owned(), String::from_utf8(bytes).unwrap());
            if let Ok(verified) = ask(verifier, &layer) {
                prop_assert_eq!(verified.identity, Some((ISSUER.to_owned(), SUBJECT.to_owned())));
            }
        }
    }
}
