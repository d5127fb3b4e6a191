//! Bundles of keys, and what is done to them by those who have none.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use time::macros::datetime;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::limits::{BUNDLE_BYTES, EVIDENCE};
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::statement::{COSIGN_SIGN_V1, SLSA_VSA_V1, Statement, Subject};
use zas_proxy::supply_chain::verify::{
    Accept, Evidence, Expected, LogPolicy, Refusal, Said, SignerName, TrustedKey, Validity, Verifier, Withdrawn,
};

use crate::instance::{Instance, dsse_body, signing_time};
use crate::support::{believing, changed, code, expected, key, outcome, said, signed, trusted, with_root};

const BOTH: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

struct World {
    pair: KeyPair,
    verifier: Verifier,
    artifacts: [Digest; 2],
    bundle: Vec<u8>,
}

/// Manifest and object of one artifact, signed by a key that is believed.
async fn world() -> World {
    let pair = key(Algorithm::EcdsaP256);
    let artifacts = [Digest::of(b"manifest"), Digest::of(b"object")];
    let bundle = signed(&pair, &artifacts).await;
    World { verifier: believing(vec![trusted("release", pair.public())]), pair, artifacts, bundle }
}

impl World {
    fn code(&self, bundle: &[u8]) -> &'static str {
        code(outcome(&self.verifier, bundle, &expected(&self.artifacts, Accept::Signature)))
    }

    fn code_after(&self, change: impl FnOnce(&mut Value)) -> &'static str {
        self.code(&changed(&self.bundle, change))
    }
}

fn payload(bundle: &Value) -> String {
    String::from_utf8(STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap()).unwrap()
}

fn set_payload(bundle: &mut Value, text: &str) {
    bundle["dsseEnvelope"]["payload"] = json!(STANDARD.encode(text));
}

#[tokio::test]
async fn a_signature_is_verified_for_the_manifest_and_for_the_object_by_the_name_of_its_key() {
    for algorithm in BOTH {
        let pair = key(algorithm);
        let artifacts = [Digest::of(b"manifest"), Digest::of(b"object")];
        let bundle = signed(&pair, &artifacts).await;
        let verifier = believing(vec![trusted("other", key(algorithm).public()), trusted("release", pair.public())]);
        for artifact in artifacts {
            let verified = outcome(&verifier, &bundle, &expected(&[artifact], Accept::Signature)).unwrap();
            assert_eq!(verified.signer, SignerName::Key("release".into()));
            assert_eq!(verified.key, Some(pair.public().fingerprint()));
            assert_eq!(verified.predicate_type(), Some(COSIGN_SIGN_V1));
            assert!(!verified.is_logged && verified.times.is_empty());
        }
    }
}

#[tokio::test]
async fn a_payload_that_was_changed_is_refused() {
    let world = world().await;
    let refused = world.code_after(|bundle| {
        let text = payload(bundle).replace(&Digest::of(b"object").hex(), &Digest::of(b"evil").hex());
        set_payload(bundle, &text);
    });
    assert_eq!(refused, "no_trusted_key");
    assert_eq!(
        world.code_after(|bundle| bundle["dsseEnvelope"]["payloadType"] = json!("text/plain")),
        "no_trusted_key"
    );
    let evil = [Digest::of(b"evil")];
    assert_eq!(code(outcome(&world.verifier, &world.bundle, &expected(&evil, Accept::Signature))), "other_artifact");
}

#[tokio::test]
async fn a_signature_of_another_statement_is_refused() {
    let world = world().await;
    let other: Value = serde_json::from_slice(&signed(&world.pair, &[Digest::of(b"other")]).await).unwrap();
    // The subject of one, and the signature of the other.
    let swapped = world.code_after(|bundle| {
        bundle["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"].clone();
    });
    assert_eq!(swapped, "no_trusted_key");
    assert_eq!(world.code(&serde_json::to_vec(&other).unwrap()), "other_artifact");
}

