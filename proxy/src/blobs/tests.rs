//! The rooms of this folder together, on a real Postgres and the embedded registry.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use http::Method;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zas_registry::{Fault, FaultKind, Registry, Route, Server};

use super::*;
use crate::error::{Code, Error};
use crate::index::{
    Checksums, CreatedBy, Headers, Metadata, NewBucket, NewLock, NewObject, Quota, Segment, Tags, WriteConditions,
};
use crate::postgres::testing;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

struct Setup {
    blobs: Blobs,
    pool: sqlx::PgPool,
    registry: Registry,
    _server: Server,
    folder: tempfile::TempDir,
}

impl Setup {
    async fn new(config: config::Blobs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), zas_registry::Options::default()).unwrap();
        let server = Server::start(registry.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let retry = config::Retry { max_attempts: 1, ..config::Retry::default() };
        let store = config::Store { url: format!("http://{}", server.local_addr()), retry, ..config::Store::default() };
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        index.create_bucket(bucket()).await.unwrap();
        let blobs = Blobs::new(index, Store::new(&store).unwrap(), config);
        Self { blobs, pool: database.pool().unwrap(), registry, _server: server, folder }
    }

    /// Pins are due at once.
    async fn hasty() -> Self {
        Self::new(config::Blobs { pin_ttl: Duration::from_secs(2), sweep_grace: Duration::ZERO, ..Default::default() })
            .await
    }

    /// Makes everything due that is not due yet.
    async fn pass_time(&self) {
        for table in ["blob_pins", "store_sessions"] {
            let statement = format!("UPDATE {table} SET due_at = clock_timestamp()");
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
        }
    }

    async fn count(&self, what: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {what}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&self.pool).await.unwrap()
    }

    async fn put(&self, body: &'static str) -> PinnedBlob {
        let body = Bytes::from(body);
        let digest = Digest::of(&body);
        self.blobs.put_bytes("b", body, digest).await.unwrap()
    }

    async fn name(&self, key: &str, pinned: &PinnedBlob) {
        let object = NewObject {
            bucket: "b",
            key,
            blob: Some(pinned),
            etag: "e",
            checksums: &Checksums::new(),
            headers: &Headers::new(),
            metadata: &Metadata::new(),
            tags: &Tags::new(),
            storage_class: "STANDARD",
            owner: "o",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            by: CreatedBy::Put,
            grace: Duration::ZERO,
            audit: &[],
        };
        self.blobs.index.commit_object(object).await.unwrap();
    }

    async fn is_stored(&self, pinned: &PinnedBlob) -> bool {
        let found = self.blobs.store.head_blob(&pinned.repository.name, &pinned.blob.digest).await.unwrap();
        found == Some(pinned.size)
    }

    async fn until_no_session_is_open(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let uploads = self.folder.path().join("_uploads");
        while self.count("store_sessions").await > 0 || uploads.read_dir().unwrap().next().is_some() {
            assert!(Instant::now() < deadline, "a session stays open");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn bucket() -> NewBucket<'static> {
    NewBucket {
        name: "b",
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

fn segment(pinned: &PinnedBlob) -> Segment {
    Segment { blob: pinned.blob, blob_size: pinned.size, blob_offset: 0, size: pinned.size, part_number: 1 }
}

fn body(chunks: Vec<Result<&'static str>>) -> ByteStream {
    Box::pin(futures::stream::iter(chunks.into_iter().map(|chunk| chunk.map(Bytes::from))))
}

#[tokio::test]
async fn what_is_put_is_read_back_whichever_way_it_came() {
    let setup = Setup::hasty().await;
    let small = setup.put("small").await;
    let streamed = setup.blobs.put_stream("b", body(vec![Ok("in "), Ok("two")]), || Ok(())).await.unwrap();
    assert_eq!((streamed.size, streamed.blob.digest), (6, Digest::of(b"in two")));
    let read = setup.blobs.read(vec![segment(&small), Segment { blob_offset: 3, size: 3, ..segment(&streamed) }]);
    let bytes: Vec<u8> = read.map_ok(|bytes| bytes.to_vec()).try_concat().await.unwrap();
    assert_eq!(bytes, b"smalltwo");
    setup.until_no_session_is_open().await;
}

#[tokio::test]
async fn nothing_is_asked_of_the_store_for_a_bucket_that_is_not_there() {
    let setup = Setup::hasty().await;
    let bytes = setup.blobs.put_bytes("gone", Bytes::from("x"), Digest::of(b"x")).await;
    let stream = setup.blobs.put_stream("gone", body(vec![Ok("x")]), || Ok(())).await;
    assert_eq!(bytes.unwrap_err().code(), Code::NoSuchBucket);
    assert_eq!(stream.unwrap_err().code(), Code::NoSuchBucket);
    assert_eq!(setup.registry.faults().total_requests(), 0);
}

#[tokio::test]
async fn a_stream_that_fails_or_is_refused_leaves_no_session_and_no_blob() {
    let setup = Setup::hasty().await;
    let broken = body(vec![Ok("x"), Err(Code::IncompleteBody.into())]);
    let broken = setup.blobs.put_stream("b", broken, || Ok(())).await.unwrap_err();
    assert_eq!(broken.code(), Code::IncompleteBody);
    let refused = setup.blobs.put_stream("b", body(vec![Ok("y")]), || Err(Code::BadDigest.into())).await.unwrap_err();
    assert_eq!(refused.code(), Code::BadDigest);
    setup.until_no_session_is_open().await;
    assert_eq!((setup.count("blobs").await, setup.count("blob_pins").await), (0, 0));
}

#[tokio::test]
async fn a_stream_is_not_for_a_bucket_that_was_made_in_the_place_of_its_own() {
    let setup = Setup::hasty().await;
    let index = setup.blobs.index.clone();
    let late = async move {
        index.delete_bucket("b", &[]).await.unwrap();
        index.create_bucket(bucket()).await.unwrap();
        Ok(Bytes::from("later"))
    };
    let error = setup.blobs.put_stream("b", Box::pin(futures::stream::once(late)), || Ok(())).await.unwrap_err();
    assert_eq!(error.code(), Code::NoSuchBucket);
    setup.until_no_session_is_open().await;
    setup.pass_time().await;
    setup.blobs.sweep_once().await;
    assert_eq!((setup.count("blob_pins").await, setup.count("blobs").await), (0, 0));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_no_session() {
    let setup = Setup::hasty().await;
    let endless = body(vec![Ok("x")]).chain(futures::stream::pending());
    let put = setup.blobs.put_stream("b", Box::pin(endless), || Ok(()));
    let mut put = Box::pin(put);
    while setup.registry.faults().requests_with(Route::Upload, &Method::PATCH) == 0 {
        let soon = tokio::time::timeout(Duration::from_millis(10), &mut put).await;
        assert!(soon.is_err(), "an endless body does not end");
    }
    assert_eq!(setup.count("store_sessions").await, 1, "written down before its first byte");
    drop(put);
    setup.until_no_session_is_open().await;
}

#[tokio::test]
async fn a_blob_that_nothing_names_goes_when_its_pin_is_due_and_a_named_one_stays() {
    let setup = Setup::hasty().await;
    let (named, other) = (setup.put("named").await, setup.put("other").await);
    setup.name("k", &named).await;
    let early = setup.blobs.sweep_once().await;
    assert_eq!((early.deleted, early.failed), (0, 0), "the pin is not due yet");
    setup.pass_time().await;
    let report = setup.blobs.sweep_once().await;
    assert_eq!((report.deleted, report.failed, report.is_interrupted), (1, 0, false), "{report:?}");
    assert!(setup.is_stored(&named).await && !setup.is_stored(&other).await);
    assert_eq!((setup.count("blobs").await, setup.count("blob_pins").await), (1, 0));
}

#[tokio::test]
async fn a_deleted_object_takes_its_blob_along_unless_another_one_names_it() {
    let setup = Setup::hasty().await;
    let pinned = setup.put("shared").await;
    setup.name("one", &pinned).await;
    let again = setup.put("shared").await;
    setup.name("two", &again).await;
    setup.blobs.index.delete_object("b", "one", Duration::ZERO, &[]).await.unwrap();
    setup.blobs.sweep_once().await;
    assert!(setup.is_stored(&pinned).await);
    setup.blobs.index.delete_object("b", "two", Duration::ZERO, &[]).await.unwrap();
    assert_eq!(setup.blobs.sweep_once().await.deleted, 1);
    assert!(!setup.is_stored(&pinned).await);
}

#[tokio::test]
async fn nothing_is_condemned_while_the_store_is_down() {
    let setup = Setup::hasty().await;
    let pinned = setup.put("x").await;
    setup.pass_time().await;
    setup.registry.faults().inject(Fault::everywhere(FaultKind::Status(503)));
    let report = setup.blobs.sweep_once().await;
    assert_eq!((report.deleted, report.is_interrupted), (0, true));
    assert_eq!(setup.count("blobs WHERE condemned_at IS NOT NULL").await, 0);
    setup.registry.faults().clear();
    assert_eq!(setup.blobs.sweep_once().await.deleted, 1);
    assert!(!setup.is_stored(&pinned).await);
}

#[tokio::test]
async fn a_round_ends_when_one_deletion_after_the_other_fails() {
    let setup = Setup::hasty().await;
    for body in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] {
        setup.put(body).await;
    }
    setup.pass_time().await;
    setup.registry.faults().inject(Fault::on(Route::Blob, FaultKind::Status(500)).method(Method::DELETE));
    let report = setup.blobs.sweep_once().await;
    assert!(report.is_interrupted);
    assert!((3..8).contains(&report.failed), "{report:?}");
}

#[tokio::test]
async fn a_blob_that_the_store_refuses_to_delete_is_left_alone_and_stays_usable() {
    let setup = Setup::hasty().await;
    let pinned = setup.put("x").await;
    setup.pass_time().await;
    setup.registry.faults().inject(Fault::on(Route::Blob, FaultKind::Status(405)).method(Method::DELETE));
    let report = setup.blobs.sweep_once().await;
    assert_eq!((report.failed, report.is_interrupted), (1, false));
    assert_eq!(setup.count("blobs WHERE condemned_at IS NOT NULL").await, 0);
    assert_eq!(setup.blobs.sweep_once().await.failed, 0, "not before its time");
    let again = setup.put("x").await;
    assert_eq!(again.blob, pinned.blob);
    setup.name("k", &again).await;
}

#[tokio::test]
async fn a_session_that_a_crash_left_is_cancelled_when_it_is_due() {
    let setup = Setup::hasty().await;
    let upload = setup.blobs.store.start_upload("s3/1/00").await.unwrap();
    setup.blobs.index.open_session("default", upload.location(), LONG).await.unwrap();
    assert_eq!(setup.blobs.sweep_once().await.sessions_cancelled, 0);
    setup.pass_time().await;
    assert_eq!(setup.blobs.sweep_once().await.sessions_cancelled, 1);
    setup.until_no_session_is_open().await;
}

#[tokio::test]
async fn two_sweepers_share_the_work() {
    let setup = Setup::hasty().await;
    for body in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        setup.put(body).await;
    }
    setup.pass_time().await;
    let (one, two) = tokio::join!(setup.blobs.sweep_once(), setup.blobs.sweep_once());
    assert_eq!((one.deleted + two.deleted, one.failed + two.failed), (10, 0), "{one:?} {two:?}");
    assert_eq!(setup.registry.faults().requests_with(Route::Blob, &Method::DELETE), 10, "each was deleted once");
}

#[tokio::test]
async fn a_backlog_is_drained_without_waiting_for_the_next_round() {
    let config = config::Blobs { sweep_batch: 2, sweep_interval: LONG, ..config::Blobs::default() };
    let setup = Setup::new(config).await;
    for body in ["0", "1", "2", "3", "4", "5", "6"] {
        setup.put(body).await;
    }
    setup.pass_time().await;
    let stop = CancellationToken::new();
    let sweeper = tokio::spawn({
        let (blobs, stop) = (setup.blobs.clone(), stop.clone());
        async move { blobs.run_sweeper(stop).await }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while setup.count("blobs").await > 0 {
        assert!(Instant::now() < deadline, "the backlog stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    sweeper.await.unwrap();
}

#[tokio::test]
async fn an_upload_ends_before_its_pin_protects_it_no_more() {
    let setup = Setup::hasty().await;
    setup.registry.faults().inject(Fault::on(Route::UploadStart, FaultKind::Delay(Duration::from_secs(20))));
    let begun = Instant::now();
    let late: Error = setup.blobs.put_bytes("b", Bytes::from("x"), Digest::of(b"x")).await.unwrap_err();
    assert_eq!(late.code(), Code::UpstreamUnavailable);
    assert!(begun.elapsed() < Duration::from_secs(15), "half the pin's life is one second");
}
