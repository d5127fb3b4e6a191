//! A process that dies between the decision about a change and its answer, at every place where it could matter.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use zas_proxy::audit::note::generate_key;
use zas_proxy::failpoint::Failpoint;
use zas_proxy::postgres::testing::{self, TestDatabase};
use zas_registry::{Options, Registry, Server};

use super::ask::{Ask, Client, PATIENCE, basic};
use super::program::Program;
use super::signing::Signer;

const ROOT: (&str, &str) = ("AKIA", "0123456789abcdef0123456789abcdef");
/// What a shell says of a child that ended by SIGABRT.
const ABORTED: i32 = 128 + 6;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of the two bytes `{}`.
const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// What must be found after the process has died.
enum Left {
    /// An object, with its record, or neither.
    Object { is_there: bool },
    /// Nothing of a bucket that was to be made once.
    NoBucket,
    /// A manifest, the number of its intents, and what their outcome is found to be.
    Manifest { is_there: bool, outcome: Option<&'static str> },
}

const fn expected(place: Failpoint) -> Left {
    match place {
        Failpoint::S3Authorized | Failpoint::BlobPinned | Failpoint::S3Uncommitted => Left::Object { is_there: false },
        Failpoint::S3Committed => Left::Object { is_there: true },
        Failpoint::UnitUncommitted => Left::NoBucket,
        Failpoint::OciAuthorized => Left::Manifest { is_there: false, outcome: None },
        Failpoint::OciIntended => Left::Manifest { is_there: false, outcome: Some("absent") },
        Failpoint::OciAnswered | Failpoint::OciUnrecorded => Left::Manifest { is_there: true, outcome: Some("found") },
    }
}

/// A database and a registry that stay, for processes that do not.
struct World {
    client: Client,
    configuration: PathBuf,
    database: TestDatabase,
    folder: tempfile::TempDir,
    _server: Server,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = testing::database().await.unwrap();
        let registry = Registry::open(folder.path().join("registry"), Options::default()).unwrap();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let key = folder.path().join("audit.pem");
        std::fs::write(&key, generate_key().unwrap()).unwrap();
        let text = toml::to_string(&json!({
            "listen": {"address": format!("127.0.0.1:{port}")},
            "database": {"url": database.url()},
            "store": {"url": format!("http://{}", server.local_addr()), "shards": 1},
            "audit": {"checkpoint_key_file": key, "checkpoint_interval": "1s", "reconcile_after": "1s"},
            "access_keys": [{"id": ROOT.0, "secret": ROOT.1}],
        }));
        let configuration = folder.path().join("zas.toml");
        std::fs::write(&configuration, text.unwrap()).unwrap();
        let client = Client::new(format!("http://127.0.0.1:{port}"), None);
        Self { client, configuration, database, folder, _server: server }
    }

