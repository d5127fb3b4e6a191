//! From a key in the index to a signature that is believed, and no longer.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use zas_proxy::config::{RingKey, Secret};
use zas_proxy::digest::Digest;
use zas_proxy::identity::{KeyRing, Purpose, generate_ring_key};
use zas_proxy::index::{NewTrustedSigner, SigningKeyChange, TrustedSigner, TrustedSignerChange};
use zas_proxy::postgres::testing::{TestDatabase, database};
use zas_proxy::supply_chain::keys::{Algorithm, NewSigningKey, Origin, SigningKeys, Usage};
use zas_proxy::supply_chain::statement::{SLSA_VSA_V1, Statement, Subject};
use zas_proxy::supply_chain::verify::{Accept, Expected, LogPolicy, Outcome, SignerName, Trust, Verifier};

use crate::support::{code, expected, key, outcome, signed};

struct World {
    database: TestDatabase,
    keys: SigningKeys,
    artifacts: [Digest; 1],
}

impl World {
    async fn new() -> Self {
        let database = database().await.unwrap();
        let secret = Some(Secret::new(generate_ring_key()));
        let ring = KeyRing::new(&[RingKey { id: "a".into(), secret, secret_file: None }], Purpose::SigningKey).unwrap();
        let keys = SigningKeys::new(database.index().unwrap(), Arc::new(ring));
        Self { database, keys, artifacts: [Digest::of(b"manifest")] }
    }

    async fn create(&self, name: &str, usage: Usage) {
        let new = NewSigningKey {
            name: name.to_owned(),
            usage,
            origin: Origin::Generated(Algorithm::EcdsaP256),
            exportable: false,
            description: String::new(),
            valid_to: None,
            created_by: "user/alice".to_owned(),
        };
        self.keys.create(new, &[]).await.unwrap();
    }

    async fn sign(&self) -> Vec<u8> {
        let statement = Statement::signature(vec![Subject::new("", &self.artifacts[0])]).unwrap();
        let active = self.keys.active("release").await.unwrap();
        active.attest(&statement).await.unwrap().to_json().unwrap()
    }

    async fn ask_at(&self, bundle: &[u8], now: OffsetDateTime) -> Outcome {
        let trust = Trust::from(self.database.index().unwrap().trust_data().await.unwrap());
        let verifier = Verifier::new(trust, None, LogPolicy::default()).unwrap();
        outcome(&verifier, bundle, &Expected { now, ..expected(&self.artifacts, Accept::Signature) })
    }

    async fn ask(&self, bundle: &[u8]) -> Outcome {
        self.ask_at(bundle, OffsetDateTime::now_utc()).await
    }
}

#[tokio::test]
async fn what_a_key_of_ours_signs_is_believed_until_the_overlap_after_its_rotation_ends() {
    let world = World::new().await;
    world.create("release", Usage::Release).await;
    let old = world.sign().await;
    assert_eq!(world.ask(&old).await.unwrap().signer, SignerName::SigningKey("release".into(), 1));
    let (now, ends) = (OffsetDateTime::now_utc(), OffsetDateTime::now_utc() + Duration::days(30));
    let origin = Origin::Generated(Algorithm::Ed25519);
    world.keys.rotate("release", origin, Some(ends), None, "user/alice", &[]).await.unwrap();
    let new = world.sign().await;
    assert_eq!(world.ask(&new).await.unwrap().signer, SignerName::SigningKey("release".into(), 2));
    assert!(world.ask(&old).await.is_ok());
    let later = now + Duration::days(31);
    assert_eq!(code(world.ask_at(&old, later).await), "signer_expired");
    assert!(world.ask_at(&new, later).await.is_ok());
}

#[tokio::test]
async fn a_key_of_ours_that_is_disabled_or_revoked_neither_signs_nor_is_believed() {
    let world = World::new().await;
    world.create("release", Usage::Release).await;
    let bundle = world.sign().await;
    let change = |change| {
        let keys = world.keys.clone();
        async move { keys.change("release", 1, &change, None, &[]).await.unwrap() }
    };
    change(SigningKeyChange::Disable("lost laptop".into())).await;
    assert_eq!(code(world.ask(&bundle).await), "signer_disabled");
    assert!(world.keys.active("release").await.is_err());
    change(SigningKeyChange::Enable("found it".into())).await;
    assert!(world.ask(&bundle).await.is_ok());
    change(SigningKeyChange::Revoke("stolen".into())).await;
    assert_eq!(code(world.ask(&bundle).await), "signer_revoked");
    assert!(world.keys.active("release").await.is_err());
    // The name goes on with another key.
    let origin = Origin::Generated(Algorithm::EcdsaP256);
    world.keys.rotate("release", origin, None, None, "user/alice", &[]).await.unwrap();
    assert!(world.ask(&world.sign().await).await.is_ok());
    assert_eq!(code(world.ask(&bundle).await), "signer_revoked");
}

#[tokio::test]
async fn a_release_key_signs_no_verdict() {
    let world = World::new().await;
    world.create("release", Usage::Release).await;
    world.create("verdict", Usage::Verdict).await;
    let subject = || vec![Subject::new("", &world.artifacts[0])];
    let verdict = Statement::new(subject(), SLSA_VSA_V1, &"FAILED").unwrap();
    let signature = Statement::signature(subject()).unwrap();
    let release = world.keys.active("release").await.unwrap();
    let verdicts = world.keys.active("verdict").await.unwrap();
    assert!(release.attest(&verdict).await.is_err() && verdicts.attest(&signature).await.is_err());
    assert!(release.attest(&signature).await.is_ok() && verdicts.attest(&verdict).await.is_ok());
}

#[tokio::test]
async fn the_key_of_somebody_else_is_believed_under_its_name_until_it_is_revoked() {
    let world = World::new().await;
    let index = world.database.index().unwrap();
    let pair = key(Algorithm::EcdsaP256);
    let bundle = signed(&pair, &world.artifacts).await;
    assert_eq!(code(world.ask(&bundle).await), "no_trusted_key");
    let signer = TrustedSigner::Key(pair.public().fingerprint().hex());
    let new = NewTrustedSigner {
        name: "vendor",
        signer: &signer,
        public_key: pair.public().der(),
        description: "",
        valid_from: None,
        valid_to: None,
        created_by: "user/alice",
    };
    index.add_trusted_signer(new, &[]).await.unwrap();
    let before = index.trust_data().await.unwrap().revision;
    assert_eq!(world.ask(&bundle).await.unwrap().signer, SignerName::Key("vendor".into()));
    let revoke = TrustedSignerChange::Revoke("leaked".into());
    index.change_trusted_signer("vendor", &signer, &revoke, None, &[]).await.unwrap();
    assert_eq!(code(world.ask(&bundle).await), "signer_revoked");
    assert!(index.trust_data().await.unwrap().revision > before);
}