#[tokio::test]
async fn a_key_that_nobody_trusts_is_refused_whatever_the_bundle_says_of_it() {
    let world = world().await;
    let evil = key(Algorithm::EcdsaP256);
    let bundle = signed(&evil, &world.artifacts).await;
    assert_eq!(world.code(&bundle), "no_trusted_key");
    // Named as the trusted key.
    let named = changed(&bundle, |bundle| {
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(world.pair.public().hint());
        bundle["dsseEnvelope"]["signatures"][0]["keyid"] = json!(world.pair.public().hint());
    });
    assert_eq!(world.code(&named), "no_trusted_key");
    // The key itself, where a hint should be.
    for material in [
        json!({"publicKey": {"hint": STANDARD.encode(evil.public().der())}}),
        json!({"publicKey": {"hint": evil.public().to_pem()}}),
    ] {
        assert_eq!(world.code(&changed(&bundle, |bundle| bundle["verificationMaterial"] = material)), "no_trusted_key");
    }
    let raw = json!({"publicKey": {"hint": "", "rawBytes": STANDARD.encode(evil.public().der())}});
    assert_eq!(world.code(&changed(&bundle, |bundle| bundle["verificationMaterial"] = raw)), "malformed");
    let certificate = json!({"certificate": {"rawBytes": STANDARD.encode(evil.public().der())}});
    assert_eq!(world.code(&changed(&bundle, |bundle| bundle["verificationMaterial"] = certificate)), "no_trusted_root");
}

#[tokio::test]
async fn a_trusted_key_is_found_whatever_the_hint_says() {
    let world = world().await;
    let wrong = key(Algorithm::EcdsaP256).public().hint();
    for hint in ["", "!", &wrong] {
        let bundle = changed(&world.bundle, |bundle| bundle["verificationMaterial"]["publicKey"]["hint"] = json!(hint));
        assert!(outcome(&world.verifier, &bundle, &expected(&world.artifacts, Accept::Signature)).is_ok(), "{hint}");
    }
}

#[tokio::test]
async fn either_alphabet_of_base64_is_read() {
    let world = world().await;
    let bundle = changed(&world.bundle, |bundle| {
        let envelope = &mut bundle["dsseEnvelope"];
        for text in ["/payload", "/signatures/0/sig"] {
            let text = envelope.pointer_mut(text).unwrap();
            *text = json!(URL_SAFE.encode(STANDARD.decode(text.as_str().unwrap()).unwrap()));
        }
    });
    assert!(outcome(&world.verifier, &bundle, &expected(&world.artifacts, Accept::Signature)).is_ok());
}

