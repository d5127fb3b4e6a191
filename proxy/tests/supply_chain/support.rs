//! What the tests share: fixtures, keys, and a verifier that believes them.

use serde_json::Value;
use time::OffsetDateTime;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::bundle::Bundle;
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair, PublicKey};
use zas_proxy::supply_chain::legacy::Repository;
use zas_proxy::supply_chain::sign;
use zas_proxy::supply_chain::statement::{Statement, Subject};
use zas_proxy::supply_chain::verify::{
    Accept, Evidence, Expected, LogPolicy, Outcome, SignerName, Trust, TrustRoot, TrustedIdentity, TrustedKey,
    Validity, Verifier,
};

/// The bytes of a fixture.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/supply_chain/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

pub(crate) fn key(algorithm: Algorithm) -> KeyPair {
    KeyPair::generate(algorithm).unwrap()
}

/// A trusted key of this name, good at all times.
pub(crate) fn trusted(name: &str, key: &PublicKey) -> TrustedKey {
    TrustedKey { signer: SignerName::Key(name.to_owned()), key: key.clone(), validity: Validity::default() }
}

pub(crate) fn identity(name: &str, issuer: &str, subject: &str) -> TrustedIdentity {
    TrustedIdentity {
        signer: SignerName::Identity(name.to_owned()),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        validity: Validity::default(),
    }
}

/// Believes these keys, and no log.
pub(crate) fn believing(keys: Vec<TrustedKey>) -> Verifier {
    with_root(keys, Vec::new(), None, LogPolicy::default())
}

pub(crate) fn with_root(
    keys: Vec<TrustedKey>,
    identities: Vec<TrustedIdentity>,
    root: Option<TrustRoot>,
    log: LogPolicy,
) -> Verifier {
    Verifier::new(Trust { revision: 1, keys, identities }, root, log).unwrap()
}

/// What is asked of evidence about these artifacts, now.
pub(crate) fn expected<'a>(artifacts: &'a [Digest], accept: Accept<'a>) -> Expected<'a> {
    Expected { artifacts, accept, repository: None, bytes: None, now: OffsetDateTime::now_utc() }
}

pub(crate) fn at<'a>(expected: Expected<'a>, repository: Repository<'a>) -> Expected<'a> {
    Expected { repository: Some(repository), ..expected }
}

/// What comes of a bundle.
pub(crate) fn outcome(verifier: &Verifier, bundle: &[u8], expected: &Expected<'_>) -> Outcome {
    verifier.verify(&Evidence::Bundle(bundle.to_vec()), expected)
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn code(outcome: Outcome) -> &'static str {
    match outcome {
        Ok(verified) => panic!("it was verified: {verified:?}"),
        Err(refusal) => refusal.code(),
    }
}

/// A bundle in which `key` says that these artifacts are signed.
pub(crate) async fn signed(key: &KeyPair, artifacts: &[Digest]) -> Vec<u8> {
    let subjects = artifacts.iter().map(|digest| Subject::new("", digest)).collect();
    said(key, &Statement::signature(subjects).unwrap()).await.to_json().unwrap()
}

pub(crate) async fn said(key: &KeyPair, statement: &Statement) -> Bundle {
    sign::attest(key, statement).await.unwrap()
}

/// A bundle after a change of its JSON.
pub(crate) fn changed(bundle: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bundle).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}
