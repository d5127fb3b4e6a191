//! The index against a real Postgres; each test has a database of its own.

mod acls;
mod artifacts;
mod audit;
mod bucket_configurations;
mod buckets;
mod concurrency;
mod evidence;
mod lifecycle;
mod listing;
mod object_locks;
mod objects;
mod outage;
mod places;
mod policies;
mod quotas;
mod sboms;
mod scale;
mod schema;
mod service_role;
mod signing_keys;
mod signing_rules;
mod sweeping;
mod trusted_signers;
mod units;
mod uploads;
mod verdicts;
mod versions;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::config;
use crate::digest::Digest;
use crate::error::{Code, Error};
use crate::postgres::testing::{self, TestDatabase};

/// What is let go of is due at once.
const NOW: Duration = Duration::ZERO;
/// Long enough to outlast any test.
const LATER: Duration = Duration::from_secs(3600);

/// An index as `serve` opens it, over a database of its own, with one bucket `b` of four shards.
struct World {
    index: Index,
    none: BTreeMap<String, String>,
    database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let database = testing::database().await.unwrap();
        let config = config::Database { url: config::Secret::new(database.url()), ..config::Database::default() };
        let index = Index::open(&config).unwrap();
        index.create_bucket(new_bucket("b")).await.unwrap();
        Self { index, none: BTreeMap::new(), database }
    }

    async fn pin(&self, bytes: &str, ttl: Duration) -> PinnedBlob {
        self.try_pin("b", bytes, None, ttl).await.unwrap()
    }

    async fn try_pin(&self, bucket: &str, bytes: &str, shard: Option<u8>, ttl: Duration) -> Result<PinnedBlob, Error> {
        let request = pin_request(bucket, bytes, shard);
        self.index.pin_blobs(&[request], ttl).await.unwrap().pop().unwrap()
    }

    fn new_object<'a>(&'a self, key: &'a str, blob: Option<&'a PinnedBlob>) -> NewObject<'a> {
        NewObject {
            bucket: "b",
            key,
            blob,
            etag: "etag",
            checksums: &self.none,
            headers: &self.none,
            metadata: &self.none,
            tags: &self.none,
            storage_class: "STANDARD",
            owner: "root",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            by: CreatedBy::Put,
            grace: NOW,
            audit: &[],
        }
    }

    /// Puts an object whose bytes and ETag are `bytes`.
    async fn put(&self, key: &str, bytes: &str) -> Committed {
        let pinned = self.pin(bytes, LATER).await;
        self.index.commit_object(NewObject { etag: bytes, ..self.new_object(key, Some(&pinned)) }).await.unwrap()
    }

    fn copy<'a>(&self, object_id: i64, key: &'a str) -> CopySource<'a> {
        CopySource {
            object_id,
            bucket: "b",
            key,
            replace: None,
            tags: None,
            storage_class: "STANDARD",
            owner: "root",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            content_digest: None,
            grace: NOW,
            audit: &[],
        }
    }

    async fn begin_upload(&self, key: &str) -> Upload {
        self.try_begin_upload(key).await.unwrap()
    }

    async fn try_begin_upload(&self, key: &str) -> Result<Upload, Error> {
        self.index.create_upload(self.new_upload(key)).await
    }

    fn new_upload<'a>(&'a self, key: &'a str) -> NewUpload<'a> {
        NewUpload {
            bucket: "b",
            key,
            checksum_algorithm: Some("crc32"),
            checksum_type: Some(ChecksumType::FullObject),
            headers: &self.none,
            metadata: &self.none,
            tags: &self.none,
            storage_class: "STANDARD",
            lock: NewLock::default(),
            owner: "root",
            audit: &[],
        }
    }

    /// Puts a part whose bytes and ETag are `bytes`.
    async fn put_part(&self, upload: &Upload, part_number: i32, bytes: &str) -> Result<(), Error> {
        let pinned = self.pin(bytes, LATER).await;
        self.put_pinned_part(upload, part_number, bytes, &pinned).await
    }

    async fn put_pinned_part(
        &self,
        upload: &Upload,
        number: i32,
        etag: &str,
        pinned: &PinnedBlob,
    ) -> Result<(), Error> {
        let segment = whole(pinned);
        let part = self.new_part(upload, number, etag, std::slice::from_ref(&segment), Some(pinned));
        self.index.put_part(part).await.map(drop)
    }

    fn new_part<'a>(
        &'a self,
        upload: &'a Upload,
        part_number: i32,
        etag: &'a str,
        segments: &'a [Segment],
        pin: Option<&'a PinnedBlob>,
    ) -> NewPart<'a> {
        NewPart {
            bucket: "b",
            key: &upload.key,
            upload_id: &upload.id,
            part_number,
            size: segments.iter().map(|segment| segment.size).sum(),
            etag,
            checksums: &self.none,
            segments,
            pin,
            grace: NOW,
            audit: &[],
        }
    }

    async fn complete(&self, upload: &Upload, parts: &[(i32, &str)], etag: &str) -> Result<Committed, Error> {
        let parts: Vec<CompletedPart> =
            parts.iter().map(|&(part_number, etag)| CompletedPart { part_number, etag: etag.to_owned() }).collect();
        let completion = CompleteUpload {
            bucket: "b",
            key: &upload.key,
            upload_id: &upload.id,
            parts: &parts,
            etag,
            checksums: &self.none,
            checksum_type: None,
            conditions: WriteConditions::default(),
            grace: NOW,
            audit: &[],
        };
        self.index.complete_upload(completion).await
    }

    /// Sweeps until nothing is due, as if the store deleted all it is asked to; gives the blobs that went.
    async fn sweep(&self) -> Vec<BlobRef> {
        let mut gone = Vec::new();
        loop {
            let due = self.index.due_pins(100).await.unwrap();
            if due.is_empty() {
                return gone;
            }
            for due in due {
                if let Some(guard) = self.index.begin_sweep(due.blob).await.unwrap() {
                    gone.push(guard.blob());
                    guard.forget().await.unwrap();
                }
            }
        }
    }

    async fn sql(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.database.pool().unwrap()).await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool().unwrap()).await.unwrap()
    }

    /// Blobs that no sweep would ever find: nothing names, pins or condemns them. There must never be one.
    async fn lost_blobs(&self) -> i64 {
        self.count(
            "SELECT count(*) FROM blobs WHERE condemned_at IS NULL AND NOT is_named(repository_id, digest)
             AND NOT EXISTS (SELECT FROM blob_pins p WHERE p.repository_id = blobs.repository_id AND p.digest = blobs.digest)",
        )
        .await
    }

    /// Blobs that are named although a delete request for them may be on its way. There must never be one.
    async fn named_and_condemned(&self) -> i64 {
        self.count("SELECT count(*) FROM blobs WHERE condemned_at IS NOT NULL AND is_named(repository_id, digest)")
            .await
    }

    async fn blobs(&self) -> i64 {
        self.count("SELECT count(*) FROM blobs").await
    }
}