    /// Starts a process that dies at a place, or does not.
    async fn start(&self, place: Option<Failpoint>) -> Program {
        let arguments = ["serve", "--config", self.configuration.to_str().unwrap()];
        let environment: Vec<(&str, &str)> = place.iter().map(|place| ("ZAS_ABORT_AT", place.name())).collect();
        let program = Program::start_with(self.folder.path(), &arguments, &environment);
        let ready = async {
            let probe = Ask::get("/-/readyz");
            while !self.client.try_send(&probe, None).await.is_ok_and(|answer| answer.status == 200) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let is_ready = tokio::time::timeout(PATIENCE, ready).await.is_ok();
        assert!(is_ready, "{}", program.output());
        program
    }

    fn signed(&self, ask: Ask) -> Ask {
        Signer::new(ROOT.0, ROOT.1).sign(&self.client.base, ask)
    }

    fn object(&self, place: Failpoint) -> String {
        format!("/bucket/{}", place.name())
    }

    /// Makes a bucket, once, however often it is asked for.
    fn bucket(&self, place: Failpoint) -> Ask {
        let ask = Ask::post("/-/api/v1/buckets").json(&json!({"name": place.name()}));
        ask.header("idempotency-key", place.name())
    }

    fn manifest(&self, place: Failpoint) -> Ask {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "annotations": {"place": place.name()},
            "config": {"mediaType": "application/json", "digest": DIGEST, "size": 2},
        });
        let target = format!("/v2/team/app/manifests/{}", place.name());
        Ask::put(target).header("content-type", MANIFEST).body(manifest.to_string())
    }

    /// Makes the change that gets a process to the place; it may have no answer.
    async fn change(&self, place: Failpoint) {
        let root = basic(ROOT.0, ROOT.1);
        let answer = match expected(place) {
            Left::Object { .. } => {
                let ask = self.signed(Ask::put(self.object(place)).body(place.name()));
                self.client.try_send(&ask, None).await
            }
            Left::NoBucket => self.client.try_send(&self.bucket(place), Some(&root)).await,
            Left::Manifest { .. } => self.client.try_send(&self.manifest(place), Some(&root)).await,
        };
        let is_acknowledged = answer.as_ref().is_ok_and(|answer| answer.status < 300);
        assert!(!is_acknowledged || place == Failpoint::OciUnrecorded, "{place:?}: {answer:?}");
    }

    /// The records of a kind about a key, a tag or a digest.
    async fn records(&self, kind: &str, reference: &str) -> Vec<Value> {
        let query = "SELECT record FROM audit_event WHERE kind = $1 AND record::json->>'reference' = $2
                     AND action IN ('s3:PutObject', 'oci:Push') ORDER BY time, id";
        let query = sqlx::query_scalar(query).bind(kind.to_owned()).bind(reference.to_owned());
        let texts: Vec<String> = query.fetch_all(&self.database.pool().unwrap()).await.unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// Waits until no intent is without an outcome.
    async fn wait_until_settled(&self) {
        let pool = self.database.pool().unwrap();
        let open = "SELECT count(*) FROM audit_intent";
        let waiting = async {
            while sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "an intent stays open");
    }

    async fn check(&self, place: Failpoint) {
        let name = place.name();
        match expected(place) {
            Left::Object { is_there } => {
                let answer = self.client.send(&self.signed(Ask::get(self.object(place))), None).await;
                assert_eq!(answer.status, if is_there { 200 } else { 404 }, "{name}: {answer:?}");
                let records = self.records("operation", name).await;
                assert_eq!(records.len(), usize::from(is_there), "{name}: {records:#?}");
            }
            Left::NoBucket => self.check_bucket(place).await,
            Left::Manifest { is_there, outcome } => {
                self.wait_until_settled().await;
                let get = Ask::get(self.manifest(place).target);
                let answer = self.client.send(&get, Some(&basic(ROOT.0, ROOT.1))).await;
                assert_eq!(answer.status, if is_there { 200 } else { 404 }, "{name}: {answer:?}");
                let (intents, outcomes) = (self.records("intent", name).await, self.records("outcome", name).await);
                assert!(!is_there || intents.len() == 1, "{name}: a manifest without an intent");
                let found: Vec<_> = outcomes.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
                assert_eq!((intents.len(), found), (usize::from(outcome.is_some()), Vec::from_iter(outcome)), "{name}");
                assert!(outcomes.iter().zip(&intents).all(|(outcome, intent)| outcome["intent"] == intent["id"]));
            }
        }
        self.verify().await;
    }

    /// It is not there and not on record; who asks again with the same key gets it, and then it is.
    async fn check_bucket(&self, place: Failpoint) {
        let (name, root, pool) = (place.name(), basic(ROOT.0, ROOT.1), self.database.pool().unwrap());
        let made = "SELECT count(*) FROM audit_event WHERE action = 's3:CreateBucket' AND resource = $1";
        let made = async || sqlx::query_scalar::<_, i64>(made).bind(name).fetch_one(&pool).await.unwrap();
        let shown = Ask::get(format!("/-/api/v1/buckets/{name}"));
        self.client.send(&shown, Some(&root)).await.expect(404);
        assert_eq!(made().await, 0, "{name}: a bucket is on record that is not there");
        self.client.send(&self.bucket(place), Some(&root)).await.expect(201);
        self.client.send(&shown, Some(&root)).await.expect(200);
        assert_eq!(made().await, 1, "{name}");
    }

    /// The command must find nothing, also of what is no minute old.
    async fn verify(&self) {
        let verify = ["audit", "verify", "--to", "2999-01-01", "--config"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_zas-proxy"));
        let output = command.args(verify).arg(&self.configuration).output().await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("The audit log is in order."), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(debug_assertions), ignore = "a release build dies nowhere")]
async fn a_process_that_dies_anywhere_in_a_change_leaves_a_record_of_what_was_done_and_of_nothing_else() {
    let world = World::new().await;
    let program = world.start(None).await;
    let root = basic(ROOT.0, ROOT.1);
    world.client.send(&world.signed(Ask::put("/bucket")), None).await.expect(200);
    let blob = Ask::post(format!("/v2/team/app/blobs/uploads/?digest={DIGEST}")).body("{}");
    world.client.send(&blob, Some(&root)).await.expect(201);
    program.stop().await;
    for place in Failpoint::ALL {
        let dying = world.start(Some(*place)).await;
        world.change(*place).await;
        assert_eq!(dying.wait_for_end().await, Some(ABORTED), "{place:?}");
        let program = world.start(None).await;
        world.check(*place).await;
        program.stop().await;
    }
    let gaps = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM audit_event WHERE kind = 'gap'");
    assert_eq!(gaps.fetch_one(&world.database.pool().unwrap()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(debug_assertions), ignore = "a release build dies nowhere")]
async fn a_client_that_asks_again_after_the_death_is_served_and_both_attempts_are_on_record() {
    let world = World::new().await;
    let program = world.start(None).await;
    world.client.send(&world.signed(Ask::put("/bucket")), None).await.expect(200);
    program.stop().await;
    let dying = world.start(Some(Failpoint::S3Committed)).await;
    world.change(Failpoint::S3Committed).await;
    assert_eq!(dying.wait_for_end().await, Some(ABORTED));
    let program = world.start(None).await;
    let again = world.signed(Ask::put(world.object(Failpoint::S3Committed)).body("again"));
    world.client.send(&again, None).await.expect(200);
    assert_eq!(world.records("operation", Failpoint::S3Committed.name()).await.len(), 2);
    world.verify().await;
    program.stop().await;
}
