//! The program `zas-proxy fsck`: what it prints, what it exits with, and what is left of it when it is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test are tests too: they fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::process::Command;
use zas_proxy::blobs::Blobs;
use zas_proxy::config;
use zas_proxy::digest::Digest;
use zas_proxy::index::{CreatedBy, Index, NewBucket, NewLock, NewObject, Quota, WriteConditions};
use zas_proxy::postgres::testing;
use zas_proxy::store::Store;
use zas_registry::{Registry, Server};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// An index and a registry with a bucket, and the configuration file that tells of them.
struct World {
    index: Index,
    blobs: Blobs,
    pool: sqlx::PgPool,
    folder: tempfile::TempDir,
    _server: Server,
}

impl World {
    async fn new() -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().join("registry"), zas_registry::Options::default()).unwrap();
        let server = Server::start(registry, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let database = testing::database().await.unwrap();
        let text = format!(
            "[database]\nurl = \"{}\"\n[store]\nurl = \"http://{}\"\nshards = 4\n",
            database.url(),
            server.local_addr()
        );
        std::fs::write(folder.path().join("zas.toml"), &text).unwrap();
        let config = config::from_toml(&text, "test", []).unwrap();
        let index = Index::open(&config.database).unwrap();
        let bucket = NewBucket {
            name: "a",
            region: "r",
            owner: "o",
            store: "default",
            prefix: "s3",
            shards: 4,
            quota: Quota::default(),
            object_lock: false,
            audit: &[],
        };
        index.create_bucket(bucket).await.unwrap();
        let blobs = Blobs::new(index.clone(), Store::new(&config.store).unwrap(), config.blobs);
        Self { index, blobs, pool: database.pool().unwrap(), folder, _server: server }
    }

    /// Puts an object; the file that the registry keeps its bytes in.
    async fn put(&self, key: &str) -> PathBuf {
        let (bytes, none) = (Bytes::from(format!("bytes of {key}")), BTreeMap::new());
        let digest = Digest::of(&bytes);
        let pinned = self.blobs.put_bytes("a", bytes, digest).await.unwrap();
        let object = NewObject {
            bucket: "a",
            key,
            blob: Some(&pinned),
            etag: "e",
            checksums: &none,
            headers: &none,
            metadata: &none,
            tags: &none,
            storage_class: "STANDARD",
            owner: "o",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            by: CreatedBy::Put,
            grace: Duration::ZERO,
            audit: &[],
        };
        self.index.commit_object(object).await.unwrap();
        let repository = self.folder.path().join("registry").join(&pinned.repository.name);
        repository.join("blobs").join("sha256").join(digest.hex())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zas-proxy"));
        command.arg("fsck").arg("--config").arg(self.folder.path().join("zas.toml")).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it to its end: the exit code, and the lines that it has printed.
    async fn fsck(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let output = tokio::time::timeout(PATIENCE, self.command(arguments).arg("--json").output()).await;
        let output = output.expect("it ends").unwrap();
        (output.status.code(), lines(&output.stdout))
    }

    async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

/// What was printed whole.
fn lines(output: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(output).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn keys(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().filter_map(|line| line["key"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn the_exit_code_says_clean_or_findings_or_unfinished() {
    let world = World::new().await;
    let lost = world.put("k").await;
    let (code, printed) = world.fsck(&["--read-data"]).await;
    assert_eq!((code, printed.len()), (Some(0), 1), "{printed:?}");
    assert_eq!((&printed[0]["type"], &printed[0]["complete"]), (&Value::from("summary"), &Value::from(true)));

    std::fs::remove_file(lost).unwrap();
    let (code, printed) = world.fsck(&[]).await;
    assert_eq!((code, printed.len()), (Some(1), 2), "{printed:?}");
    assert_eq!((&printed[0]["kind"], &printed[0]["key"]), (&Value::from("missing_blob"), &Value::from("k")));
    assert_eq!(printed[1]["left"], 1);

    let (code, printed) = world.fsck(&["--resume", "999999"]).await;
    assert_eq!((code, printed.len()), (Some(2), 0));
}

#[tokio::test]
async fn a_program_that_is_killed_is_resumed_and_nothing_is_skipped() {
    let world = World::new().await;
    for n in 0..12 {
        std::fs::remove_file(world.put(&format!("{n:02}")).await).unwrap();
    }
    let printed = world.folder.path().join("printed");
    let mut command = world.command(&["--json", "--requests-per-second", "2"]);
    let mut child = command.stdout(std::fs::File::create(&printed).unwrap()).spawn().unwrap();
    let saved = async {
        while world.number("SELECT count(*) FROM fsck_runs WHERE place IS NOT NULL").await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, saved).await.expect("it saves its place");
    child.kill().await.unwrap();
    let run = world.number("SELECT id FROM fsck_runs").await.to_string();
    let first = lines(&std::fs::read(&printed).unwrap());
    assert!(!first.is_empty() && keys(&first).len() < 12, "killed in the middle: {first:?}");

    // Postgres takes a moment to miss the connection of a process that was killed.
    let (mut code, mut rest) = world.fsck(&["--resume", &run]).await;
    for _ in 0..100 {
        if code != Some(2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        (code, rest) = world.fsck(&["--resume", &run]).await;
    }
    let summary = rest.last().expect("a summary").clone();
    assert_eq!((code, &summary["left"], &summary["looked_at"]["blobs"]), (Some(1), &Value::from(12), &Value::from(12)));
    assert!(keys(&rest).len() < 12, "it does not begin anew: {rest:?}");
    assert_eq!(keys(&first).union(&keys(&rest)).count(), 12);
}
