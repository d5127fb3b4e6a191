//! Fsck on a real Postgres and the embedded registry, whose folder and rows are broken on purpose.

mod blobs;
mod rows;
mod runs;
mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use sqlx::{AssertSqlSafe, PgPool};
use zas_registry::{Registry, Server};

use super::*;
use crate::config::Secret;
use crate::digest::Digest;
use crate::index::{
    BlobRef, CompleteUpload, CompletedPart, CreatedBy, NewBucket, NewLock, NewObject, NewPart, NewUpload, PinnedBlob,
    Quota, Segment, Upload, WriteConditions,
};
use crate::postgres::testing;

/// An index, a registry, two buckets `a` and `b`, and what fsck has said.
struct World {
    config: Config,
    index: Index,
    store: Store,
    blobs: Blobs,
    pool: PgPool,
    registry: Registry,
    none: BTreeMap<String, String>,
    heard: Arc<Mutex<Vec<Finding>>>,
    folder: tempfile::TempDir,
    _server: Server,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), zas_registry::Options::default()).unwrap();
        let server = Server::start(registry.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let database = testing::database().await.unwrap();
        let mut config = config::from_toml("", "test", []).unwrap();
        config.database.url = Secret::new(database.url());
        config.store.url = format!("http://{}", server.local_addr());
        config.store.shards = 4;
        config.store.retry.max_attempts = 1;
        config.blobs.sweep_grace = Duration::ZERO;
        let index = Index::open(&config.database).unwrap();
        let store = Store::new(&config.store).unwrap();
        let blobs = Blobs::new(index.clone(), store.clone(), config.blobs.clone());
        for name in ["a", "b"] {
            index.create_bucket(bucket(name)).await.unwrap();
        }
        let pool = database.pool().unwrap();
        let none = BTreeMap::new();
        let heard = Arc::default();
        Self { config, index, store, blobs, pool, registry, none, heard, folder, _server: server }
    }

    async fn store(&self, bucket: &str, bytes: &str) -> PinnedBlob {
        let bytes = Bytes::from(bytes.to_owned());
        let digest = Digest::of(&bytes);
        self.blobs.put_bytes(bucket, bytes, digest).await.unwrap()
    }

    async fn put(&self, bucket: &str, key: &str, bytes: &str) -> PinnedBlob {
        let pinned = self.store(bucket, bytes).await;
        self.name(bucket, key, &pinned).await;
        pinned
    }

    async fn name(&self, bucket: &str, key: &str, pinned: &PinnedBlob) {
        let object = NewObject {
            bucket,
            key,
            blob: Some(pinned),
            etag: "e",
            checksums: &self.none,
            headers: &self.none,
            metadata: &self.none,
            tags: &self.none,
            storage_class: "STANDARD",
            owner: "o",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            by: CreatedBy::Put,
            grace: Duration::ZERO,
            audit: &[],
        };
        self.index.commit_object(object).await.unwrap();
    }

    async fn delete(&self, bucket: &str, key: &str) {
        self.index.delete_object(bucket, key, Duration::ZERO, &[]).await.unwrap();
    }

    async fn begin_upload(&self, key: &str) -> Upload {
        let upload = NewUpload {
            bucket: "a",
            key,
            checksum_algorithm: None,
            checksum_type: None,
            headers: &self.none,
            metadata: &self.none,
            tags: &self.none,
            storage_class: "STANDARD",
            lock: NewLock::default(),
            owner: "o",
            audit: &[],
        };
        self.index.create_upload(upload).await.unwrap()
    }

    async fn put_part(&self, upload: &Upload, part_number: i32, bytes: &str) -> PinnedBlob {
        let pinned = self.store("a", bytes).await;
        let size = pinned.size;
        let segment = Segment { blob: pinned.blob, blob_size: size, blob_offset: 0, size, part_number };
        let part = NewPart {
            bucket: "a",
            key: &upload.key,
            upload_id: &upload.id,
            part_number,
            size,
            etag: bytes,
            checksums: &self.none,
            segments: std::slice::from_ref(&segment),
            pin: Some(&pinned),
            grace: Duration::ZERO,
            audit: &[],
        };
        self.index.put_part(part).await.unwrap();
        pinned
    }

    /// An object `key` of bucket `a` in two parts, "one" and "two".
    async fn put_in_parts(&self, key: &str) -> [PinnedBlob; 2] {
        let upload = self.begin_upload(key).await;
        let blobs = [self.put_part(&upload, 1, "one").await, self.put_part(&upload, 2, "two").await];
        let parts =
            [(1, "one"), (2, "two")].map(|(part_number, etag)| CompletedPart { part_number, etag: etag.into() });
        let complete = CompleteUpload {
            bucket: "a",
            key,
            upload_id: &upload.id,
            parts: &parts,
            etag: "e-2",
            checksums: &self.none,
            checksum_type: None,
            conditions: WriteConditions::default(),
            grace: Duration::ZERO,
            audit: &[],
        };
        self.index.complete_upload(complete).await.unwrap();
        blobs
    }

    /// The file that the registry keeps a blob in.
    fn file(&self, pinned: &PinnedBlob) -> PathBuf {
        file(self.folder.path(), &pinned.repository.name, &pinned.blob.digest)
    }

    fn lose(&self, pinned: &PinnedBlob) {
        std::fs::remove_file(self.file(pinned)).unwrap();
    }

    fn damage(&self, pinned: &PinnedBlob, bytes: &str) {
        std::fs::write(self.file(pinned), bytes).unwrap();
    }

    async fn is_stored(&self, pinned: &PinnedBlob) -> bool {
        let found = self.store.head_blob(&pinned.repository.name, &pinned.blob.digest).await.unwrap();
        found == Some(pinned.size)
    }

    /// Past the rules of the schema: what a bug, or somebody with psql, might leave.
    async fn sql(&self, statement: &str) {
        let statement = format!("SET session_replication_role = replica; {statement}; RESET session_replication_role");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
    }

    async fn count(&self, what: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {what}");
        sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&self.pool).await.unwrap()
    }

    /// Audit records of a repair.
    async fn records(&self, action: &str) -> i64 {
        self.count(&format!("audit_event WHERE action = 'Fsck{action}'")).await
    }

    fn listener(&self) -> Listener {
        let heard = Arc::clone(&self.heard);
        Arc::new(move |finding: &Finding| heard.lock().unwrap().push(finding.clone()))
    }

    fn effort() -> Effort {
        Effort {
            requests_per_second: 1_000_000,
            bytes_per_second: 1 << 40,
            patience: Duration::from_secs(60),
            // Pages end in the middle of everything.
            page: 3,
            concurrency: 2,
            ..Effort::default()
        }
    }

    /// What a run from beginning to end reports, and its report.
    async fn fsck(&self, options: Options) -> (Vec<Finding>, Report) {
        self.heard.lock().unwrap().clear();
        let fsck = Fsck::begin(&self.config, options, Self::effort(), self.listener()).await.unwrap();
        let report = Box::pin(fsck.run(CancellationToken::new())).await;
        assert!(report.unfinished.is_none(), "{:?}", report.unfinished);
        (self.heard.lock().unwrap().clone(), report)
    }

    /// What a run finds: kind and key of each finding, in order.
    async fn found(&self, options: Options) -> Vec<(Kind, String)> {
        let (findings, report) = self.fsck(options).await;
        assert_eq!(report.left(), findings.iter().filter(|finding| finding.is_left()).count() as u64);
        named(&findings)
    }
}

