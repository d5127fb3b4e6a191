//! Signatures that a certificate vouches for, of an instance made here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::Algorithm;
use zas_proxy::supply_chain::statement::{Statement, Subject};
use zas_proxy::supply_chain::verify::{
    Accept, LogPolicy, Outcome, SignerName, TrustRoot, TrustRootOptions, Validity, Verifier, Withdrawn,
};

use crate::instance::{ISSUER, Instance, Order, SUBJECT, Sct, dsse_body, signing_time};
use crate::support::{code, expected, identity, key, outcome, signed, trusted, with_root};

struct World {
    instance: Instance,
    artifacts: [Digest; 2],
    payload: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let artifacts = [Digest::of(b"manifest"), Digest::of(b"object")];
        let payload = payload(&artifacts);
        Self { instance: Instance::new(), artifacts, payload }
    }

    fn verifier(&self) -> Verifier {
        knowing(self.instance.trust())
    }

    fn bundle(&self, order: &Order) -> Value {
        self.instance.attest(&self.instance.certify(order), &self.payload)
    }

    fn ask(&self, bundle: &Value) -> Outcome {
        self.ask_of(&self.verifier(), bundle)
    }

    fn ask_of(&self, verifier: &Verifier, bundle: &Value) -> Outcome {
        outcome(verifier, bundle.to_string().as_bytes(), &expected(&self.artifacts, Accept::Signature))
    }
}

fn payload(artifacts: &[Digest]) -> Vec<u8> {
    let subjects = artifacts.iter().map(|digest| Subject::new("", digest)).collect();
    Statement::signature(subjects).unwrap().to_payload().unwrap()
}

/// Believes whoever builds the team's programs.
fn knowing(root: TrustRoot) -> Verifier {
    let team = identity("team", ISSUER, "https://git.example/team/*@refs/heads/main");
    with_root(Vec::new(), vec![team], Some(root), LogPolicy::default())
}

#[test]
fn a_signature_with_everything_that_vouches_for_it_is_verified_by_name() {
    let world = World::new();
    let verified = world.ask(&world.bundle(&Order::default())).unwrap();
    assert_eq!(verified.signer, SignerName::Identity("team".into()));
    assert_eq!(verified.identity, Some((ISSUER.to_owned(), SUBJECT.to_owned())));
    assert!(verified.is_logged && verified.times.len() == 1);
}

