//! The watch over a directory, against a real Postgres and a Keycloak that does what tests want.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::config::{RingKey, Secret};
use crate::error::Code;
use crate::identity::testing::{self, MockIssuer};
use crate::identity::{
    AccessKeys, Authenticator, Issuers, KeyRing, NewKey, Purpose, RegistryTokens, Revocations, ServiceAccount,
    Sessions, StoredKeys, generate_ring_key,
};
use crate::index::{NewRoleSession, StoredAccessKey};
use crate::postgres::testing::{TestDatabase, database};

const NOBODY: &str = r#"{"error": "User not found"}"#;

struct World {
    issuer: MockIssuer,
    index: Index,
    identity: Authenticator,
    directory: Directory,
    database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With alice and bob in the realm, both in `/staff`.
    async fn with(change: impl FnOnce(&mut config::Issuer)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (database, issuer) = (database().await.unwrap(), MockIssuer::start().await.unwrap());
        let index = database.index().unwrap();
        let mut config = issuer.config_with_directory("kc", "");
        change(&mut config);
        let issuers = [config];
        let key = RingKey { id: "a".into(), secret: Some(Secret::new(generate_ring_key())), secret_file: None };
        let ring = |purpose| Arc::new(KeyRing::new(std::slice::from_ref(&key), purpose).unwrap());
        let identity = Authenticator::new(AccessKeys::new(&[]))
            .with_issuers(Issuers::new(&issuers).unwrap(), Revocations::new(std::time::Duration::from_secs(60)))
            .with_ring(
                StoredKeys::new(index.clone(), ring(Purpose::AccessKey)),
                Sessions::new(ring(Purpose::SessionToken)),
                RegistryTokens::new(ring(Purpose::RegistryToken)),
            );
        identity.revocations().unwrap().refresh(&index).await.unwrap();
        let directory = Directory::of(&issuers, &index, identity.revocations()).unwrap().remove(0);
        let world = Self { issuer, index, identity, directory, database };
        for name in ["alice", "bob"] {
            world.put(name, |_| {});
        }
        world
    }

    fn put(&self, name: &str, change: impl FnOnce(&mut testing::Person)) {
        let (groups, roles) = (vec!["/staff".to_owned()], vec!["user".to_owned()]);
        let mut person = testing::Person { groups, roles, ..testing::Person::default() };
        change(&mut person);
        self.issuer.shared().people.put(&format!("id-of-{name}"), person);
    }

    /// An access key that somebody has made with a token of now.
    async fn key(&self, name: &str) -> String {
        self.key_of(name, None, &["user"], &["/staff"]).await
    }

    async fn key_of(&self, name: &str, account: Option<ServiceAccount>, roles: &[&str], groups: &[&str]) -> String {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let new = NewKey {
            owner: format!("kc/id-of-{name}"),
            service_account: account,
            name: name.to_owned(),
            issuer: "kc".to_owned(),
            roles: texts(roles),
            groups: texts(groups),
            created_by: name.to_owned(),
            ..NewKey::default()
        };
        self.identity.stored().unwrap().create(new, |_| None).await.unwrap().key.id
    }

    async fn row(&self, key: &str) -> StoredAccessKey {
        self.index.access_key(key).await.unwrap().unwrap()
    }

    async fn session(&self, subject: &str) {
        let session = NewRoleSession {
            id: uuid::Uuid::now_v7(),
            access_key_id: "ASIA",
            subject,
            name: "x",
            role: "deploy",
            session_name: "x",
            expires_at: OffsetDateTime::now_utc() + time::Duration::HOUR,
        };
        self.index.begin_role_session(&session, &[]).await.unwrap();
    }

    fn asked(&self) -> usize {
        self.issuer.shared().people.asked.load(Ordering::Relaxed)
    }

    /// What is on record of the watch, as action and whom it was about.
    async fn on_record(&self) -> Vec<(String, String)> {
        let pool = self.database.pool().unwrap();
        let rows: Vec<(String,)> = sqlx::query_as("SELECT record FROM audit_event").fetch_all(&pool).await.unwrap();
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let read = |(row,): &(String,)| serde_json::from_str::<Value>(row).unwrap();
        rows.iter().map(read).map(|event| (text(&event, "action"), text(&event, "reference"))).collect()
    }
}

