//! Keys of the index, against a real Postgres.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::store::check_name;
use super::*;
use crate::config::{RingKey, Secret, SupplyChain};
use crate::identity::{KeyRing, Purpose, generate_ring_key};
use crate::index::SigningKeyChange;
use crate::postgres::testing::{self, TestDatabase};
use crate::supply_chain::statement::{Statement, Subject};
use crate::supply_chain::tests::fixture;
use crate::supply_chain::trust::TrustStore;

fn ring_key(id: &str) -> RingKey {
    RingKey { id: id.into(), secret: Some(Secret::new(generate_ring_key())), secret_file: None }
}

fn keys(database: &TestDatabase, ring: &[RingKey]) -> SigningKeys {
    SigningKeys::new(database.index().unwrap(), Arc::new(KeyRing::new(ring, Purpose::SigningKey).unwrap()))
}

fn new(name: &str) -> NewSigningKey {
    NewSigningKey {
        name: name.to_owned(),
        usage: Usage::Release,
        origin: Origin::Generated(Algorithm::EcdsaP256),
        exportable: false,
        description: "for tests".to_owned(),
        valid_to: None,
        created_by: "user/alice".to_owned(),
    }
}

async fn world() -> (TestDatabase, SigningKeys) {
    let database = testing::database().await.unwrap();
    let keys = keys(&database, &[ring_key("one")]);
    (database, keys)
}

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, code: Code) {
    match result {
        Err(error) => assert_eq!(error.code(), code, "{}", error.for_log()),
        Ok(value) => panic!("expected {code:?}, got {value:?}"),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn statement() -> Statement {
    Statement::signature(vec![Subject::new("", &crate::digest::Digest::of(b"manifest"))]).unwrap()
}

#[tokio::test]
async fn a_key_that_somebody_brings_signs_and_goes_out_again_under_another_password() {
    let (_database, keys) = world().await;
    let pem = Zeroizing::new(fixture("cosign/cosign.key"));
    assert_code(keys.import(pem.clone(), secret("wrong")).await, Code::InvalidArgument);
    let pair = keys.import(pem, secret("cosign password")).await.unwrap();
    let brought = NewSigningKey { origin: Origin::Imported(pair), exportable: true, ..new("release") };
    let stored = keys.create(brought, &[]).await.unwrap();
    let public = PublicKey::from_pem(&fixture("cosign/cosign.pub")).unwrap();
    assert_eq!(stored.public_key, public.der());
    assert_eq!(stored.valid_from, None, "it may have signed before");
    assert!(keys.create(new("made-here"), &[]).await.unwrap().valid_from.is_some());
    assert_eq!(keys.active("release").await.unwrap().public_key(), &public);
    assert_code(keys.export("release", 1, secret("short"), &[]).await, Code::InvalidArgument);
    let out = keys.export("release", 1, secret("another password"), &[]).await.unwrap();
    assert_eq!(KeyPair::from_pem(&out, b"another password").unwrap().public(), &public);
}

#[tokio::test]
async fn a_key_that_was_not_made_to_leave_does_not() {
    let (_database, keys) = world().await;
    keys.create(new("release"), &[]).await.unwrap();
    assert_code(keys.export("release", 1, secret("a password"), &[]).await, Code::AccessDenied);
    keys.rotate("release", Origin::Generated(Algorithm::Ed25519), None, None, "user/alice", &[]).await.unwrap();
    assert_code(keys.export("release", 2, secret("a password"), &[]).await, Code::AccessDenied);
    assert_code(keys.export("release", 3, secret("a password"), &[]).await, Code::NoSuchEntity);
}

#[tokio::test]
async fn a_private_key_lies_sealed_in_the_index_and_opens_in_its_own_row_alone() {
    let (database, keys) = world().await;
    let one = keys.create(new("one"), &[]).await.unwrap();
    let two = keys.create(new("two"), &[]).await.unwrap();
    // PKCS#8 of a P-256 key begins so; sealed, nothing of it is left.
    let pkcs8 = KeyPair::generate(Algorithm::EcdsaP256).unwrap().to_pkcs8().unwrap();
    let sealed = one.sealed.clone().unwrap();
    assert!(!sealed.windows(20).any(|window| window == &pkcs8[..20]));
    let swap = "UPDATE signing_keys SET private_key = $1 WHERE name = 'two'";
    sqlx::query(swap).bind(&sealed).execute(&database.pool().unwrap()).await.unwrap();
    assert_code(keys.active("two").await, Code::InternalError);
    let swap = "UPDATE signing_keys SET private_key = $1, public_key = $2 WHERE name = 'two'";
    let (private, public) = (two.sealed.unwrap(), b"of another key".to_vec());
    sqlx::query(swap).bind(private).bind(public).execute(&database.pool().unwrap()).await.unwrap();
    assert_code(keys.active("two").await, Code::InternalError);
    assert!(keys.active("one").await.is_ok());
}

#[tokio::test]
async fn what_was_changed_here_is_known_here_at_once() {
    let (_database, keys) = world().await;
    assert_code(keys.active("release").await, Code::NoSuchEntity);
    keys.create(new("release"), &[]).await.unwrap();
    assert_eq!(keys.active("release").await.unwrap().generation(), 1);
    keys.rotate("release", Origin::Generated(Algorithm::EcdsaP256), None, None, "user/alice", &[]).await.unwrap();
    assert_eq!(keys.active("release").await.unwrap().generation(), 2);
    keys.change("release", 2, &SigningKeyChange::Revoke("stolen".into()), None, &[]).await.unwrap();
    assert_code(keys.active("release").await, Code::InvalidRequest);
    assert_code(keys.export("release", 2, secret("a password"), &[]).await, Code::AccessDenied);
}

#[tokio::test]
async fn what_was_revoked_or_rotated_elsewhere_signs_no_more_here_once_the_change_is_known() {
    let database = testing::database().await.unwrap();
    let (ring, index) = (ring_key("one"), database.index().unwrap());
    let trust = TrustStore::new(&SupplyChain::default()).unwrap();
    let there = keys(&database, std::slice::from_ref(&ring));
    let here = keys(&database, std::slice::from_ref(&ring)).following(trust.clone());
    there.create(new("release"), &[]).await.unwrap();
    trust.refresh(&index).await.unwrap();
    assert_eq!(here.active("release").await.unwrap().generation(), 1);
    there.rotate("release", Origin::Generated(Algorithm::EcdsaP256), None, None, "user/alice", &[]).await.unwrap();
    trust.refresh(&index).await.unwrap();
    assert_eq!(here.active("release").await.unwrap().generation(), 2);
    there.change("release", 2, &SigningKeyChange::Revoke("stolen".into()), None, &[]).await.unwrap();
    trust.refresh(&index).await.unwrap();
    assert_code(here.active("release").await, Code::InvalidRequest);
}

#[tokio::test]
async fn an_expired_key_signs_no_more_though_it_is_remembered() {
    let (_database, keys) = world().await;
    keys.create(
        NewSigningKey { valid_to: Some(OffsetDateTime::now_utc() + Duration::seconds(2)), ..new("release") },
        &[],
    )
    .await
    .unwrap();
    keys.active("release").await.unwrap().attest(&statement()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_code(keys.active("release").await, Code::InvalidRequest);
}

#[tokio::test]
async fn a_ring_that_was_rotated_seals_every_private_key_anew() {
    let database = testing::database().await.unwrap();
    let (one, two) = (ring_key("one"), ring_key("two"));
    let old = keys(&database, std::slice::from_ref(&one));
    for name in ["a", "b", "c"] {
        old.create(new(name), &[]).await.unwrap();
    }
    old.change("c", 1, &SigningKeyChange::Revoke("gone".into()), None, &[]).await.unwrap();
    let rotated = keys(&database, &[two.clone(), one]);
    assert_eq!(rotated.reseal().await.unwrap(), 2);
    assert_eq!(rotated.reseal().await.unwrap(), 0);
    let new = keys(&database, std::slice::from_ref(&two));
    assert!(new.active("a").await.is_ok() && new.active("b").await.is_ok());
    let stranger = keys(&database, &[ring_key("three")]);
    let error = stranger.reseal().await.unwrap_err();
    assert!(error.for_log().contains("signing-key/a/1, signing-key/b/1"), "{}", error.for_log());
}

#[tokio::test]
async fn what_a_client_may_not_choose_is_refused_by_field() {
    let (_database, keys) = world().await;
    let past = Some(OffsetDateTime::now_utc() - Duration::SECOND);
    for (new, field) in [
        (new("No"), "name"),
        (NewSigningKey { description: "a\nb".into(), ..new("a") }, "description"),
        (NewSigningKey { valid_to: past, ..new("a") }, "valid_to"),
    ] {
        let error = keys.create(new, &[]).await.unwrap_err();
        assert_eq!((error.code(), error.details().next()), (Code::InvalidArgument, Some(("field", field))));
    }
    let rsa = NewSigningKey { origin: Origin::Generated(Algorithm::Rsa), ..new("a") };
    assert_code(keys.create(rsa, &[]).await, Code::InvalidArgument);
}

#[test]
fn names_are_those_that_the_index_takes() {
    for name in ["a", "0", "a.b-c_d", &"a".repeat(128)] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in ["", "A", "-a", "a-", ".a", "a/b", "a b", "é", &"a".repeat(129)] {
        assert_code(check_name(name), Code::InvalidArgument);
    }
}
