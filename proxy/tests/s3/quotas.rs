//! Quotas as S3 clients meet them.

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use zas_proxy::gateway::{Body, BoxError};
use zas_proxy::index::{NewQuota, Quota};

use crate::support::{Answer, World, bytes};

const PART: usize = 5 * 1024 * 1024;

impl World {
    /// A world with a bucket that may hold so much.
    async fn with_quota(bytes: impl Into<Option<u64>>, objects: impl Into<Option<u64>>) -> Self {
        let world = Self::with_bucket().await;
        world.limit(bytes, objects).await;
        world
    }

    async fn limit(&self, bytes: impl Into<Option<u64>>, objects: impl Into<Option<u64>>) {
        let quota = Quota { bytes: bytes.into(), objects: objects.into() };
        let new = NewQuota { bucket: "bucket", quota, expected: None, by: "root", audit: &[] };
        self.app.index.put_bucket_quota(new).await.unwrap();
    }

    async fn usage(&self) -> (u64, u64) {
        let usage = self.app.index.bucket_quota("bucket").await.unwrap().usage;
        (usage.bytes, usage.objects)
    }
}

#[track_caller]
fn expect_full(answer: Answer, quota: &str, limit: &str, used: &str, added: &str) {
    let answer = answer.expect_error(403, "QuotaExceeded");
    let told = ["Quota", "Limit", "Used", "Added"].map(|name| answer.element(name));
    assert_eq!(told, [quota, limit, used, added], "{}", answer.text());
}