#[tokio::test]
async fn a_key_that_was_not_good_at_the_time_is_named_in_the_refusal() {
    let world = world().await;
    let now = datetime!(2026-06-01 00:00 UTC);
    for (from, to, withdrawn, refused) in [
        (Some(datetime!(2026-01-01 00:00 UTC)), Some(datetime!(2027-01-01 00:00 UTC)), None, None),
        (None, Some(datetime!(2026-05-01 00:00 UTC)), None, Some("signer_expired")),
        (Some(datetime!(2026-07-01 00:00 UTC)), None, None, Some("signer_not_yet_valid")),
        (None, None, Some(Withdrawn::Revoked), Some("signer_revoked")),
        (None, None, Some(Withdrawn::Disabled), Some("signer_disabled")),
    ] {
        let validity = Validity { from, to, withdrawn };
        let verifier = believing(vec![TrustedKey { validity, ..trusted("release", world.pair.public()) }]);
        let expected = Expected { now, ..expected(&world.artifacts, Accept::Signature) };
        match (outcome(&verifier, &world.bundle, &expected), refused) {
            (Ok(_), None) => {}
            (Err(refusal), Some(code)) => {
                assert_eq!(refusal.code(), code);
                assert!(refusal.to_string().starts_with("key/release "), "{refusal}");
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_that_was_revoked_under_one_name_is_revoked_under_all() {
    let world = world().await;
    let validity = Validity { withdrawn: Some(Withdrawn::Revoked), ..Validity::default() };
    let revoked = TrustedKey { validity, ..trusted("old", world.pair.public()) };
    let verifier = believing(vec![trusted("release", world.pair.public()), revoked]);
    assert_eq!(
        code(outcome(&verifier, &world.bundle, &expected(&world.artifacts, Accept::Signature))),
        "signer_revoked"
    );
}

#[tokio::test]
async fn a_statement_that_says_something_else_is_no_signature() {
    let world = world().await;
    let subjects = vec![Subject::new("", &world.artifacts[0])];
    let failed = Statement::new(subjects, SLSA_VSA_V1, &json!({"verificationResult": "FAILED"})).unwrap();
    let bundle = said(&world.pair, &failed).await.to_json().unwrap();
    let refusal = outcome(&world.verifier, &bundle, &expected(&world.artifacts, Accept::Signature)).unwrap_err();
    assert_eq!(refusal, Refusal::OtherPredicate(SLSA_VSA_V1.to_owned()));
    let asked = [SLSA_VSA_V1];
    let verified = outcome(&world.verifier, &bundle, &expected(&world.artifacts, Accept::Statements(&asked))).unwrap();
    let Said::Statement(statement) = verified.said else { panic!("a statement") };
    assert_eq!(statement.predicate.get(), r#"{"verificationResult":"FAILED"}"#);
    assert!(outcome(&world.verifier, &bundle, &expected(&world.artifacts, Accept::Anything)).is_ok());
    let signature = outcome(&world.verifier, &world.bundle, &expected(&world.artifacts, Accept::Statements(&asked)));
    assert_eq!(code(signature), "other_predicate");
}

#[tokio::test]
async fn what_is_signed_must_be_a_statement() {
    let world = world().await;
    for (payload_type, text, refused) in [
        ("text/plain", "hello", "payload_type"),
        ("application/vnd.in-toto+json", "hello", "malformed"),
        (
            "application/vnd.in-toto+json",
            r#"{"_type":"https://in-toto.io/Statement/v9","subject":[],"predicateType":"a:b"}"#,
            "unsupported",
        ),
    ] {
        let signature = world.pair.sign(&zas_proxy::supply_chain::dsse::pae(payload_type, text.as_bytes())).unwrap();
        let code = world.code_after(|bundle| {
            bundle["dsseEnvelope"]["payloadType"] = json!(payload_type);
            set_payload(bundle, text);
            bundle["dsseEnvelope"]["signatures"] = json!([{"sig": STANDARD.encode(signature)}]);
        });
        assert_eq!(code, refused, "{text}");
    }
}

#[tokio::test]
async fn two_signatures_in_one_envelope_are_refused_though_one_of_them_is_good() {
    let world = world().await;
    let other: Value = serde_json::from_slice(&signed(&key(Algorithm::EcdsaP256), &world.artifacts).await).unwrap();
    let refused = world.code_after(|bundle| {
        let more = other["dsseEnvelope"]["signatures"][0].clone();
        bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(more);
    });
    assert_eq!(refused, "signature_count");
    assert_eq!(world.code_after(|bundle| bundle["dsseEnvelope"]["signatures"] = json!([])), "signature_count");
}

#[tokio::test]
async fn a_bundle_that_is_too_long_or_cut_anywhere_is_refused() {
    let world = world().await;
    for end in 0..world.bundle.len() {
        assert_eq!(world.code(&world.bundle[..end]), "malformed", "cut at {end}");
    }
    let mut long = world.bundle.clone();
    long.resize(BUNDLE_BYTES + 1, b' ');
    assert_eq!(world.code(&long), "too_large");
}

#[tokio::test]
async fn no_byte_of_a_bundle_can_be_changed_into_another_signer_or_artifact() {
    let world = world().await;
    for at in 0..world.bundle.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bundle = world.bundle.clone();
            bundle[at] ^= flip;
            // The hint and white space may change; then it says the same.
            if let Ok(verified) = outcome(&world.verifier, &bundle, &expected(&world.artifacts, Accept::Signature)) {
                assert_eq!(verified.key, Some(world.pair.public().fingerprint()), "byte {at}");
                let Said::Statement(statement) = verified.said else { panic!("a statement") };
                assert_eq!(statement.subjects.len(), 2, "byte {at}");
            }
        }
    }
}

#[tokio::test]
async fn each_piece_of_evidence_has_an_outcome_and_bad_ones_do_no_harm() {
    let world = world().await;
    let good = Evidence::Bundle(world.bundle.clone());
    let bad = Evidence::Bundle(b"{}".to_vec());
    let mut evidence = vec![bad; EVIDENCE - 1];
    evidence.extend([good.clone(), good]);
    let outcomes = world.verifier.verify_all(&evidence, &expected(&world.artifacts, Accept::Signature));
    assert_eq!(outcomes.len(), EVIDENCE + 1);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes[EVIDENCE - 1].is_ok());
    assert_eq!(code(outcomes.into_iter().next_back().unwrap()), "too_much_evidence");
}

#[tokio::test]
async fn a_signature_over_bytes_is_one_by_digest_or_where_need_be_by_the_bytes() {
    let object = b"an object";
    let artifacts = [Digest::of(object)];
    for algorithm in BOTH {
        let pair = key(algorithm);
        let bundle = sign::sign_bytes(&pair, object).await.unwrap().to_json().unwrap();
        let verifier = believing(vec![trusted("release", pair.public())]);
        let by_digest = outcome(&verifier, &bundle, &expected(&artifacts, Accept::Signature));
        let with_bytes = Expected { bytes: Some(object), ..expected(&artifacts, Accept::Signature) };
        assert!(matches!(outcome(&verifier, &bundle, &with_bytes).unwrap().said, Said::Signature));
        match algorithm {
            Algorithm::Ed25519 => assert_eq!(code(by_digest), "needs_bytes"),
            _ => assert!(by_digest.is_ok()),
        }
        let wrong = Expected { bytes: Some(b"other"), ..with_bytes };
        assert_eq!(outcome(&verifier, &bundle, &wrong).is_ok(), algorithm == Algorithm::EcdsaP256);
        let statements = ["a:b"];
        assert_eq!(
            code(outcome(&verifier, &bundle, &Expected { accept: Accept::Statements(&statements), ..with_bytes })),
            "other_kind"
        );
    }
}

#[tokio::test]
async fn a_signature_over_bytes_is_about_no_others() {
    let pair = key(Algorithm::EcdsaP256);
    let bundle = sign::sign_bytes(&pair, b"an object").await.unwrap().to_json().unwrap();
    let verifier = believing(vec![trusted("release", pair.public())]);
    let other = [Digest::of(b"another")];
    assert_eq!(code(outcome(&verifier, &bundle, &expected(&other, Accept::Signature))), "other_artifact");
    // Said to be about the other one, and not said to be about any.
    let digest = json!({"algorithm": "SHA2_256", "digest": STANDARD.encode(other[0].as_bytes())});
    let renamed = changed(&bundle, |bundle| bundle["messageSignature"]["messageDigest"] = digest);
    assert_eq!(code(outcome(&verifier, &renamed, &expected(&other, Accept::Signature))), "no_trusted_key");
    let silent = changed(&bundle, |bundle| {
        bundle["messageSignature"].as_object_mut().unwrap().remove("messageDigest");
    });
    assert_eq!(code(outcome(&verifier, &silent, &expected(&other, Accept::Signature))), "no_trusted_key");
    let own = [Digest::of(b"another"), Digest::of(b"an object")];
    assert!(outcome(&verifier, &silent, &expected(&own, Accept::Signature)).is_ok());
}

#[tokio::test]
async fn where_a_log_is_required_a_key_alone_is_not_enough() {
    let world = world().await;
    let keys = vec![trusted("release", world.pair.public())];
    let verifier = with_root(keys, Vec::new(), None, LogPolicy::Required);
    assert_eq!(code(outcome(&verifier, &world.bundle, &expected(&world.artifacts, Accept::Signature))), "not_logged");
}

/// A bundle of the key with an entry of this body in the log.
fn logged(instance: &Instance, bundle: &[u8], body: &Value) -> Vec<u8> {
    changed(bundle, |bundle| {
        bundle["verificationMaterial"]["tlogEntries"] = json!([instance.entry(body, signing_time())]);
    })
}

#[tokio::test]
async fn a_log_entry_must_be_about_this_signature_this_key_and_this_payload() {
    let (world, instance) = (world().await, Instance::new());
    let value: Value = serde_json::from_slice(&world.bundle).unwrap();
    let payload = payload(&value).into_bytes();
    let signature = STANDARD.decode(value["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let keys = vec![trusted("release", world.pair.public())];
    let verifier = with_root(keys, Vec::new(), Some(instance.trust()), LogPolicy::Required);
    let asked = expected(&world.artifacts, Accept::Signature);
    let public = world.pair.public().to_pem();
    let good = logged(&instance, &world.bundle, &dsse_body(&payload, &signature, &public));
    let verified = outcome(&verifier, &good, &asked).unwrap();
    assert!(verified.is_logged && verified.times.len() == 1);
    let again = world.pair.sign(&zas_proxy::supply_chain::dsse::pae("application/vnd.in-toto+json", &payload)).unwrap();
    for (what, body) in [
        ("another signature of the same key over the same payload", dsse_body(&payload, &again, &public)),
        ("another payload", dsse_body(b"another", &signature, &public)),
        ("another key", dsse_body(&payload, &signature, &key(Algorithm::EcdsaP256).public().to_pem())),
    ] {
        let bundle = logged(&instance, &world.bundle, &body);
        assert_eq!(code(outcome(&verifier, &bundle, &asked)), "log_entry_of_another", "{what}");
    }
    // A second entry that nothing proves, beside a good one.
    let more = changed(&good, |bundle| {
        let entries = bundle["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap();
        let other = Instance::new();
        entries.push(other.entry(&dsse_body(&payload, &signature, &public), signing_time()));
    });
    assert_eq!(code(outcome(&verifier, &more, &asked)), "log_entry_unproven");
}
