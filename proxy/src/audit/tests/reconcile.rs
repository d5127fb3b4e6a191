//! Intents whose process has died or has heard no answer, and what is asked about them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use zas_policy::{Action, Principal, Resource};

use super::world::World;
use crate::audit::{ATTACH_REFERRER, Api, Kind, Reconciler, Record};
use crate::config::Store as StoreConfig;
use crate::digest::Digest;
use crate::error::Code;
use crate::index::{NewBucket, NewReferrer, Quota};
use crate::store::Store;

const REPOSITORY: &str = "team/app";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An index of nothing: it needs no blobs.
const EMPTY: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const LEASE: Duration = Duration::from_secs(60);

/// An intent as the OCI door writes it.
fn intent(operation: &str, action: Action, reference: Option<&str>) -> Record {
    let record = Record::new(Kind::Intent)
        .principal(&Principal::root("AKIA"))
        .api(Api::Oci)
        .action(action)
        .on(&Resource::repository(REPOSITORY))
        .upstream(REPOSITORY)
        .note(operation.to_owned());
    reference.into_iter().fold(record, |record, reference| record.reference(reference))
}

impl World {
    /// Ten seconds ago: what has just begun is nobody's to ask about.
    async fn begin(&self, intent: &Record) {
        self.index.append_audit(std::slice::from_ref(intent)).await.unwrap();
        let id = intent.id();
        self.tamper(&format!("UPDATE audit_intent SET time = time - interval '10 seconds' WHERE id = '{id}'")).await;
    }

    /// Everybody is taken for gone at once.
    fn reconciler(&self) -> Reconciler {
        Reconciler::new(self.index.clone(), self.store.clone(), Duration::ZERO)
    }