#[test]
fn a_certificate_that_is_not_for_this_is_refused() {
    let world = World::new();
    let now = OffsetDateTime::now_utc();
    for (what, order, refused) in [
        ("no code signing", Order { usage: ExtendedKeyUsagePurpose::ServerAuth, ..Order::default() }, "certificate"),
        ("no word of the log", Order { sct: Sct::Missing, ..Order::default() }, "certificate"),
        ("a forged one", Order { sct: Sct::Forged, ..Order::default() }, "certificate"),
        ("over when it signed", Order { to: now - Duration::minutes(6), ..Order::default() }, "certificate"),
        ("later than it signed", Order { from: now - Duration::minutes(4), ..Order::default() }, "certificate"),
        (
            "somebody else",
            Order {
                subject: SanType::URI("https://git.example/evil/ci.yml@refs/heads/main".try_into().unwrap()),
                ..Order::default()
            },
            "unknown_identity",
        ),
        (
            "a name, not a URI or a mail address",
            Order { subject: SanType::DnsName("git.example".try_into().unwrap()), ..Order::default() },
            "unknown_identity",
        ),
    ] {
        assert_eq!(code(world.ask(&world.bundle(&order))), refused, "{what}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let (world, other) = (World::new(), World::new());
    let leaf = other.instance.certify(&Order::default());
    // Into our log, so that only the authority is another.
    let bundle = world.instance.attest(&leaf, &world.payload);
    assert_eq!(code(world.ask(&bundle)), "certificate");
}

#[test]
fn an_entry_of_another_log_is_refused() {
    let (world, other) = (World::new(), World::new());
    let leaf = world.instance.certify(&Order::default());
    let refused = code(world.ask(&other.instance.attest(&leaf, &world.payload)));
    assert_eq!(refused, "log_entry_unproven");
}

#[test]
fn an_entry_about_another_signature_is_refused() {
    let world = World::new();
    let leaf = world.instance.certify(&Order::default());
    let good = world.instance.attest(&leaf, &world.payload);
    let signature = STANDARD.decode(good["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let other = world.instance.certify(&Order::default());
    let another = leaf.key.sign(b"something else").unwrap();
    let (of_another, unproven) = ("log_entry_of_another", "log_entry_unproven");
    for (what, body, refused) in [
        ("another signature", dsse_body(&world.payload, &another, &leaf.pem()), of_another),
        ("another payload", dsse_body(b"another", &signature, &leaf.pem()), of_another),
        ("another certificate", dsse_body(&world.payload, &signature, &other.pem()), of_another),
        ("a key in its place", dsse_body(&world.payload, &signature, &leaf.key.public().to_pem()), unproven),
    ] {
        // It is really in the log: only it is about something else.
        let mut bundle = good.clone();
        bundle["verificationMaterial"]["tlogEntries"] = json!([world.instance.entry(&body, signing_time())]);
        assert_eq!(code(world.ask(&bundle)), refused, "{what}");
    }
}

#[test]
fn a_time_that_nothing_proves_is_none() {
    let world = World::new();
    let good = world.bundle(&Order::default());
    let entry = "/verificationMaterial/tlogEntries/0";
    let mut bundle = good.clone();
    bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap().remove("inclusionPromise");
    assert_eq!(code(world.ask(&bundle)), "time_unproven");
    let mut bundle = good.clone();
    let earlier = (signing_time() - Duration::minutes(1)).unix_timestamp().to_string();
    bundle.pointer_mut(entry).unwrap()["integratedTime"] = json!(earlier);
    assert_eq!(code(world.ask(&bundle)), "log_entry_unproven");
    let mut bundle = good.clone();
    bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap().remove("inclusionProof");
    assert_eq!(code(world.ask(&bundle)), "not_logged");
    let mut bundle = good;
    bundle["verificationMaterial"].as_object_mut().unwrap().remove("tlogEntries");
    assert_eq!(code(world.ask(&bundle)), "not_logged");
}

#[test]
fn a_time_in_the_future_is_refused() {
    let world = World::new();
    let leaf = world.instance.certify(&Order::default());
    let bundle = world.instance.attest_at(&leaf, &world.payload, OffsetDateTime::now_utc() + Duration::minutes(5));
    assert_eq!(code(world.ask(&bundle)), "time_unproven");
}

#[test]
fn a_payload_that_was_changed_or_is_of_another_key_is_refused() {
    let world = World::new();
    let evil = [Digest::of(b"evil")];
    let mut bundle = world.bundle(&Order::default());
    bundle["dsseEnvelope"]["payload"] = json!(STANDARD.encode(payload(&evil)));
    let asked = expected(&evil, Accept::Signature);
    assert_eq!(code(outcome(&world.verifier(), bundle.to_string().as_bytes(), &asked)), "forged");
    // The certificate of one, and the signature of somebody who has none.
    let leaf = world.instance.certify(&Order::default());
    let stranger = key(Algorithm::EcdsaP256);
    let stolen = crate::instance::Leaf { key: stranger, der: leaf.der };
    assert_eq!(code(world.ask(&world.instance.attest(&stolen, &world.payload))), "forged");
}

#[test]
fn an_identity_that_was_revoked_or_has_expired_is_named() {
    let world = World::new();
    let bundle = world.bundle(&Order::default());
    for (validity, refused) in [
        (Validity { withdrawn: Some(Withdrawn::Revoked), ..Validity::default() }, "signer_revoked"),
        (Validity { to: Some(signing_time() - Duration::HOUR), ..Validity::default() }, "signer_expired"),
    ] {
        let mut team = identity("team", ISSUER, "*");
        team.validity = validity;
        let other = identity("other", "https://other.example", "*");
        let verifier = with_root(Vec::new(), vec![other, team], Some(world.instance.trust()), LogPolicy::default());
        assert_eq!(code(world.ask_of(&verifier, &bundle)), refused);
    }
}

#[test]
fn of_two_patterns_that_fit_one_that_is_good_is_enough() {
    let world = World::new();
    let mut old = identity("old", ISSUER, "*");
    old.validity.withdrawn = Some(Withdrawn::Revoked);
    let verifier = with_root(
        Vec::new(),
        vec![old, identity("team", ISSUER, SUBJECT)],
        Some(world.instance.trust()),
        LogPolicy::default(),
    );
    let verified = world.ask_of(&verifier, &world.bundle(&Order::default())).unwrap();
    assert_eq!(verified.signer, SignerName::Identity("team".into()));
}

#[test]
fn an_authority_of_ones_own_may_have_no_log_of_certificates() {
    let world = World::new();
    let bundle = world.bundle(&Order { sct: Sct::Missing, ..Order::default() });
    let options = TrustRootOptions { require_sct: false, ..TrustRootOptions::default() };
    assert!(world.ask_of(&knowing(world.instance.trust_with(options)), &bundle).is_ok());
}

#[test]
fn without_a_log_a_promise_still_has_to_be_true() {
    let world = World::new();
    let options = TrustRootOptions { require_log: false, ..TrustRootOptions::default() };
    let verifier = knowing(world.instance.trust_with(options));
    let mut bundle = world.bundle(&Order::default());
    let entry = bundle.pointer_mut("/verificationMaterial/tlogEntries/0").unwrap();
    entry.as_object_mut().unwrap().remove("inclusionProof");
    let verified = world.ask_of(&verifier, &bundle).unwrap();
    assert!(!verified.is_logged && verified.times.len() == 1);
    bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = json!("1700000000");
    assert_eq!(code(world.ask_of(&verifier, &bundle)), "log_entry_unproven");
}

#[tokio::test]
async fn a_trusted_key_does_not_vouch_for_a_certificate_nor_the_other_way_round() {
    let world = World::new();
    let leaf = world.instance.certify(&Order::default());
    let bundle = world.instance.attest(&leaf, &world.payload);
    // The key of a certificate, named a trusted key, is a key: its certificate is checked all the same.
    let keys = vec![trusted("leaf", leaf.key.public())];
    let verifier = with_root(keys, Vec::new(), Some(world.instance.trust()), LogPolicy::default());
    assert_eq!(code(world.ask_of(&verifier, &bundle)), "unknown_identity");
    let keyed = signed(&key(Algorithm::EcdsaP256), &world.artifacts).await;
    let asked = expected(&world.artifacts, Accept::Signature);
    assert_eq!(code(outcome(&world.verifier(), &keyed, &asked)), "no_trusted_key");
}