#[tokio::test]
async fn whoever_is_disabled_or_gone_is_revoked_with_keys_service_accounts_and_sessions() {
    let world = World::new().await;
    let (alice, bob) = (world.key("alice").await, world.key("bob").await);
    let service = world.key_of("bob", Some(ServiceAccount::New), &[], &[]).await;
    let account = world.row(&service).await.account;
    world.session("kc/id-of-carol").await;
    world.put("carol", |_| {});
    assert_eq!(world.directory.round().await.unwrap(), Round { asked: 3, ..Round::default() });

    world.put("bob", |person| person.is_disabled = true);
    world.issuer.shared().people.remove("id-of-carol");
    let before = world.identity.token(&world.issuer.token("bob", &Value::Null).unwrap()).await.unwrap().issued_at;
    let round = world.directory.round().await.unwrap();
    assert_eq!((round.asked, round.revoked), (3, 2));
    assert!(world.row(&bob).await.disabled_at.is_some() && world.row(&service).await.disabled_at.is_some());
    assert!(world.row(&alice).await.disabled_at.is_none());
    let revoked = world.index.revocations(None, 10).await.unwrap();
    let find = |value: &str| revoked.iter().find(|one| one.value == value).unwrap();
    assert_eq!(find("kc/id-of-bob").reason, "disabled at the issuer");
    assert_eq!(
        (find("kc/id-of-carol").reason.as_str(), find("kc/id-of-carol").revoked_by.as_str()),
        ("gone at the issuer", "directory/kc")
    );
    assert!(find(&account).before.unix_timestamp() >= before, "sessions of the service account");
    // This replica knows at once.
    let token = world.issuer.token("bob", &json!({"iat": before})).unwrap();
    assert!(world.identity.token(&token).await.unwrap_err().message().contains("revoked"));
    // They own nothing any more, so that nobody asks about them again.
    assert_eq!(world.directory.round().await.unwrap(), Round { asked: 1, ..Round::default() });
}

#[tokio::test]
async fn keys_lose_what_their_person_has_lost_and_gain_nothing() {
    let world = World::with(|issuer| {
        let claims = [("/team".to_owned(), vec!["build".to_owned()])].into();
        issuer.role_rules = vec![config::RoleRule { role: "ruled".into(), claims }];
        let clients = [("zas".to_owned(), "internal-id-of-zas".to_owned())].into();
        issuer.directory.as_mut().unwrap().clients = clients;
    })
    .await;
    world.put("alice", |person| {
        person.groups = vec!["/staff/build".into(), "/new".into()];
        person.roles = vec!["user".into(), "added".into()];
        person.client_roles = vec!["pusher".into()];
    });
    let key =
        world.key_of("alice", None, &["user", "pusher", "ruled", "lost"], &["/gone", "/staff/build", "build"]).await;
    let round = world.directory.round().await.unwrap();
    assert_eq!((round.asked, round.followed, round.revoked), (1, 1, 0));
    let row = world.row(&key).await;
    assert_eq!(row.roles, ["user", "pusher", "ruled"]);
    // Groups may stand in tokens by their paths or by their names.
    assert_eq!(row.groups, ["/staff/build", "build"]);
    assert_eq!(world.directory.round().await.unwrap().followed, 0);
}

#[tokio::test]
async fn an_older_token_gives_a_key_nothing_back_and_a_later_one_does() {
    let world = World::new().await;
    let key = world.key("alice").await;
    let old = world.issuer.token("alice", &Value::Null).unwrap();
    world.identity.token(&old).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.put("alice", |person| person.groups.clear());
    assert_eq!(world.directory.round().await.unwrap().followed, 1);
    world.identity.token(&old).await.unwrap();
    assert!(world.row(&key).await.groups.is_empty());
    let later = OffsetDateTime::now_utc().unix_timestamp() + 2;
    let token = world.issuer.token("alice", &json!({"iat": later, "groups": ["/staff"]})).unwrap();
    world.identity.token(&token).await.unwrap();
    assert_eq!(world.row(&key).await.groups, ["/staff"]);
    // What was asked for before that token was issued takes nothing.
    assert_eq!(world.directory.round().await.unwrap().followed, 0);
    assert_eq!(world.row(&key).await.groups, ["/staff"]);
}

#[tokio::test]
async fn roles_and_groups_are_left_alone_where_they_are_not_keycloaks() {
    let world = World::with(|issuer| {
        let directory = issuer.directory.as_mut().unwrap();
        (directory.groups, directory.roles) = (false, false);
    })
    .await;
    let key = world.key_of("alice", None, &["elsewhere"], &["/elsewhere"]).await;
    assert_eq!(world.directory.round().await.unwrap(), Round { asked: 1, ..Round::default() });
    let row = world.row(&key).await;
    assert_eq!((row.roles, row.groups), (vec!["elsewhere".to_owned()], vec!["/elsewhere".to_owned()]));
}