    /// The outcomes on record of an intent.
    async fn outcomes(&self, intent: &Record) -> Vec<Value> {
        let query =
            "SELECT record FROM audit_event WHERE kind = 'outcome' AND record::json->>'intent' = $1 ORDER BY time, id";
        let texts: Vec<String> = sqlx::query_scalar(query)
            .bind(intent.id().to_string())
            .fetch_all(&self.database.pool().unwrap())
            .await
            .unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    async fn open_intents(&self) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM audit_intent");
        query.fetch_one(&self.database.pool().unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn what_the_registry_has_is_found_and_what_it_has_not_is_absent() {
    let world = World::new().await;
    let (blob, manifest) = (Digest::of(b"blob"), Digest::of(EMPTY));
    world.store.put_blob(REPOSITORY, &blob, Bytes::from_static(b"blob")).await.unwrap();
    world.store.put_manifest(REPOSITORY, "v1", INDEX, Bytes::from_static(EMPTY)).await.unwrap();
    let absent = Digest::of(b"absent");
    for (intent, outcome, digest) in [
        (intent("PushManifest", Action::Push, Some("v1")), "found", Some(manifest)),
        (intent("PushManifest", Action::Push, Some(&manifest.to_string())), "found", Some(manifest)),
        (intent("PushManifest", Action::Push, Some("v2")), "absent", None),
        (intent("DeleteManifest", Action::Delete, Some("v1")), "found", Some(manifest)),
        (intent("DeleteManifest", Action::Delete, Some("v2")), "absent", None),
        (intent("DeleteBlob", Action::Delete, Some(&absent.to_string())), "absent", None),
        (intent("StartUpload", Action::Push, None).digest(blob), "found", Some(blob)),
        (intent("FinishUpload", Action::Push, Some("session")).digest(absent), "absent", Some(absent)),
    ] {
        world.begin(&intent).await;
        assert_eq!(world.reconciler().round().await.unwrap(), 1);
        let outcomes = world.outcomes(&intent).await;
        assert_eq!(outcomes.len(), 1, "{intent:?}");
        let record = &outcomes[0];
        assert_eq!((&record["outcome"], &record["principal"]), (&outcome.into(), &"root/AKIA".into()), "{intent:?}");
        assert_eq!(record["digest"].as_str(), digest.map(|digest| digest.to_string()).as_deref(), "{intent:?}");
        assert!(record["status"].is_null(), "nobody was answered: {record}");
    }
    assert_eq!(world.open_intents().await, 0);
    world.seal().await;
    assert_eq!(world.verify().await.findings, []);
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_unknown_for_good() {
    let world = World::new().await;
    let sha512 = format!("sha512:{}", "ab".repeat(64));
    for intent in [
        intent("UploadChunk", Action::Push, Some("session")),
        intent("StartUpload", Action::Push, None),
        intent("DeleteBlob", Action::Delete, Some(&sha512)),
    ] {
        world.begin(&intent).await;
        assert_eq!(world.reconciler().round().await.unwrap(), 1);
        assert_eq!(world.outcomes(&intent).await[0]["outcome"], "unknown", "{intent:?}");
    }
    assert_eq!(world.open_intents().await, 0);
}

#[tokio::test]
async fn many_replicas_settle_each_intent_once() {
    let world = World::new().await;
    let intents: Vec<Record> = (0..20).map(|i| intent("PushManifest", Action::Push, Some(&format!("v{i}")))).collect();
    for intent in &intents {
        world.begin(intent).await;
    }
    let replicas: Vec<Reconciler> =
        (0..4).map(|_| Reconciler::new(world.database.index().unwrap(), world.store.clone(), Duration::ZERO)).collect();
    let settled = futures::future::join_all(replicas.iter().map(Reconciler::round)).await;
    assert_eq!(settled.into_iter().map(Result::unwrap).sum::<usize>(), 20);
    for intent in &intents {
        assert_eq!(world.outcomes(intent).await.len(), 1);
    }
}

#[tokio::test]
async fn an_intent_that_has_got_its_outcome_gets_no_other() {
    let world = World::new().await;
    let intent = intent("PushManifest", Action::Push, Some("v1"));
    world.begin(&intent).await;
    let claimed = world.index.claim_audit_intent(Duration::ZERO, Duration::ZERO, LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.id, intent.id());
    let own = Record::new(Kind::Outcome).answered(201, None).of_intent(intent.id());
    world.index.append_audit(std::slice::from_ref(&own)).await.unwrap();
    let late = Record::outcome_of(&serde_json::from_str(&claimed.record).unwrap()).unwrap();
    assert!(!world.index.settle_audit_intent(&late).await.unwrap());
    let outcomes = world.outcomes(&intent).await;
    assert_eq!((outcomes.len(), &outcomes[0]["status"]), (1, &201.into()));
}

#[tokio::test]
async fn an_intent_is_left_alone_while_it_is_young_claimed_or_its_process_is_alive() {
    let world = World::new().await;
    let (age, silence) = (Duration::ZERO, Duration::from_secs(60));
    let claim = async |age, silence| world.index.claim_audit_intent(age, silence, LEASE).await.unwrap();
    world.begin(&intent("PushManifest", Action::Push, Some("v1"))).await;
    assert_eq!(claim(Duration::from_secs(60), age).await, None, "it is young");
    world.seal().await;
    assert_eq!(claim(age, silence).await, None, "whoever has sealed just now is alive");
    assert_eq!(claim(age, Duration::ZERO).await, None, "whatever is asked for, a second of silence is the least");
    world.tamper("UPDATE audit_writer SET seen_at = seen_at - interval '5 seconds'").await;
    assert!(claim(age, Duration::ZERO).await.is_some());
    assert_eq!(claim(age, Duration::ZERO).await, None, "somebody else is asking");
    world.tamper("UPDATE audit_intent SET leased_until = now() - interval '1 second'").await;
    assert!(claim(age, Duration::ZERO).await.is_some(), "whoever was asking is gone too");
    world.tamper("UPDATE audit_intent SET leased_until = NULL, time = time - interval '25 hours'").await;
    assert!(claim(age, silence).await.is_some(), "a living process has lost the outcome");
}

#[tokio::test]
async fn what_is_claimed_has_not_just_begun_and_is_not_held_for_long() {
    let world = World::new().await;
    let intent = intent("PushManifest", Action::Push, Some("v1"));
    world.index.append_audit(std::slice::from_ref(&intent)).await.unwrap();
    let claim = async |lease| world.index.claim_audit_intent(Duration::ZERO, Duration::ZERO, lease).await.unwrap();
    world.tamper("UPDATE audit_intent SET time = clock_timestamp() + interval '1 minute'").await;
    assert_eq!(claim(LEASE).await, None);
    world.tamper("UPDATE audit_intent SET time = clock_timestamp() - interval '1 minute'").await;
    assert!(claim(Duration::from_secs(1_000_000)).await.is_some());
    let held = world.text("SELECT (max(leased_until) < now() + interval '61 minutes')::text FROM audit_intent").await;
    assert_eq!(held, "true");
}

#[tokio::test]
async fn an_intent_in_doubt_is_claimed_though_its_process_is_alive() {
    let world = World::new().await;
    let intent = intent("PushManifest", Action::Push, Some("v1"));
    world.begin(&intent).await;
    world.seal().await;
    let (age, silence) = (Duration::from_secs(5), Duration::from_secs(60));
    let claim = async |age| world.index.claim_audit_intent(age, silence, LEASE).await.unwrap();
    assert_eq!(claim(age).await, None);
    for newly_doubted in [1, 0] {
        assert_eq!(world.index.doubt_audit_intents(&[intent.id()]).await.unwrap(), newly_doubted);
    }
    assert_eq!(claim(Duration::from_secs(60)).await, None, "it is young");
    assert_eq!(claim(age).await.map(|claimed| claimed.id), Some(intent.id()));
}

#[tokio::test]
async fn an_intent_whose_record_is_gone_does_not_stand_before_the_others() {
    let world = World::new().await;
    let intents: Vec<Record> = ["v1", "v2"].map(|tag| intent("PushManifest", Action::Push, Some(tag))).into();
    for intent in &intents {
        world.begin(intent).await;
    }
    world.tamper(&format!("DELETE FROM audit_event WHERE id = '{}'", intents[0].id())).await;
    assert_eq!(world.reconciler().round().await.unwrap(), 1);
    assert_eq!(world.outcomes(&intents[1]).await[0]["outcome"], "absent");
}

#[tokio::test]
async fn the_registry_is_asked_where_the_change_went_and_not_where_the_client_says() {
    let world = World::new().await;
    let (home, blob, other) = ("zas/referrers/s3/1", Digest::of(b"blob"), Digest::of(b"other"));
    world.store.put_blob(home, &blob, Bytes::from_static(b"blob")).await.unwrap();
    // A repository that is called as the bucket is.
    world.store.put_blob("releases", &other, Bytes::from_static(b"other")).await.unwrap();
    let upload = |digest: Digest| {
        Record::new(Kind::Intent).on(&Resource::bucket("releases")).note("StartUpload".to_owned()).digest(digest)
    };
    for (intent, outcome) in
        [(upload(blob).upstream(home), "found"), (upload(other).upstream(home), "absent"), (upload(other), "unknown")]
    {
        world.begin(&intent).await;
        assert_eq!(world.reconciler().round().await.unwrap(), 1);
        assert_eq!(world.outcomes(&intent).await[0]["outcome"], outcome, "{intent:?}");
    }
}

#[tokio::test]
async fn what_was_attached_is_found_where_it_is_seen() {
    let world = World::new().await;
    let bucket = NewBucket {
        name: "releases",
        region: "us-east-1",
        owner: "root",
        store: "main",
        prefix: "s3",
        shards: 1,
        quota: Quota::default(),
        object_lock: false,
        audit: &[],
    };
    world.index.create_bucket(bucket).await.unwrap();
    let (digest, none) = (Digest::of(b"signature"), BTreeMap::new());
    let referrer = NewReferrer {
        bucket: "releases",
        digest,
        subject: Digest::of(b"subject"),
        root: Digest::of(b"subject"),
        is_listed: true,
        kinds: &["other"],
        media_type: "a/b",
        artifact_type: None,
        size: 7,
        annotations: &none,
        blobs: &[],
        owner: "root",
        most: 10,
    };
    let attach = || {
        Record::new(Kind::Intent)
            .on(&Resource::object("releases", "app"))
            .upstream("zas/referrers/s3/1")
            .note(ATTACH_REFERRER.to_owned())
            .digest(digest)
    };
    let settled = async |intent: Record| {
        world.begin(&intent).await;
        assert_eq!(world.reconciler().round().await.unwrap(), 1);
        world.outcomes(&intent).await.remove(0)["outcome"].clone()
    };
    assert_eq!(settled(attach()).await, "absent");
    let id = world.index.begin_referrer(&referrer).await.unwrap();
    assert_eq!(settled(attach()).await, "absent", "nobody sees it yet");
    world.index.store_referrer(id, None, &[], None).await.unwrap();
    assert_eq!(settled(attach()).await, "found");
}

#[tokio::test]
async fn while_the_registry_is_away_an_intent_stays_open() {
    let world = World::new().await;
    world.begin(&intent("PushManifest", Action::Push, Some("v1"))).await;
    let mut config = StoreConfig { url: "http://127.0.0.1:1".to_owned(), ..StoreConfig::default() };
    config.retry.max_attempts = 1;
    let away = Reconciler::new(world.index.clone(), Store::new(&config).unwrap(), Duration::ZERO);
    assert_eq!(away.round().await.unwrap_err().code(), Code::UpstreamUnavailable);
    assert_eq!(world.open_intents().await, 1);
}
