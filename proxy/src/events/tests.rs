//! Events against a real Postgres, and a webhook that answers as it is told. What has happened is told here by the SQL function that
//! writes call; that they call it is for the tests of the doors.

mod upkeep;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Sender, Target, Targets};
use crate::config::{Config, EventFormat, EventTarget, PrivateUrl, RingKey, Secret};
use crate::error::Code;
use crate::identity::generate_ring_key;
use crate::index::{Event, EventEnd, Index, NewBucket, NewEventTarget, NewNotification, Quota};
use crate::postgres::testing::{self, TestDatabase};

/// Longer than any of these tests should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A webhook that answers 204 once its `answers` are used up, and keeps what it gets.
#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<Vec<u16>>>,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    /// How many requests about a key are being answered, and the most that there were at once.
    at_once: Arc<Mutex<HashMap<String, (usize, usize)>>>,
    pause: Duration,
}

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let receiver = receiver.clone();
                let service = service_fn(move |request| receiver.clone().take(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        format!("http://{address}/hooks/hunter2")
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let key = serde_json::from_str::<Value>(&body).unwrap()["Records"][0]["s3"]["object"]["key"].to_string();
        self.got.lock().unwrap().push((parts.headers, body));
        {
            let mut at_once = self.at_once.lock().unwrap();
            let (now, most) = at_once.entry(key.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        tokio::time::sleep(self.pause).await;
        self.at_once.lock().unwrap().get_mut(&key).unwrap().0 -= 1;
        let status = self.answers.lock().unwrap().pop().unwrap_or(204);
        Ok(Response::builder().status(status).header("location", "http://127.0.0.1:1/").body(Empty::new()).unwrap())
    }

    /// Keys and names of what it was told, in order.
    fn told(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let bodies = self.got.lock().unwrap();
        let records = bodies.iter().map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["Records"][0].clone());
        records.map(|record| (text(&record["s3"]["object"]["key"]), text(&record["s3"]["object"]["eTag"]))).collect()
    }
}

/// A bucket `b` that tells the target `ci` whatever happens below `in/`.
struct World {
    database: TestDatabase,
    index: Index,
    config: Config,
    receiver: Receiver,
}

impl World {
    async fn new() -> Self {
        Self::with(Receiver::default(), EventFormat::S3).await
    }

    async fn with(receiver: Receiver, format: EventFormat) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let database = testing::database().await.unwrap();
        let mut config = Config::default();
        config.database.url = Secret::new(database.url());
        let secret = Some(Secret::new(generate_ring_key()));
        config.identity.key_ring = vec![RingKey { id: "test".into(), secret, secret_file: None }];
        config.events.targets = vec![EventTarget {
            name: "ci".to_owned(),
            url: PrivateUrl::new(receiver.start().await),
            format,
            secret: Some(Secret::new("a secret of the two")),
            secret_file: None,
        }];
        let index = Index::open(&config.database).unwrap();
        let new = NewBucket {
            name: "b",
            region: "us-east-1",
            owner: "root",
            store: "main",
            prefix: "s3",
            shards: 1,
            quota: Quota::default(),
            object_lock: false,
            audit: &[],
        };
        index.create_bucket(new).await.unwrap();
        let world = Self { database, index, config, receiver };
        assert_eq!(world.notify("ci", "in/").await, [""; 0]);
        world
    }

    async fn notify(&self, target: &str, prefix: &str) -> Vec<String> {
        let rules = json!([{"name": "all", "target": target, "prefix": prefix, "suffix": "",
            "events": ["ObjectCreated:*", "ObjectRemoved:*"]}]);
        let new = NewNotification {
            bucket: "b",
            document: &json!([]),
            rules: &rules,
            known: &["ci".to_owned()],
            by: "root",
            audit: &[],
        };
        self.index.put_bucket_notification(new).await.unwrap()
    }

    /// The bucket tells another target of the index too, that nothing can be told to.
    async fn also_tell(&self, target: &str) {
        let pool = self.database.pool().unwrap();
        let make = "INSERT INTO event_targets (name, format, shown_url, signs, sealed, ring_key, enabled, changed_by)
            VALUES ($1, 's3', '', false, '', 'test', false, 'root')";
        sqlx::query(make).bind(target.to_owned()).execute(&pool).await.unwrap();
        let tell = "INSERT INTO event_rules (bucket_id, name, target, events, prefix, suffix)
            SELECT b.id, 'also', $1, ARRAY['ObjectCreated:*'], 'in/', '' FROM buckets AS b WHERE b.name = 'b'";
        sqlx::query(tell).bind(target.to_owned()).execute(&pool).await.unwrap();
    }

    /// A target is gone as if a write had known it a moment longer than whoever deleted it.
    async fn forget_target(&self, target: &str) {
        let forget = "DELETE FROM event_targets WHERE name = $1";
        sqlx::query(forget).bind(target.to_owned()).execute(&self.database.pool().unwrap()).await.unwrap();
    }

    /// Makes or replaces a target of the index that leads to the receiver of `ci`.
    async fn store_target(&self, name: &str, enabled: bool) {
        let sealed = self.targets().seal(name, &self.config.events.targets[0].url, None).unwrap();
        let new = NewEventTarget {
            name,
            format: "s3",
            shown_url: "shown",
            signs: false,
            sealed: &sealed.bytes,
            ring_key: &sealed.ring_key,
            enabled,
            expected: None,
            by: "root",
            audit: &[],
        };
        self.index.put_event_target(new).await.unwrap();
    }

    /// Something happens; `etag` tells what from what.
    async fn happens(&self, event: &str, key: &str, etag: &str) {
        let tell =
            "SELECT tell_event(b.id, $1, $2, NULL, 1, $3, 'user/alice')::text FROM buckets AS b WHERE b.name = 'b'";
        let asked = sqlx::query(tell).bind(event.to_owned()).bind(key.to_owned()).bind(etag.to_owned());
        asked.execute(&self.database.pool().unwrap()).await.unwrap();
    }

    async fn put(&self, key: &str, etag: &str) {
        self.happens("ObjectCreated:Put", key, etag).await;
    }

    /// What one has to wait for is due.
    async fn time_passes(&self) {
        let due = "UPDATE event_lanes SET due_at = now() - interval '1 second'";
        sqlx::raw_sql(due).execute(&self.database.pool().unwrap()).await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool().unwrap()).await.unwrap()
    }

    async fn waiting(&self) -> i64 {
        self.count("SELECT count(*) FROM event_outbox WHERE failed_at IS NULL").await
    }

    fn targets(&self) -> Targets {
        Targets::new(&self.config, &self.index).unwrap()
    }

    fn sender(&self) -> Sender {
        Sender::new(self.index.clone(), self.targets(), self.config.events.clone())
    }

    async fn target(&self, name: &str) -> Arc<Target> {
        Arc::new(self.targets().find(name).await.unwrap().unwrap())
    }

    /// Tells the target `ci` until nothing waits, however long that would take; how many attempts it took.
    async fn tell_all(&self) -> usize {
        let (sender, target, mut attempts) = (self.sender(), self.target("ci").await, 0);
        while self.waiting().await > 0 {
            while sender.deliver_one(&target).await.unwrap() {
                attempts += 1;
            }
            self.time_passes().await;
        }
        attempts
    }

    async fn wait_until_told(&self) {
        let told = async {
            while self.waiting().await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
    }
}