#[tokio::test]
async fn nobody_is_revoked_for_an_error() {
    let world = World::new().await;
    let key = world.key("bob").await;
    world.put("bob", |person| person.is_disabled = true);
    let people = &world.issuer.shared().people;
    for fault in [
        (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error": "unknown_error"}"#),
        (StatusCode::FORBIDDEN, r#"{"error": "HTTP 403 Forbidden"}"#),
        (StatusCode::NOT_FOUND, "<html>nothing here</html>"),
        (StatusCode::NOT_FOUND, r#"{"error": "Realm not found."}"#),
        // Even the one whom it names itself: it has lost everybody.
        (StatusCode::NOT_FOUND, NOBODY),
        (StatusCode::OK, r#"{"id": "id-of-somebody-else", "enabled": false}"#),
        (StatusCode::OK, r#"{"enabled": false}"#),
        (StatusCode::OK, ""),
    ] {
        people.fail(Some(fault));
        let error = world.directory.round().await.unwrap_err();
        assert_eq!(error.code(), Code::IssuerUnavailable, "{fault:?}");
        assert!(world.row(&key).await.disabled_at.is_none(), "{fault:?}");
    }
    people.fail(None);
    world.issuer.shared().is_down.store(true, Ordering::Relaxed);
    assert!(world.directory.round().await.is_err());
    world.issuer.shared().is_down.store(false, Ordering::Relaxed);
    assert!(world.row(&key).await.disabled_at.is_none());
    assert_eq!(world.directory.round().await.unwrap().revoked, 1);
    assert!(world.row(&key).await.disabled_at.is_some());
}

#[tokio::test]
async fn a_realm_without_anybody_has_lost_them() {
    let world = World::new().await;
    let key = world.key("alice").await;
    for name in ["id-of-alice", "id-of-bob"] {
        world.issuer.shared().people.remove(name);
    }
    assert_eq!(world.directory.round().await.unwrap_err().code(), Code::IssuerUnavailable);
    assert!(world.row(&key).await.disabled_at.is_none());
}

#[tokio::test]
async fn more_than_can_be_believed_are_not_revoked() {
    let world = World::with(|issuer| issuer.directory.as_mut().unwrap().revoke_at_most = 2).await;
    let names = ["bob", "carol", "dave"];
    for name in names {
        world.key(name).await;
        world.put(name, |person| person.is_disabled = true);
    }
    let round = world.directory.round().await.unwrap();
    assert_eq!(round, Round { asked: 3, is_refused: true, ..Round::default() });
    assert!(world.index.revocations(None, 10).await.unwrap().is_empty());
    world.put("carol", |_| {});
    assert_eq!(world.directory.round().await.unwrap().revoked, 2);
}

#[tokio::test]
async fn a_token_that_the_realm_no_longer_takes_is_replaced_by_another() {
    let world = World::new().await;
    world.key("alice").await;
    world.directory.round().await.unwrap();
    let people = &world.issuer.shared().people;
    assert_eq!(people.tokens.load(Ordering::Relaxed), 1);
    // As after a restart with other keys.
    people.tokens.store(7, Ordering::Relaxed);
    world.directory.round().await.unwrap();
    assert_eq!(people.tokens.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn one_replica_at_a_time_goes_round_and_another_follows_one_that_dies() {
    let world = World::new().await;
    let second = world.index.clone();
    let second_second = std::time::Duration::from_secs(1);
    assert_eq!(world.index.claim_directory_round("kc", second_second).await.unwrap(), None);
    let wait = second.claim_directory_round("kc", second_second).await.unwrap().unwrap();
    assert!(wait <= second_second, "{wait:?}");
    assert_eq!(second.claim_directory_round("other", LEASE).await.unwrap(), None, "each issuer has its own");
    tokio::time::sleep(wait + std::time::Duration::from_millis(50)).await;
    assert_eq!(second.claim_directory_round("kc", LEASE).await.unwrap(), None);
    second.put_off_directory_round("kc", std::time::Duration::ZERO).await.unwrap();
    assert_eq!(world.index.claim_directory_round("kc", LEASE).await.unwrap(), None);
}

#[tokio::test]
async fn who_owns_nothing_that_is_good_is_not_asked_about() {
    let world = World::new().await;
    let key = world.key("alice").await;
    world.index.change_access_key(&key, crate::index::AccessKeyChange::Disable, None, &[]).await.unwrap();
    for subject in ["root/AKIA", "key/ZASKX", "kcx/1", "gh/1"] {
        world.session(subject).await;
    }
    let before = world.asked();
    assert_eq!(world.directory.round().await.unwrap(), Round::default());
    // Two questions whether the realm is sane.
    assert_eq!(world.asked() - before, 2);
}

#[tokio::test]
async fn what_the_watch_does_is_on_record() {
    let world = World::new().await;
    world.key("alice").await;
    world.key("bob").await;
    world.put("alice", |person| person.groups.clear());
    world.put("bob", |person| person.is_disabled = true);
    world.directory.round().await.unwrap();
    let mut found = world.on_record().await;
    found.sort();
    let wanted = [("FollowDirectory", "kc/id-of-alice"), ("RevokeByDirectory", "kc/id-of-bob")];
    assert_eq!(found, wanted.map(|(action, whom)| (action.to_owned(), whom.to_owned())));
}
