//! Multipart uploads.

use bytes::Bytes;

use crate::support::{Answer, World, bytes, md5_hex};

const PART: usize = 5 * 1024 * 1024;

async fn begin(world: &World, key: &str, headers: &[(&str, &str)]) -> String {
    let mut ask = world.post(&format!("/bucket/{key}?uploads"));
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    ask.send().await.expect(200).element("UploadId")
}

async fn put_part(world: &World, key: &str, id: &str, number: i32, body: Bytes) -> Answer {
    world.put(&format!("/bucket/{key}?partNumber={number}&uploadId={id}")).body(body).send().await
}

fn document(parts: &[(i32, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>"))
        .collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

async fn complete(world: &World, key: &str, id: &str, parts: &[(i32, &str)]) -> Answer {
    world.post(&format!("/bucket/{key}?uploadId={id}")).body(document(parts)).send().await
}

fn etag_of(parts: &[&[u8]]) -> String {
    let md5s: Vec<u8> = parts.iter().flat_map(|part| hex::decode(md5_hex(part)).unwrap()).collect();
    format!("{}-{}", md5_hex(&md5s), parts.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_an_object() {
    let world = World::with_bucket().await;
    let id = begin(&world, "large", &[("content-type", "video/mp4"), ("x-amz-meta-a", "1")]).await;
    let (one, two) = (bytes(PART), bytes(1_234));
    let first = put_part(&world, "large", &id, 2, one.clone()).await.expect(200).etag();
    let last = put_part(&world, "large", &id, 7, two.clone()).await.expect(200).etag();
    assert_eq!(first, md5_hex(&one));
    world.get("/bucket/large").send().await.expect_error(404, "NoSuchKey");

    let listed = world.get(&format!("/bucket/large?uploadId={id}")).send().await.expect(200);
    assert_eq!(listed.elements("PartNumber"), ["2", "7"]);
    assert_eq!(listed.elements("Size"), [PART.to_string(), "1234".into()]);
    assert!(!listed.element("ChecksumCRC64NVME").is_empty());

    let done = complete(&world, "large", &id, &[(2, &first), (7, &last)]).await.expect(200);
    let expected = etag_of(&[&one, &two]);
    assert!(done.element("ETag").contains(&expected), "{}", done.text());
    assert_eq!(done.element("ChecksumType"), "FULL_OBJECT");
    let whole = [one, two].concat();
    let get = world.get("/bucket/large").header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
    assert_eq!((get.etag(), get.body.len()), (expected, whole.len()));
    assert!(get.body == whole);
    assert_eq!((get.header("content-type"), get.header("x-amz-meta-a")), ("video/mp4", "1"));
    assert_eq!(get.header("x-amz-checksum-crc64nvme"), done.element("ChecksumCRC64NVME"));
    // A range across the seam.
    let range = format!("bytes={}-{}", PART - 3, PART + 2);
    let seam = world.get("/bucket/large").header("range", range).send().await.expect(206);
    assert!(seam.body == whole[PART - 3..PART + 3]);

    world.get(&format!("/bucket/large?uploadId={id}")).send().await.expect_error(404, "NoSuchUpload");
    world.delete("/bucket/large").send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_completion_gets_the_same_answer() {
    let world = World::with_bucket().await;
    let id = begin(&world, "key", &[]).await;
    let etag = put_part(&world, "key", &id, 1, "hello".into()).await.expect(200).etag();
    let first = complete(&world, "key", &id, &[(1, &etag)]).await.expect(200);
    let second = complete(&world, "key", &id, &[(1, &etag)]).await.expect(200);
    assert_eq!(first.text(), second.text());
    // Other parts are another request.
    let other = crate::support::md5_hex(b"other");
    complete(&world, "key", &id, &[(1, &other)]).await.expect_error(404, "NoSuchUpload");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_put_again_replaces_the_first() {
    let world = World::with_bucket().await;
    let id = begin(&world, "key", &[]).await;
    let old = put_part(&world, "key", &id, 1, "old".into()).await.expect(200).etag();
    let new = put_part(&world, "key", &id, 1, "new".into()).await.expect(200).etag();
    complete(&world, "key", &id, &[(1, &old)]).await.expect_error(400, "InvalidPart");
    complete(&world, "key", &id, &[(1, &new)]).await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_wrong_complete_nothing() {
    let world = World::with_bucket().await;
    let id = begin(&world, "key", &[]).await;
    let one = put_part(&world, "key", &id, 1, "one".into()).await.expect(200).etag();
    let two = put_part(&world, "key", &id, 2, "two".into()).await.expect(200).etag();
    complete(&world, "key", &id, &[(2, &two), (1, &one)]).await.expect_error(400, "InvalidPartOrder");
    let small = complete(&world, "key", &id, &[(1, &one), (2, &two)]).await.expect_error(400, "EntityTooSmall");
    assert_eq!((small.element("ProposedSize").as_str(), small.element("MinSizeAllowed").as_str()), ("3", "5242880"));
    complete(&world, "key", &id, &[(3, &one)]).await.expect_error(400, "InvalidPart");
    complete(&world, "key", &id, &[(1, &two)]).await.expect_error(400, "InvalidPart");
    complete(&world, "key", &id, &[]).await.expect_error(400, "MalformedXML");
    complete(&world, "key", "no-such-upload", &[(1, &one)]).await.expect_error(404, "NoSuchUpload");
    complete(&world, "other", &id, &[(1, &one)]).await.expect_error(404, "NoSuchUpload");
    for garbage in ["", "<Complete", "<Other/>", "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"] {
        world.post(&format!("/bucket/key?uploadId={id}")).body(garbage).send().await.expect_error(400, "MalformedXML");
    }
    world.head("/bucket/key").send().await.expect(404);
    world.delete(&format!("/bucket/key?uploadId={id}")).send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_no_upload_or_of_no_number_leaves_nothing() {
    let world = World::with_bucket().await;
    put_part(&world, "key", "no-such-upload", 1, "x".into()).await.expect_error(404, "NoSuchUpload");
    let id = begin(&world, "key", &[]).await;
    for number in [0, -1, 10_001] {
        put_part(&world, "key", &id, number, "x".into()).await.expect_error(400, "InvalidArgument");
    }
    let half = world.put(&format!("/bucket/key?uploadId={id}")).body("x").send().await;
    half.expect_error(501, "NotImplemented");
    world.delete(&format!("/bucket/key?uploadId={id}")).send().await.expect(204);
    world.delete(&format!("/bucket/key?uploadId={id}")).send().await.expect_error(404, "NoSuchUpload");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_checksum_covers_the_checksums_of_the_parts() {
    let world = World::with_bucket().await;
    let id = begin(&world, "key", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let etag = put_part(&world, "key", &id, 1, "hello".into()).await.expect(200);
    assert!(etag.headers.contains_key("x-amz-checksum-sha256"));
    let crc = world.put(&format!("/bucket/key?partNumber=1&uploadId={id}")).header("x-amz-checksum-crc32", "NhCmhg==");
    crc.body("hello").send().await.expect_error(400, "InvalidRequest");
    let done = complete(&world, "key", &id, &[(1, &etag.etag())]).await.expect(200);
    assert_eq!(done.element("ChecksumType"), "COMPOSITE");
    assert!(done.element("ChecksumSHA256").ends_with("-1"));
    let head = world.head("/bucket/key").header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
    assert_eq!(head.header("x-amz-checksum-sha256"), done.element("ChecksumSHA256"));
    assert_eq!(head.header("x-amz-checksum-type"), "COMPOSITE");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checksum_and_the_size_of_the_whole_can_be_stated() {
    let world = World::with_bucket().await;
    let headers = &[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let id = begin(&world, "key", headers).await;
    let etag = put_part(&world, "key", &id, 1, "hello".into()).await.expect(200).etag();
    let ask = || world.post(&format!("/bucket/key?uploadId={id}")).body(document(&[(1, &etag)]));
    ask().header("x-amz-checksum-crc32", "AAAAAA==").send().await.expect_error(400, "BadDigest");
    ask().header("x-amz-mp-object-size", 6).send().await.expect_error(400, "InvalidRequest");
    ask().header("x-amz-checksum-type", "COMPOSITE").send().await.expect_error(400, "BadDigest");
    let right = ask().header("x-amz-checksum-crc32", "NhCmhg==").header("x-amz-mp-object-size", 5);
    assert_eq!(right.send().await.expect(200).element("ChecksumCRC32"), "NhCmhg==");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_can_be_conditional() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("there").send().await.expect(200);
    let id = begin(&world, "key", &[]).await;
    let etag = put_part(&world, "key", &id, 1, "hello".into()).await.expect(200).etag();
    let ask = world.post(&format!("/bucket/key?uploadId={id}")).body(document(&[(1, &etag)]));
    ask.header("if-none-match", "*").send().await.expect_error(412, "PreconditionFailed");
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "there");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_can_be_copied() {
    let world = World::with_bucket().await;
    let body = bytes(PART + 10);
    world.put("/bucket/source").body(body.clone()).send().await.expect(200);
    let id = begin(&world, "key", &[]).await;
    let copy = |number: i32, range: &str| {
        let ask = world.put(&format!("/bucket/key?partNumber={number}&uploadId={id}"));
        ask.header("x-amz-copy-source", "bucket/source").header("x-amz-copy-source-range", range)
    };
    let one = copy(1, &format!("bytes=0-{}", PART - 1)).send().await.expect(200);
    assert!(one.element("ETag").contains(&md5_hex(&body[..PART])));
    copy(2, &format!("bytes={PART}-{}", PART + 9)).send().await.expect(200);
    copy(3, "bytes=0-99999999").send().await.expect_error(400, "InvalidArgument");
    world.delete("/bucket/source").send().await.expect(204);
    world.sweep().await;
    let parts = [(1, md5_hex(&body[..PART])), (2, md5_hex(&body[PART..]))];
    let parts: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
    complete(&world, "key", &id, &parts).await.expect(200);
    assert!(world.get("/bucket/key").send().await.expect(200).body == body);
    // A range of an object of several parts has several segments.
    let id = begin(&world, "again", &[]).await;
    let copy = world.put(&format!("/bucket/again?partNumber=1&uploadId={id}"));
    let range = format!("bytes={}-{}", PART - 5, PART + 4);
    let copied = copy.header("x-amz-copy-source", "bucket/key").header("x-amz-copy-source-range", range);
    copied.send().await.expect(200);
    let etag = md5_hex(&body[PART - 5..PART + 5]);
    complete(&world, "again", &id, &[(1, &etag)]).await.expect(200);
    assert!(world.get("/bucket/again").send().await.expect(200).body == body[PART - 5..PART + 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_part_is_swept_once_its_upload_is_given_up() {
    let world = World::with_bucket().await;
    let id = begin(&world, "key", &[]).await;
    put_part(&world, "key", &id, 1, "hello".into()).await.expect(200);
    world.sweep().await;
    assert_eq!(world.count("blobs").await, 1, "an upload in progress keeps its bytes");
    world.delete(&format!("/bucket/key?uploadId={id}")).send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_completion_and_an_abort_at_two_sidecars_one_is_done() {
    let world = World::with_bucket().await;
    let replica = world.replica();
    for round in 0..20 {
        let key = format!("key-{round}");
        let id = begin(&world, &key, &[]).await;
        let etag = put_part(&world, &key, &id, 1, "hello".into()).await.expect(200).etag();
        let abort = world.delete(&format!("/bucket/{key}?uploadId={id}")).signed();
        let parts = [(1, etag.as_str())];
        let (completed, aborted) =
            tokio::join!(complete(&world, &key, &id, &parts), zas_proxy::s3::call(&replica, abort));
        let stands = world.head(&format!("/bucket/{key}")).send().await.status;
        match (completed.status.as_u16(), aborted.status().as_u16()) {
            (200, 404) => assert_eq!(stands, 200, "round {round}"),
            (404, 204) => assert_eq!(stands, 404, "round {round}"),
            other => panic!("{other:?}: {}", completed.text()),
        }
    }
}