/// What was told of each key, in order, without what was told again at once.
fn by_key(told: Vec<(String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, etag) in told {
        let of_key = keys.entry(key).or_default();
        if of_key.last() != Some(&etag) {
            of_key.push(etag);
        }
    }
    keys
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_and_nothing_of_its_key_overtakes_it() {
    let world = World::new().await;
    world.receiver.answers.lock().unwrap().extend([307, 500, 503]);
    for etag in ["1", "2", "3"] {
        world.put("in/a", etag).await;
        world.put("in/b", etag).await;
    }
    assert_eq!(world.tell_all().await, 9, "six events, of which three attempts were not taken");
    let of_key = ["1", "2", "3"].map(str::to_owned).to_vec();
    let wanted = BTreeMap::from([("in/a".to_owned(), of_key.clone()), ("in/b".to_owned(), of_key)]);
    assert_eq!(by_key(world.receiver.told()), wanted);
    assert_eq!(world.count("SELECT count(*) FROM event_lanes").await, 0, "no lane is left behind");
}

#[tokio::test]
async fn what_no_rule_is_about_is_not_written_down() {
    let world = World::new().await;
    world.put("out/a", "1").await;
    world.happens("ObjectTagging:Put", "in/a", "1").await;
    assert_eq!(world.waiting().await, 0);
    world.happens("ObjectRemoved:DeleteMarkerCreated", "in/a", "1").await;
    assert_eq!(world.waiting().await, 1, "a family has all of its members");
    assert_eq!(world.notify("ci", "out/").await, [""; 0]);
    world.put("in/a", "2").await;
    assert_eq!(world.waiting().await, 1, "the rule that there was is gone");
}

#[tokio::test]
async fn a_process_that_ends_without_a_word_leaves_its_event_to_the_next() {
    let world = World::new().await;
    world.put("in/a", "1").await;
    world.put("in/a", "2").await;
    let lost: Event = world.index.claim_event("ci", Duration::from_secs(3600)).await.unwrap().unwrap();
    let sender = world.sender();
    let target = world.target("ci").await;
    assert!(!sender.deliver_one(&target).await.unwrap(), "somebody is at the key");
    world.time_passes().await;
    assert!(sender.deliver_one(&target).await.unwrap());
    assert_eq!(world.receiver.told(), [("in/a".to_owned(), "1".to_owned())]);
    let late = EventEnd::Retry(Duration::from_secs(3600), "late".to_owned());
    assert!(!world.index.end_event(&lost, &late).await.unwrap(), "another has had it since");
    assert!(sender.deliver_one(&target).await.unwrap(), "the next of the key is due at once");
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_what_there_is_to_tell_and_of_a_key_one_event_is_on_its_way() {
    let receiver = Receiver { pause: Duration::from_millis(10), ..Receiver::default() };
    let world = World::with(receiver, EventFormat::S3).await;
    for etag in 0..20 {
        for key in ["in/a", "in/b", "in/c", "in/d", "in/e"] {
            world.put(key, &etag.to_string()).await;
        }
    }
    let stop = CancellationToken::new();
    let (one, other) = (world.sender(), world.sender());
    let running = async { tokio::join!(one.run(stop.clone()), other.run(stop.clone())) };
    let told = async {
        world.wait_until_told().await;
        stop.cancel();
    };
    tokio::join!(running, told);
    assert_eq!(world.receiver.told().len(), 100, "each once, where nothing fails");
    let in_order: Vec<String> = (0..20).map(|etag| etag.to_string()).collect();
    for (key, told) in by_key(world.receiver.told()) {
        assert_eq!(told, in_order, "{key}");
    }
    assert!(world.receiver.at_once.lock().unwrap().values().all(|(now, most)| (*now, *most) == (0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_stopped_leaves_the_rest_to_the_one_that_comes_after_it() {
    let world = World::new().await;
    for etag in 0..30 {
        world.put("in/a", &etag.to_string()).await;
    }
    for _ in 0..2 {
        let stop = CancellationToken::new();
        let sender = world.sender();
        let before = world.receiver.told().len();
        let some = async {
            while world.receiver.told().len() < before + 10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        tokio::join!(sender.run(stop.clone()), some);
    }
    world.tell_all().await;
    let in_order: Vec<String> = (0..30).map(|etag| etag.to_string()).collect();
    assert_eq!(by_key(world.receiver.told())["in/a"], in_order);
}

#[tokio::test]
async fn what_is_dead_holds_nothing_up_and_is_told_after_all_when_somebody_asks() {
    let mut world = World::new().await;
    world.config.events.attempts = 2;
    world.receiver.answers.lock().unwrap().extend([500, 500]);
    world.put("in/a", "1").await;
    world.put("in/a", "2").await;
    world.tell_all().await;
    let etags = |world: &World| world.receiver.told().into_iter().map(|(_, etag)| etag).collect::<Vec<_>>();
    assert_eq!(etags(&world), ["1", "1", "2"]);
    let (dead, more) = world.index.dead_events("ci", 0, 10).await.unwrap();
    assert_eq!((dead.len(), more, dead[0].attempts), (1, false, 2));
    assert!(dead[0].error.as_ref().unwrap().contains("500"), "{:?}", dead[0].error);
    let backlog = world.index.event_backlog(Some(&["ci"])).await.unwrap();
    assert_eq!((backlog[0].pending, backlog[0].failed), (0, 1));
    assert_eq!(world.index.redeliver_events("ci", 10, &[]).await.unwrap(), 1);
    world.tell_all().await;
    assert_eq!(etags(&world), ["1", "1", "2", "1"]);
    assert!(world.index.event_backlog(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_happened_in_a_bucket_is_told_though_the_bucket_is_gone() {
    let world = World::new().await;
    world.put("in/a", "1").await;
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM event_rules").await, 0);
    world.tell_all().await;
    let body: Value = serde_json::from_str(&world.receiver.got.lock().unwrap()[0].1).unwrap();
    assert_eq!(body["Records"][0]["s3"]["bucket"]["name"], "b");
    assert_eq!(body["Records"][0]["userIdentity"]["principalId"], "user/alice");
}

#[tokio::test]
async fn each_body_is_signed() {
    let world = World::new().await;
    world.put("in/a", "1").await;
    world.tell_all().await;
    let got = world.receiver.got.lock().unwrap();
    let (headers, body) = got.first().unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"a secret of the two");
    let tag = hex::encode(aws_lc_rs::hmac::sign(&key, body.as_bytes()).as_ref());
    assert_eq!(headers["x-zas-signature"], format!("sha256={tag}"));
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_target_of_the_index_is_sealed_and_told_while_it_is_enabled() {
    let mut world = World::new().await;
    world.config.events.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    assert_eq!(world.notify("made", "in/").await, ["made"], "there is none yet");
    let url = PrivateUrl::new(world.receiver.start().await);
    let put = async |enabled: bool| {
        let secret = Secret::new("a secret of the two");
        let sealed = world.targets().seal("made", &url, Some(&secret)).unwrap();
        let new = NewEventTarget {
            name: "made",
            format: "s3",
            shown_url: "shown",
            signs: true,
            sealed: &sealed.bytes,
            ring_key: &sealed.ring_key,
            enabled,
            expected: None,
            by: "root",
            audit: &[],
        };
        world.index.put_event_target(new).await.unwrap();
        sealed.bytes
    };
    let sealed = put(false).await;
    assert!(!String::from_utf8_lossy(&sealed).contains("hunter2"));
    assert_eq!(world.notify("made", "in/").await, [""; 0]);
    world.put("in/a", "1").await;
    let names =
        async || world.targets().enabled().await.unwrap().0.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(names().await, ["ci"]);
    put(true).await;
    assert_eq!(names().await, ["ci", "made"]);
    let made = world.target("made").await;
    assert!(world.sender().deliver_one(&made).await.unwrap());
    assert!(world.receiver.got.lock().unwrap()[0].0.contains_key("x-zas-signature"));

    let in_use = world.index.delete_event_target("made", None, &[]).await.unwrap_err();
    assert_eq!(in_use.code(), Code::InvalidRequest);
    world.put("in/a", "2").await;
    world.notify("ci", "in/").await;
    world.index.delete_event_target("made", None, &[]).await.unwrap();
    let (dead, _) = world.index.dead_events("made", 0, 10).await.unwrap();
    assert_eq!(dead.len(), 1, "what waited for it is not lost");
}

#[tokio::test]
async fn targets_are_sealed_anew_under_the_first_key_of_the_ring() {
    let mut world = World::new().await;
    world.config.events.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let url = PrivateUrl::new(world.receiver.start().await);
    let sealed = world.targets().seal("made", &url, None).unwrap();
    let new = NewEventTarget {
        name: "made",
        format: "cloudevents",
        shown_url: "shown",
        signs: false,
        sealed: &sealed.bytes,
        ring_key: &sealed.ring_key,
        enabled: true,
        expected: Some(0),
        by: "root",
        audit: &[],
    };
    world.index.put_event_target(new).await.unwrap();
    let next = RingKey { id: "next".into(), secret: Some(Secret::new(generate_ring_key())), secret_file: None };
    world.config.identity.key_ring.insert(0, next);
    assert_eq!(world.targets().reseal().await.unwrap(), 1);
    world.config.identity.key_ring.pop();
    assert_eq!(world.target("made").await.format, EventFormat::CloudEvents);
    assert_eq!(world.targets().reseal().await.unwrap(), 0);
}

#[tokio::test]
async fn an_inner_address_is_no_target_unless_its_network_is_listed() {
    let world = World::new().await;
    let refused = world.targets().seal("made", &PrivateUrl::new("http://169.254.169.254/latest"), None).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let without = Config::default();
    let targets = Targets::new(&without, &world.index).unwrap();
    let refused = targets.seal("made", &PrivateUrl::new("https://hooks.example"), None).unwrap_err();
    assert_eq!(refused.code(), Code::NotImplemented, "there is no key ring");
}