/// A body that nobody may ask for.
fn unread() -> Body {
    let never = futures::stream::once(async { panic!("the body was read") });
    StreamBody::new(never.map(Ok::<http_body::Frame<Bytes>, BoxError>)).boxed_unsync()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_does_not_fit_is_refused_and_the_one_that_stands_is_not_touched() {
    let world = World::with_quota(100, 2).await;
    let old = world.put("/bucket/key").body(bytes(60)).send().await.expect(200).etag();
    expect_full(world.put("/bucket/other").body(bytes(41)).send().await, "bytes", "100", "60", "41");
    expect_full(world.put("/bucket/key").body(bytes(101)).send().await, "bytes", "100", "60", "41");
    assert_eq!(world.get("/bucket/key").send().await.expect(200).etag(), old);

    world.put("/bucket/other").body(bytes(40)).send().await.expect(200);
    expect_full(world.put("/bucket/third").send().await, "objects", "2", "2", "1");
    // Full to the brim: what replaces as many bytes is taken, and what goes makes room at once.
    world.put("/bucket/key").body(bytes(60)).send().await.expect(200);
    world.delete("/bucket/other").send().await.expect(204);
    world.put("/bucket/third").body(bytes(40)).send().await.expect(200);
    assert_eq!(world.usage().await, (100, 2));
    for key in ["key", "third"] {
        world.delete(&format!("/bucket/{key}")).send().await.expect(204);
    }
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_does_not_fit_is_refused() {
    let world = World::with_quota(100, None).await;
    world.put("/bucket/key").body(bytes(60)).send().await.expect(200);
    let copy = async |to: &str| world.put(to).header("x-amz-copy-source", "/bucket/key").send().await;
    expect_full(copy("/bucket/copy").await, "bytes", "100", "60", "60");
    world.put("/elsewhere").send().await.expect(200);
    copy("/elsewhere/copy").await.expect(200);
    world.limit(120, None).await;
    copy("/bucket/copy").await.expect(200);
    assert_eq!(world.usage().await, (120, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_that_does_not_fit_is_refused_before_it_is_read() {
    let world = World::with_quota(1000, None).await;
    let large = 5_u64 * 1024 * 1024 * 1024;
    let ask = |uri: &str, length: u64| {
        let unsigned = crate::support::Payload::Unsigned;
        let mut request = world.put(uri).header("content-length", length).payload(unsigned).signed();
        *request.body_mut() = unread();
        request
    };
    expect_full(world.send(ask("/bucket/key", large)).await, "bytes", "1000", "0", &large.to_string());
    let id = world.post("/bucket/key?uploads").send().await.expect(200).element("UploadId");
    let part = format!("/bucket/key?partNumber=1&uploadId={id}");
    expect_full(world.send(ask(&part, large)).await, "bytes", "1000", "0", &large.to_string());
    // A small one is stored first; but where one was refused the next ones are refused unread.
    expect_full(world.send(ask("/bucket/key", 1001)).await, "bytes", "1000", "0", "1001");
    assert_eq!(world.blobs_at_the_registry(), Vec::<String>::new());
    world.put("/bucket/key").body(bytes(1000)).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_small_bodies_that_do_not_fit_the_first_is_stored_in_vain_and_no_other() {
    let world = World::with_quota(100, None).await;
    for length in [101, 102, 103] {
        world.put("/bucket/key").body(bytes(length)).send().await.expect_error(403, "QuotaExceeded");
    }
    assert_eq!(world.blobs_at_the_registry().len(), 1);
    // Given up at once: it does not wait for its pin to be due.
    world.app.blobs.sweep_once().await;
    assert_eq!(world.blobs_at_the_registry(), Vec::<String>::new());
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_take_room_until_their_upload_is_given_up() {
    let limit = PART as u64 + 1000;
    let world = World::with_quota(limit, 1).await;
    let begin = async || world.post("/bucket/key?uploads").send().await;
    let id = begin().await.expect(200).element("UploadId");
    let part = async |number: i32, length: usize| {
        let uri = format!("/bucket/key?partNumber={number}&uploadId={id}");
        world.put(&uri).body(bytes(length)).send().await
    };
    let first = part(1, PART).await.expect(200).etag();
    let (limit, used) = (limit.to_string(), PART.to_string());
    expect_full(part(2, 1001).await, "bytes", &limit, &used, "1001");
    expect_full(world.put("/bucket/other").body(bytes(1001)).send().await, "bytes", &limit, &used, "1001");
    let second = part(2, 1000).await.expect(200).etag();
    expect_full(part(2, 1001).await, "bytes", &limit, &(PART + 1000).to_string(), "1");

    // The bytes are counted; what a completion needs is room for the object.
    world.put("/bucket/other").send().await.expect(200);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{first}</ETag></Part><Part><PartNumber>2</PartNumber><ETag>{second}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = async || world.post(&format!("/bucket/key?uploadId={id}")).body(document.clone()).send().await;
    expect_full(complete().await, "objects", "1", "1", "1");
    expect_full(begin().await, "objects", "1", "1", "1");
    world.delete("/bucket/other").send().await.expect(204);
    complete().await.expect(200);
    assert_eq!(world.usage().await, (PART as u64 + 1000, 1));

    let id = begin().await.expect(200).element("UploadId");
    let copy = format!("/bucket/key?partNumber=1&uploadId={id}");
    let copy = async |range: &str| {
        let ask = world.put(&copy).header("x-amz-copy-source", "/bucket/key");
        ask.header("x-amz-copy-source-range", range).send().await
    };
    expect_full(copy("bytes=0-9").await, "bytes", &limit, &limit, "10");
    world.limit(PART as u64 + 1010, 1).await;
    copy("bytes=0-9").await.expect(200);
    world.delete(&format!("/bucket/key?uploadId={id}")).send().await.expect(204);
    assert_eq!(world.usage().await, (PART as u64 + 1000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_buckets_have_the_quota_of_the_configuration() {
    let world = World::with(|config| {
        config.s3.default_quota.bytes = Some(bytesize::ByteSize::b(100));
        config.s3.default_quota.objects = Some(1);
    })
    .await;
    world.put("/bucket").send().await.expect(200);
    expect_full(world.put("/bucket/key").body(bytes(101)).send().await, "bytes", "100", "0", "101");
    world.put("/bucket/key").body(bytes(100)).send().await.expect(200);
    expect_full(world.put("/bucket/other").send().await, "objects", "1", "1", "1");
    world.limit(200, None).await;
    world.put("/bucket/other").body(bytes(100)).send().await.expect(200);
}
