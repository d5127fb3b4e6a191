//! Stored keys against a real Postgres, on several replicas where that matters.

use std::collections::HashSet;

use super::*;
use crate::index::notify::Feed;
use crate::index::{AccessKeyChange, RevocationKind};
use crate::postgres::testing::{self, TestDatabase};

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// Seals by writing the id and the ring's key in front: enough to see what is bound to what.
#[derive(Debug)]
struct Plain(&'static str);

impl Seal for Plain {
    fn seal(&self, id: &str, secret: &[u8]) -> Result<Sealed> {
        let bytes = [format!("{}|{id}|", self.0).as_bytes(), secret].concat();
        Ok(Sealed { bytes, ring_key: self.0.to_owned() })
    }

    fn open(&self, id: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let text = String::from_utf8_lossy(sealed).into_owned();
        let mut fields = text.splitn(3, '|').skip(1);
        match (fields.next(), fields.next()) {
            (Some(bound), Some(secret)) if bound == id => Ok(secret.as_bytes().to_vec()),
            _ => Err(Error::internal("sealed for another id")),
        }
    }

    fn current(&self) -> String {
        self.0.to_owned()
    }
}

fn keys(database: &TestDatabase) -> StoredKeys {
    StoredKeys::new(database.index().unwrap(), Arc::new(Plain("one")))
}

/// Remembers for longer than any test runs: only the feed can change its mind.
fn remembering(database: &TestDatabase) -> StoredKeys {
    StoredKeys::with_freshness(database.index().unwrap(), Arc::new(Plain("one")), LONG * 60)
}

fn person(id: &str) -> NewKey {
    NewKey {
        owner: id.to_owned(),
        name: "alice".to_owned(),
        issuer: "kc".to_owned(),
        roles: vec!["kc:role/dev".to_owned()],
        groups: vec!["/teams/build".to_owned()],
        created_by: id.to_owned(),
        ..NewKey::default()
    }
}

async fn follow(keys: &StoredKeys, database: &TestDatabase) -> CancellationToken {
    let (feed, stop) = (Feed::new(), CancellationToken::new());
    let mut first = feed.subscribe();
    let (mine, subscription, stopped) = (keys.clone(), feed.subscribe(), stop.clone());
    tokio::spawn(async move { mine.run(subscription, stopped).await });
    let (index, stopped) = (database.index().unwrap(), stop.clone());
    tokio::spawn(async move { feed.run(&index, stopped).await });
    assert_eq!(tokio::time::timeout(LONG, first.next()).await.unwrap(), Some(Notice::Resync));
    stop
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_key_speaks_as_its_owner_with_the_secret_that_was_shown_once() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let issued = keys.create(person("kc/1"), |_| None).await.unwrap();
    assert_eq!((issued.key.id.len(), issued.secret.expose().len()), (20, 40));
    let found = keys.find(&issued.key.id).await.unwrap().unwrap();
    assert_eq!(found.secret, issued.secret);
    let Principal::Identity(identity) = &found.principal else { panic!() };
    assert_eq!((identity.id.as_str(), identity.name.as_str(), identity.issuer.as_str()), ("kc/1", "alice", "kc"));
    assert_eq!(
        (identity.roles.as_slice(), identity.groups.as_slice()),
        (&["kc:role/dev".to_owned()][..], &["/teams/build".to_owned()][..])
    );
    assert_eq!(identity.access_key_id.as_deref(), Some(issued.key.id.as_str()));
    assert!(identity.session.is_none() && identity.policy.is_none());
    let printed = format!("{issued:?} {found:?}");
    assert!(!printed.contains(issued.secret.expose()), "a secret is printed");
}

#[tokio::test]
async fn a_key_with_a_policy_is_narrowed_by_it() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"a/*"}}"#;
    let issued = keys.create(NewKey { policy: Some(policy.to_owned()), ..person("kc/1") }, |_| None).await.unwrap();
    let found = keys.find(&issued.key.id).await.unwrap().unwrap();
    let Principal::Identity(identity) = &found.principal else { panic!() };
    assert_eq!(identity.policy.as_deref(), Some(policy));
}

#[tokio::test]
async fn a_key_that_was_seen_costs_no_round_trip_and_an_outage_is_no_unknown_key() {
    let database = testing::database().await.unwrap();
    let keys = remembering(&database);
    let (seen, unseen) =
        (keys.create(person("kc/1"), |_| None).await.unwrap(), keys.create(person("kc/2"), |_| None).await.unwrap());
    assert!(keys.find(&seen.key.id).await.unwrap().is_some());
    assert!(keys.find("ZASKAAAAAAAAAAAAAAAA").await.unwrap().is_none());
    keys.index.close();
    assert!(keys.find(&seen.key.id).await.unwrap().is_some());
    assert_eq!(keys.find(&unseen.key.id).await.unwrap_err().code(), Code::IndexUnavailable);
    for strange in ["", "AKIAIOSFODNN7EXAMPLE", "ZASK", "ZASKaaaaaaaaaaaaaaaa", "ZASKAAAAAAAAAAAAAAA\0"] {
        assert!(keys.find(strange).await.unwrap().is_none(), "{strange}: no round trip for what cannot be an id");
    }
}