fn named(findings: &[Finding]) -> Vec<(Kind, String)> {
    let mut named: Vec<_> = findings.iter().map(|f| (f.kind, f.key.clone().unwrap_or_default())).collect();
    named.sort();
    named
}

fn expected<const N: usize>(findings: [(Kind, &str); N]) -> Vec<(Kind, String)> {
    let mut expected: Vec<_> = findings.into_iter().map(|(kind, key)| (kind, key.to_owned())).collect();
    expected.sort();
    expected
}

fn file(folder: &Path, repository: &str, digest: &Digest) -> PathBuf {
    folder.join(repository).join("blobs").join("sha256").join(digest.hex())
}

fn bucket(name: &str) -> NewBucket<'_> {
    NewBucket {
        name,
        region: "r",
        owner: "o",
        store: "default",
        prefix: "s3",
        shards: 4,
        quota: Quota::default(),
        object_lock: false,
        audit: &[],
    }
}

fn mending(repair: Repair) -> Options {
    Options { repairs: [repair].into(), ..Options::default() }
}

fn reading() -> Options {
    Options { read_share: 1.0, ..Options::default() }
}

/// Whatever should end by itself counts as overdue at once.
fn impatient() -> Options {
    Options { stale_after: Duration::ZERO, ..Options::default() }
}

#[tokio::test]
async fn where_everything_fits_nothing_is_found_and_everything_was_looked_at() {
    let world = World::new().await;
    world.put("a", "k", "bytes").await;
    world.put("b", "k", "bytes").await;
    world.put("a", "k", "others").await;
    world.put_in_parts("parts").await;
    let open = world.begin_upload("open").await;
    world.put_part(&open, 1, "a part").await;
    world.store("a", "not named yet").await;
    let (findings, report) = world.fsck(reading()).await;
    assert_eq!(findings, []);
    assert_eq!((report.left(), report.tally.bytes_read), (0, 5 + 6 + 3 + 3 + 6));
    let looked_at = |phase: &str| report.tally.looked_at.get(phase).copied().unwrap_or_default();
    // The one that was replaced is still known: its pin is due, and no sweep has come.
    assert_eq!((looked_at("blobs"), looked_at("objects"), looked_at("uploads")), (7, 3, 1));
    assert_eq!((looked_at("buckets"), looked_at("repositories")), (2, 8));
    assert!(report.not_looked_at.iter().any(|line| line.contains("--registry-root")), "{:?}", report.not_looked_at);
}