/// A delete that somebody asks for.
const BY: DeleteBy<'static> = DeleteBy { cause: DeleteCause::Request, owner: "root", grace: NOW };

fn new_bucket(name: &str) -> NewBucket<'_> {
    NewBucket {
        name,
        region: "us-east-1",
        owner: "root",
        store: "main",
        prefix: "s3",
        shards: 4,
        quota: Quota::default(),
        object_lock: false,
        audit: &[],
    }
}

fn pin_request(bucket: &str, bytes: &str, shard: Option<u8>) -> PinRequest {
    let size = bytes.len().try_into().unwrap();
    PinRequest { bucket: bucket.to_owned(), digest: Digest::of(bytes.as_bytes()), size, shard }
}

/// A segment of all of a blob's bytes.
fn whole(pinned: &PinnedBlob) -> Segment {
    Segment { blob: pinned.blob, blob_size: pinned.size, blob_offset: 0, size: pinned.size, part_number: 1 }
}

#[track_caller]
/// How many rows of a table the scans of a plan have read that was executed and is told as JSON. None of them reads the whole table.
fn rows_of_plan(plan: &serde_json::Value, table: &str) -> f64 {
    let mut nodes = vec![&plan[0]["Plan"]];
    let mut read = 0.0;
    while let Some(node) = nodes.pop() {
        if node["Relation Name"] == table {
            assert_ne!(node["Node Type"], "Seq Scan", "{plan:#}");
            let filtered = node["Rows Removed by Filter"].as_f64().unwrap_or(0.0);
            read += (node["Actual Rows"].as_f64().unwrap() + filtered) * node["Actual Loops"].as_f64().unwrap();
        }
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
    }
    read
}

fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, code: Code) {
    match result {
        Err(error) => assert_eq!(error.code(), code, "{}", error.for_log()),
        Ok(value) => panic!("expected {code:?}, got {value:?}"),
    }
}
