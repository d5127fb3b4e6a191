//! What it costs to sign and to verify, without a network.
#![expect(clippy::unwrap_used, reason = "a benchmark that panics has failed")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use time::OffsetDateTime;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::legacy::{Payload, Repository};
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::statement::{Statement, Subject};
use zas_proxy::supply_chain::verify::{
    Accept, Evidence, Expected, LogPolicy, SignerName, Trust, TrustRoot, TrustRootOptions, TrustedIdentity, TrustedKey,
    Validity, Verifier,
};

const BOTH: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

fn artifacts() -> [Digest; 2] {
    [Digest::of(b"manifest"), Digest::of(b"object")]
}

fn statement() -> Statement {
    let [manifest, object] = artifacts();
    Statement::signature(vec![Subject::new("", &manifest), Subject::new("dir/object", &object)]).unwrap()
}

/// Believes `key`, after nine others.
fn verifier(key: &KeyPair) -> Verifier {
    let trusted = |key: &KeyPair| TrustedKey {
        signer: SignerName::Key("k".into()),
        key: key.public().clone(),
        validity: Validity::default(),
    };
    let others = (0..9).map(|_| trusted(&KeyPair::generate(Algorithm::EcdsaP256).unwrap()));
    let keys = others.chain([trusted(key)]).collect();
    Verifier::new(Trust { keys, ..Trust::default() }, None, LogPolicy::default()).unwrap()
}

fn expected(artifacts: &[Digest]) -> Expected<'_> {
    let repository = Some(Repository { name: "team/app", hosts: &[] });
    Expected { artifacts, accept: Accept::Signature, repository, bytes: None, now: OffsetDateTime::now_utc() }
}

fn signing(c: &mut Criterion) {
    let statement = statement();
    for algorithm in BOTH {
        let key = KeyPair::generate(algorithm).unwrap();
        c.bench_function(&format!("sign a statement, {}", algorithm.as_str()), |b| {
            b.iter(|| black_box(block_on(sign::attest(&key, &statement)).unwrap().to_json().unwrap()));
        });
    }
}

fn verifying(c: &mut Criterion) {
    let artifacts = artifacts();
    for algorithm in BOTH {
        let key = KeyPair::generate(algorithm).unwrap();
        let bundle = Evidence::Bundle(block_on(sign::attest(&key, &statement())).unwrap().to_json().unwrap());
        let trusting = verifier(&key);
        c.bench_function(&format!("verify a bundle of one of ten keys, {}", algorithm.as_str()), |b| {
            b.iter(|| black_box(trusting.verify(&bundle, &expected(&artifacts)).unwrap()));
        });
        let stranger = KeyPair::generate(algorithm).unwrap();
        let other = verifier(&stranger);
        c.bench_function(&format!("refuse a bundle that none of ten keys has signed, {}", algorithm.as_str()), |b| {
            b.iter(|| black_box(other.verify(&bundle, &expected(&artifacts)).unwrap_err()));
        });
    }
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let payload = Payload {
        reference: "registry.example/team/app".into(),
        digest: Digest::of(b"manifest"),
        annotations: Default::default(),
    };
    let legacy = Evidence::Legacy(block_on(sign::sign_legacy(&key, &payload)).unwrap());
    let trusting = verifier(&key);
    c.bench_function("verify a legacy signature of one of ten keys", |b| {
        b.iter(|| black_box(trusting.verify(&legacy, &expected(&artifacts)).unwrap()));
    });
}

fn keyless(c: &mut Criterion) {
    let fixture = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/supply_chain/fixtures/public-good");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    };
    let root = String::from_utf8(fixture("trusted_root.json")).unwrap();
    let root = TrustRoot::from_json(&root, TrustRootOptions::default()).unwrap();
    let identities = vec![TrustedIdentity {
        signer: SignerName::Identity("author".into()),
        issuer: "https://github.com/login/oauth".into(),
        subject: "*".into(),
        validity: Validity::default(),
    }];
    let trust = Trust { identities, ..Trust::default() };
    let verifier = Verifier::new(trust, Some(root), LogPolicy::default()).unwrap();
    let bundle = Evidence::Bundle(fixture("blob.sigstore.json"));
    let artifacts = [Digest::of(&fixture("blob.txt"))];
    c.bench_function("verify a bundle of the public instance of sigstore", |b| {
        b.iter(|| black_box(verifier.verify(&bundle, &expected(&artifacts)).unwrap()));
    });
}

criterion_group!(benches, signing, verifying, keyless);
criterion_main!(benches);
