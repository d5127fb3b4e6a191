//! What is done through a whole sidecar is on record, and what cannot be put on record is not done.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

#[path = "../support/ask.rs"]
mod ask;
mod commits;
mod emptied;
mod logins;
mod outcomes;
mod rates;
mod reads;
mod service_role;
#[path = "../support/sidecar.rs"]
mod sidecar;
#[path = "../support/signing.rs"]
mod signing;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use zas_proxy::config::{AccessKey, Config, RingKey, Secret};
use zas_proxy::digest::Digest;
use zas_proxy::postgres::testing::{self, TestDatabase};
use zas_proxy::service::Service;
use zas_registry::{Faults, Options, Registry, Route, Server};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "0123456789abcdef";
/// Of the two bytes `{}`.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// A manifest; `note` tells manifests apart.
fn manifest(note: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/json","digest":"{DIGEST}","size":2}},
            "layers":[],"annotations":{{"note":"{note}"}}}}"#
    )
}

/// A sidecar between a database and a registry.
struct World {
    address: SocketAddr,
    database: TestDatabase,
    faults: Faults,
    stop: CancellationToken,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let database = testing::database().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let faults = registry.faults().clone();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut config = Config::default();
        config.listen.address = "127.0.0.1:0".to_owned();
        // Requests to the registry are counted here: nobody else shall make some.
        config.supply_chain.index_evidence = false;
        config.database.url = Secret::new(database.url());
        config.store.url = format!("http://{}", server.local_addr());
        let ring = Some(Secret::new(zas_proxy::identity::generate_ring_key()));
        config.identity.key_ring = vec![RingKey { id: "test".into(), secret: ring, secret_file: None }];
        config.access_keys =
            vec![AccessKey { id: "AKIA".to_owned(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        change(&mut config);
        let service = Service::start(config).await.unwrap();
        let (address, stop) = (service.address(), CancellationToken::new());
        tokio::spawn(service.run(stop.clone()));
        let world = Self { address, database, faults, stop, _server: server, _folder: folder };
        let ready = async {
            while world.ask("GET", "/-/readyz", "").await.0 != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap();
        world
    }

    /// Sends a request with credentials; gives status and body.
    async fn ask(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        self.ask_as("AKIA", SECRET, method, target, body).await
    }

    async fn ask_as(&self, id: &str, secret: &str, method: &str, target: &str, body: &str) -> (u16, String) {
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        let length = body.len();
        let kind = if body.contains(MANIFEST) { MANIFEST } else { "application/json" };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: sidecar.example\r\nconnection: close\r\nauthorization: Basic {credentials}\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\nuser-agent: test/1\r\n\r\n{body}"
        );
        let exchange = async {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (status.unwrap_or_else(|| panic!("no status in {answer:?}")), body.to_owned())
    }

    /// Sends a request as it stands; gives the status.
    async fn send(&self, request: &str) -> u16 {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).get(9..12).unwrap().parse().unwrap()
    }

    /// The records of a kind.
    async fn records_of_kind(&self, kind: &str) -> Vec<Value> {
        let query = "SELECT record FROM audit_event WHERE kind = $1 ORDER BY time, id";
        let pool = self.database.pool().unwrap();
        let texts: Vec<String> = sqlx::query_scalar(query).bind(kind).fetch_all(&pool).await.unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    async fn sql(&self, statement: &str) {
        let pool = self.database.pool().unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await.unwrap();
    }

    /// The records about a bucket or a repository, the oldest first.
    async fn records(&self, resource: &str) -> Vec<Value> {
        let query = "SELECT record FROM audit_event WHERE resource = $1 ORDER BY time, id";
        let pool = self.database.pool().unwrap();
        let texts: Vec<String> = sqlx::query_scalar(query).bind(resource).fetch_all(&pool).await.unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// Waits until there is such a record: some are written after the client has its answer.
    async fn expect(&self, resource: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                if let Some(found) = self.records(resource).await.into_iter().find(|record| matches(record)) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(record) => record,
            Err(_) => panic!("not among {:#?}", self.records(resource).await),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_push_has_its_intent_and_its_outcome_and_a_pull_its_record() {
    let world = World::new().await;
    let (status, _) = world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await;
    assert_eq!(status, 201);
    let intent = world.expect("team/app", |record| record["kind"] == "intent").await;
    assert_eq!((&intent["principal"], &intent["action"]), (&"root/AKIA".into(), &"oci:Push".into()));
    let outcome = world.expect("team/app", |record| record["kind"] == "outcome").await;
    assert_eq!((&outcome["intent"], &outcome["status"]), (&intent["id"], &201.into()));
    assert_eq!(world.ask("GET", &format!("/v2/team/app/blobs/{DIGEST}"), "").await, (200, "{}".to_owned()));
    let read = world.expect("team/app", |record| record["kind"] == "operation").await;
    assert_eq!((&read["action"], &read["reference"]), (&"oci:Pull".into(), &DIGEST.into()));
    assert_eq!((&read["status"], &read["source_ip"]), (&Value::Null, &"127.0.0.1".into()), "it was not answered yet");
    assert_eq!((&read["user_agent"], &read["decision"]), (&"test/1".into(), &"allow".into()));
}

#[tokio::test]
async fn a_push_whose_intent_cannot_be_committed_never_reaches_the_registry() {
    let world = World::new().await;
    world.sql("ALTER TABLE audit_event ADD CONSTRAINT no CHECK (resource IS DISTINCT FROM 'team/app') NOT VALID").await;
    let before = world.faults.requests(Route::UploadStart);
    let (status, body) = world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(world.faults.requests(Route::UploadStart), before);
    world.sql("ALTER TABLE audit_event DROP CONSTRAINT no").await;
    let (status, _) = world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_does_not_happen() {
    let world = World::new().await;
    world.sql("ALTER TABLE audit_event ADD CONSTRAINT no CHECK (resource IS DISTINCT FROM 'logs') NOT VALID").await;
    let (status, body) = world.ask("POST", "/-/api/v1/buckets", r#"{"name":"logs"}"#).await;
    assert!(status >= 500, "{status} {body}");
    world.sql("ALTER TABLE audit_event DROP CONSTRAINT no").await;
    assert_eq!(world.ask("GET", "/-/api/v1/buckets/logs", "").await.0, 404);
    assert_eq!(world.ask("POST", "/-/api/v1/buckets", r#"{"name":"logs"}"#).await.0, 201);
    let made = world.expect("logs", |record| record["action"] == "s3:CreateBucket").await;
    assert_eq!((&made["api"], &made["status"], &made["kind"]), (&"rest".into(), &200.into(), &"operation".into()));
}

#[tokio::test]
async fn no_secret_gets_into_a_record() {
    let world = World::new().await;
    world.ask("GET", &format!("/v2/team/app/tags/list?token={SECRET}"), "").await;
    world.expect("team/app", |record| record["action"] == "oci:ListTags").await;
    let credentials = STANDARD.encode(format!("AKIA:{SECRET}"));
    let text = serde_json::to_string(&world.records("team/app").await).unwrap();
    assert!(!text.contains(SECRET) && !text.contains(&credentials), "{text}");
}

#[tokio::test]
async fn a_change_of_a_policy_commits_with_its_record_or_not_at_all() {
    let world = World::new().await;
    let path = "/-/api/v1/policies/readers";
    let body = r#"{"document":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"a/*"}}}"#;
    world.sql("ALTER TABLE audit_event ADD CONSTRAINT no CHECK (resource IS DISTINCT FROM 'readers') NOT VALID").await;
    let (status, _) = world.ask("PUT", path, body).await;
    assert!(status >= 500, "{status}");
    world.sql("ALTER TABLE audit_event DROP CONSTRAINT no").await;
    assert_eq!(world.ask("GET", path, "").await.0, 404);
    let (status, answer) = world.ask("PUT", path, body).await;
    assert_eq!(status, 200, "{answer}");
    let record = world.expect("readers", |record| record["action"] == "admin:PutPolicy").await;
    assert_eq!((&record["principal"], &record["decision"]), (&"root/AKIA".into(), &"allow".into()));
}

#[tokio::test]
async fn a_change_of_a_quota_commits_with_its_record_or_not_at_all() {
    let world = World::new().await;
    let quota = "/-/api/v1/buckets/logs/quota";
    assert_eq!(world.ask("POST", "/-/api/v1/buckets", r#"{"name":"logs"}"#).await.0, 201);
    world
        .sql("ALTER TABLE audit_event ADD CONSTRAINT no CHECK (action IS DISTINCT FROM 'admin:PutQuota') NOT VALID")
        .await;
    assert!(world.ask("PUT", quota, r#"{"max_bytes":5}"#).await.0 >= 500);
    world.sql("ALTER TABLE audit_event DROP CONSTRAINT no").await;
    let (_, shown) = world.ask("GET", quota, "").await;
    assert!(shown.contains(r#""max_bytes":null"#), "{shown}");
    assert_eq!(world.ask("PUT", quota, r#"{"max_bytes":5}"#).await.0, 200);
    let put = world.expect("logs", |record| record["action"] == "admin:PutQuota").await;
    assert_eq!((&put["principal"], &put["note"]), (&"root/AKIA".into(), &"max_bytes=5".into()));
    for status in [204, 404] {
        assert_eq!(world.ask("DELETE", quota, "").await.0, status);
    }
    world.expect("logs", |record| record["action"] == "admin:DeleteQuota").await;
    let records = world.records("logs").await;
    let deleted = records.iter().filter(|record| record["action"] == "admin:DeleteQuota").count();
    assert_eq!(deleted, 1, "what changed nothing is on record as a change: {records:#?}");
}

#[tokio::test]
async fn a_service_account_is_on_record_with_what_it_may_and_may_not_do_at_both_doors() {
    let world = World::new().await;
    let (status, made) = world.ask("POST", "/-/api/v1/access-keys", r#"{"name":"ci","groups":["/build"]}"#).await;
    assert_eq!(status, 201, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let push = format!("/v2/team/ci-app/blobs/uploads/?digest={DIGEST}");
    assert_eq!(world.ask_as(id, secret, "POST", &push, "{}").await.0, 403);
    let denial = world.expect("team/ci-app", |record| record["kind"] == "denial").await;
    assert_eq!((&denial["principal"], &denial["action"]), (&"user/service/ci".into(), &"oci:Push".into()));
    assert_eq!(denial["access_key_id"], id);
    assert_eq!(world.faults.requests(Route::UploadStart), 0, "a denied push reached the registry");
    let attach = "/-/api/v1/policies/ci-push/attachments?kind=group&name=/build";
    assert_eq!(world.ask("PUT", attach, "").await.0, 204);
    assert_eq!(world.ask_as(id, secret, "POST", &push, "{}").await.0, 201);
    let outcome = world.expect("team/ci-app", |record| record["kind"] == "outcome").await;
    assert_eq!(outcome["status"], 201);
    let intent = world.expect("team/ci-app", |record| record["kind"] == "intent").await;
    assert_eq!(intent["statements"], serde_json::json!(["ci-push#AddArtifacts"]));
    let query = "SELECT string_agg(record, ' ') FROM audit_event";
    let everything: String = sqlx::query_scalar(query).fetch_one(&world.database.pool().unwrap()).await.unwrap();
    assert!(!everything.contains(secret), "a secret is on record");
}

#[tokio::test]
async fn a_tag_that_exists_is_moved_only_with_the_right_to_move_tags() {
    let world = World::new().await;
    let (_, made) = world.ask("POST", "/-/api/v1/access-keys", r#"{"name":"ci","groups":["/build"]}"#).await;
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    world.ask("PUT", "/-/api/v1/policies/ci-push/attachments?kind=group&name=/build", "").await;
    assert_eq!(world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await.0, 201);
    let put = "/v2/team/app/manifests/latest";
    let (status, answer) = world.ask_as(id, secret, "PUT", put, &manifest("one")).await;
    assert_eq!(status, 201, "{answer}");
    let before = world.faults.requests(Route::Manifest);
    assert_eq!(world.ask_as(id, secret, "PUT", put, &manifest("two")).await.0, 403);
    assert_eq!(world.faults.requests(Route::Manifest), before + 1, "only asked whether the tag is there");
    let denial = world.expect("team/app", |record| record["kind"] == "denial").await;
    assert_eq!((&denial["action"], &denial["reference"]), (&"oci:UpdateTag".into(), &"latest".into()));
    assert_eq!(world.ask_as(id, secret, "DELETE", put, "").await.0, 403);
    assert_eq!(world.ask_as(id, secret, "PUT", "/v2/team/app/manifests/next", &manifest("two")).await.0, 201);
    assert_eq!(world.ask("PUT", put, &manifest("two")).await.0, 201);
}

#[tokio::test]
async fn a_push_by_digest_moves_no_tag_without_the_right_to_move_tags_and_its_tags_are_on_record() {
    let world = World::new().await;
    let (_, made) = world.ask("POST", "/-/api/v1/access-keys", r#"{"name":"ci","groups":["/build"]}"#).await;
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    world.ask("PUT", "/-/api/v1/policies/ci-push/attachments?kind=group&name=/build", "").await;
    assert_eq!(world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await.0, 201);
    let (one, two) = (manifest("one"), manifest("two"));
    let (first, second) = (Digest::of(one.as_bytes()).to_string(), Digest::of(two.as_bytes()).to_string());
    let push = format!("/v2/team/app/manifests/{first}?tag=latest&tag=v1");
    let (status, answer) = world.ask_as(id, secret, "PUT", &push, &one).await;
    assert_eq!(status, 201, "{answer}");
    for kind in ["intent", "outcome"] {
        let record = world.expect("team/app", |record| record["kind"] == kind && record["reference"] == first).await;
        assert_eq!(record["tags"], serde_json::json!(["latest", "v1"]), "{kind}");
    }
    let moving = format!("/v2/team/app/manifests/{second}?tag=v2&tag=latest");
    assert_eq!(world.ask_as(id, secret, "PUT", &moving, &two).await.0, 403);
    let denial = world.expect("team/app", |record| record["kind"] == "denial").await;
    assert_eq!((&denial["action"], &denial["reference"]), (&"oci:UpdateTag".into(), &"latest".into()));
    assert_eq!(world.ask("GET", "/v2/team/app/manifests/latest", "").await, (200, one));
    for reference in ["v2", &second] {
        assert_eq!(world.ask("GET", &format!("/v2/team/app/manifests/{reference}"), "").await.0, 404, "{reference}");
    }
    assert_eq!(world.ask("PUT", &moving, &two).await.0, 201);
    assert_eq!(world.ask("GET", "/v2/team/app/manifests/latest", "").await, (200, two));
}