#[tokio::test]
async fn a_key_that_one_replica_disables_or_deletes_is_dead_on_another_that_remembers_it() {
    let database = testing::database().await.unwrap();
    let (here, there) = (keys(&database), remembering(&database));
    let _stop = follow(&there, &database).await;
    let (disabled, deleted) =
        (here.create(person("kc/1"), |_| None).await.unwrap(), here.create(person("kc/2"), |_| None).await.unwrap());
    for id in [&disabled.key.id, &deleted.key.id] {
        assert!(there.find(id).await.unwrap().is_some());
    }
    here.index.change_access_key(&disabled.key.id, AccessKeyChange::Disable, None, &[]).await.unwrap();
    here.index.change_access_key(&deleted.key.id, AccessKeyChange::Delete, None, &[]).await.unwrap();
    for id in [&disabled.key.id, &deleted.key.id] {
        until("a revoked key still opens", async || there.find(id).await.unwrap().is_none()).await;
    }
    here.index.change_access_key(&disabled.key.id, AccessKeyChange::Enable, None, &[]).await.unwrap();
    until("an enabled key opens", async || there.find(&disabled.key.id).await.unwrap().is_some()).await;
}

#[tokio::test]
async fn without_a_feed_a_disabled_key_is_dead_after_five_seconds() {
    let database = testing::database().await.unwrap();
    let (here, there) = (keys(&database), keys(&database));
    let issued = here.create(person("kc/1"), |_| None).await.unwrap();
    assert!(there.find(&issued.key.id).await.unwrap().is_some());
    here.index.change_access_key(&issued.key.id, AccessKeyChange::Disable, None, &[]).await.unwrap();
    tokio::time::sleep(FRESH).await;
    assert!(there.find(&issued.key.id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_expired_key_is_dead_though_it_is_remembered() {
    let database = testing::database().await.unwrap();
    let keys = remembering(&database);
    let end = OffsetDateTime::now_utc() + Duration::from_secs(3);
    let issued = keys.create(NewKey { expires_at: Some(end), ..person("kc/1") }, |_| None).await.unwrap();
    let _ = keys.find(&issued.key.id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(keys.find(&issued.key.id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_account_has_two_active_keys_at_the_most_however_many_ask_at_once() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let asked = futures::future::join_all((0..8).map(|_| keys.create(person("kc/1"), |_| None))).await;
    let made: Vec<_> = asked.iter().filter_map(|one| one.as_ref().ok()).collect();
    assert_eq!(made.len(), 2);
    assert!(asked.iter().filter_map(|one| one.as_ref().err()).all(|error| error.code() == Code::LimitExceeded));
    let id = &made[0].key.id;
    assert_eq!(keys.rotate(id, "kc/1", None, None, &[]).await.unwrap_err().code(), Code::LimitExceeded);
    keys.index.change_access_key(&made[1].key.id, AccessKeyChange::Disable, None, &[]).await.unwrap();
    let next = keys.rotate(id, "kc/1", None, None, &[]).await.unwrap();
    let error = keys.index.change_access_key(&made[1].key.id, AccessKeyChange::Enable, None, &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::LimitExceeded);
    for id in [id, &next.key.id] {
        assert!(keys.find(id).await.unwrap().is_some(), "both keys of a rotation open");
    }
}

#[tokio::test]
async fn keys_of_a_service_account_speak_as_the_same_account() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let new = NewKey { service_account: Some(ServiceAccount::New), issuer: String::new(), ..person("kc/1") };
    let first = keys.create(new, |_| None).await.unwrap();
    assert_eq!(first.key.account, format!("key/{}", first.key.id));
    let second = keys.rotate(&first.key.id, "kc/1", None, Some(first.key.version), &[]).await.unwrap();
    assert_eq!((&second.key.account, &second.key.owner), (&first.key.account, &first.key.owner));
    assert_ne!(second.secret, first.secret);
    // The person's own keys are not counted with it.
    keys.create(person("kc/1"), |_| None).await.unwrap();
    let later = OffsetDateTime::now_utc() + Duration::from_secs(60);
    keys.index.revoke(RevocationKind::Subject, "kc/1", later, "left", "root", &[]).await.unwrap();
    let page = keys.index.access_keys(Some("kc/1"), "", 10).await.unwrap();
    let disabled = page.keys.iter().filter(|key| key.disabled_at.is_some());
    assert_eq!(disabled.count(), 3, "who answers for an account takes it along");
    assert!(keys.find(&second.key.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_change_of_a_version_that_is_not_the_latest_is_refused() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let issued = keys.create(person("kc/1"), |_| None).await.unwrap();
    let (id, version) = (issued.key.id.as_str(), issued.key.version);
    keys.index.change_access_key(id, AccessKeyChange::Disable, Some(version), &[]).await.unwrap();
    for change in [AccessKeyChange::Enable, AccessKeyChange::Delete] {
        let error = keys.index.change_access_key(id, change, Some(version), &[]).await.unwrap_err();
        assert_eq!(error.code(), Code::PreconditionFailed);
    }
    let none = keys.index.change_access_key("ZASKAAAAAAAAAAAAAAAA", AccessKeyChange::Disable, None, &[]).await;
    assert_eq!(none.unwrap_err().code(), Code::NoSuchEntity);
    let error = keys.rotate(id, "kc/1", None, None, &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::AccessKeyInactive, "a disabled key is no way to a new one");
}

#[tokio::test]
async fn pages_of_keys_hold_every_key_of_an_owner_once() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let mut made = HashSet::new();
    for _ in 0..5 {
        let new = NewKey { service_account: Some(ServiceAccount::New), ..person("kc/1") };
        made.insert(keys.create(new, |_| None).await.unwrap().key.id);
    }
    keys.create(person("kc/2"), |_| None).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = keys.index.access_keys(Some("kc/1"), &after, 2).await.unwrap();
        seen.extend(page.keys.into_iter().map(|key| key.id));
        after.clone_from(seen.last().unwrap());
        if !page.truncated {
            break;
        }
    }
    assert!(seen.is_sorted() && seen.len() == 5);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), made);
    assert_eq!(keys.index.access_keys(None, "", 100).await.unwrap().keys.len(), 6);
}

#[tokio::test]
async fn a_secret_that_is_moved_to_another_row_does_not_open() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let (one, two) =
        (keys.create(person("kc/1"), |_| None).await.unwrap(), keys.create(person("kc/2"), |_| None).await.unwrap());
    sqlx::query("UPDATE access_keys SET secret = (SELECT secret FROM access_keys WHERE id = $1) WHERE id = $2")
        .bind(&one.key.id)
        .bind(&two.key.id)
        .execute(&database.pool().unwrap())
        .await
        .unwrap();
    assert!(keys.find(&two.key.id).await.is_err());
}

#[tokio::test]
async fn after_the_ring_was_rotated_every_secret_is_sealed_anew_and_stays_the_same() {
    let database = testing::database().await.unwrap();
    let old = keys(&database);
    let mut made = Vec::new();
    for owner in 0..3 {
        made.push(old.create(person(&format!("kc/{owner}")), |_| None).await.unwrap());
    }
    let new = StoredKeys::new(database.index().unwrap(), Arc::new(Plain("two")));
    assert_eq!(new.reseal().await.unwrap(), 3);
    assert_eq!(new.reseal().await.unwrap(), 0);
    for issued in made {
        assert_eq!(new.index.access_key(&issued.key.id).await.unwrap().unwrap().ring_key, "two");
        assert_eq!(new.find(&issued.key.id).await.unwrap().unwrap().secret, issued.secret);
    }
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let _stop = follow(&keys, &database).await;
    let id = keys.create(person("kc/1"), |_| None).await.unwrap().key.id;
    let used = async || keys.index.access_key(&id).await.unwrap().unwrap().last_used_at;
    assert!(used().await.is_none());
    keys.find(&id).await.unwrap().unwrap();
    until("a use is written", async || used().await.is_some()).await;
    let first = used().await.unwrap();
    let ids = [id.clone()];
    let noted = async |after: Duration| keys.index.touch_access_keys(&ids, &[first + after]).await.unwrap();
    assert_eq!(noted(Duration::from_secs(59)).await, 0);
    assert_eq!(noted(Duration::from_secs(60)).await, 1);
}

#[tokio::test]
async fn what_a_client_may_not_choose_is_refused_by_field() {
    let database = testing::database().await.unwrap();
    let keys = keys(&database);
    let past = OffsetDateTime::now_utc() - Duration::from_secs(1);
    for (field, new) in [
        ("owner", person("")),
        ("name", NewKey { name: "a\nb".to_owned(), ..person("kc/1") }),
        ("description", NewKey { description: "x".repeat(2000), ..person("kc/1") }),
        ("roles", NewKey { roles: vec![String::new()], ..person("kc/1") }),
        ("policy", NewKey { policy: Some("[]".to_owned()), ..person("kc/1") }),
        ("policy", NewKey { policy: Some(" ".repeat(30_000)), ..person("kc/1") }),
        ("expires_at", NewKey { expires_at: Some(past), ..person("kc/1") }),
        ("account", NewKey { service_account: Some(ServiceAccount::Known("kc/2".to_owned())), ..person("kc/1") }),
    ] {
        let error = keys.create(new, |_| None).await.unwrap_err();
        assert!(format!("{error:?}").contains(&format!("\"{field}\"")), "{field}: {error:?}");
    }
}
