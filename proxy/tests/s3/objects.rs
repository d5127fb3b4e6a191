//! PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use crate::support::{Payload, World, bytes, md5_hex, pieces};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_comes_back_with_its_headers() {
    let world = World::with_bucket().await;
    let put = world
        .put("/bucket/a/b.txt")
        .header("content-type", "text/plain")
        .header("cache-control", "max-age=60")
        .header("content-disposition", "attachment")
        .header("content-language", "de")
        .header("content-encoding", "gzip")
        .header("expires", "Wed, 21 Oct 2026 07:28:00 GMT")
        .header("x-amz-meta-colour", "blue")
        .body("hello")
        .send()
        .await
        .expect(200);
    assert_eq!(put.etag(), md5_hex(b"hello"));
    let get = world.get("/bucket/a/b.txt").send().await.expect(200);
    let head = world.head("/bucket/a/b.txt").send().await.expect(200);
    assert_eq!(get.text(), "hello");
    assert!(head.body.is_empty());
    for answer in [&get, &head] {
        assert_eq!(answer.header("content-length"), "5");
        assert_eq!(answer.etag(), md5_hex(b"hello"));
        assert_eq!(answer.header("content-type"), "text/plain");
        assert_eq!(answer.header("cache-control"), "max-age=60");
        assert_eq!(answer.header("content-disposition"), "attachment");
        assert_eq!(answer.header("content-language"), "de");
        assert_eq!(answer.header("content-encoding"), "gzip");
        assert_eq!(answer.header("expires"), "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(answer.header("x-amz-meta-colour"), "blue");
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert!(answer.headers.contains_key("last-modified"));
        assert!(!answer.headers.contains_key("x-amz-checksum-crc64nvme"), "checksums are only given when asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_no_bytes_needs_no_blob() {
    let world = World::with_bucket().await;
    world.put("/bucket/empty").send().await.expect(200);
    let get = world.get("/bucket/empty").send().await.expect(200);
    assert_eq!((get.header("content-length"), get.body.len()), ("0", 0));
    assert_eq!(get.header("content-type"), "binary/octet-stream");
    assert_eq!(get.etag(), md5_hex(b""));
    assert_eq!(world.count("blobs").await, 0);
    world.get("/bucket/empty").header("range", "bytes=0-0").send().await.expect_error(416, "InvalidRange");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_buffer_streams_to_the_store() {
    let world = World::with(|config| config.store.buffer = bytesize::ByteSize::kib(64)).await;
    world.put("/bucket").send().await.expect(200);
    let body = bytes(1_000_003);
    let put = world.put("/bucket/large").body(body.clone()).send().await.expect(200);
    assert_eq!(put.etag(), md5_hex(&body));
    assert_eq!(world.get("/bucket/large").send().await.expect(200).body, body);
    world.delete("/bucket/large").send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_left_small_bodies_stream_as_well() {
    let world = World::with(|config| config.limits.buffer_bytes = bytesize::ByteSize::b(0)).await;
    world.put("/bucket").send().await.expect(200);
    world.put("/bucket/key").body("small").send().await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "small");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_served_as_they_are_asked_for() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("0123456789").send().await.expect(200);
    for (range, expected, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let get = world.get("/bucket/key").header("range", range).send().await.expect(206);
        assert_eq!((get.text().as_str(), get.header("content-range")), (expected, content_range), "{range}");
        assert_eq!(get.header("content-length"), expected.len().to_string());
        let head = world.head("/bucket/key").header("range", range).send().await.expect(206);
        assert_eq!(head.header("content-range"), content_range);
        assert_eq!(head.header("content-length"), expected.len().to_string());
    }
    let refused = world.get("/bucket/key").header("range", "bytes=10-").send().await.expect_error(416, "InvalidRange");
    assert_eq!(refused.header("content-range"), "bytes */10");
    assert_eq!(refused.element("ActualObjectSize"), "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_reads_are_kept() {
    let world = World::with_bucket().await;
    let etag = world.put("/bucket/key").body("x").send().await.expect(200).header("etag").to_owned();
    let not_modified = world.get("/bucket/key").header("if-none-match", &etag).send().await.expect(304);
    assert_eq!(not_modified.header("etag"), etag);
    assert!(not_modified.body.is_empty() && not_modified.headers.contains_key("last-modified"));
    world.head("/bucket/key").header("if-none-match", "*").send().await.expect(304);
    world.get("/bucket/key").header("if-match", "\"nope\"").send().await.expect_error(412, "PreconditionFailed");
    world.get("/bucket/key").header("if-match", &etag).send().await.expect(200);
    let past = "Tue, 14 Nov 2023 22:13:20 GMT";
    world.get("/bucket/key").header("if-unmodified-since", past).send().await.expect_error(412, "PreconditionFailed");
    world.get("/bucket/key").header("if-modified-since", past).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_writes_are_kept() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").header("if-match", "\"x\"").body("0").send().await.expect_error(404, "NoSuchKey");
    let etag = world.put("/bucket/key").header("if-none-match", "*").body("1").send().await.expect(200).etag();
    world
        .put("/bucket/key")
        .header("if-none-match", "*")
        .body("2")
        .send()
        .await
        .expect_error(412, "PreconditionFailed");
    world
        .put("/bucket/key")
        .header("if-match", "\"nope\"")
        .body("2")
        .send()
        .await
        .expect_error(412, "PreconditionFailed");
    world.put("/bucket/key").header("if-match", format!("\"{etag}\"")).body("2").send().await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "2");
    world
        .put("/bucket/key")
        .header("if-none-match", "\"x\"")
        .body("3")
        .send()
        .await
        .expect_error(501, "NotImplemented");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_creations_one_wins() {
    let world = World::with_bucket().await;
    let attempts = (0..8).map(|i| world.put("/bucket/lock").header("if-none-match", "*").body(format!("{i}")).send());
    let answers = futures::future::join_all(attempts).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| matches!(answer.status.as_u16(), 409 | 412)).count();
    assert_eq!((won, lost), (1, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_is_gone_and_may_be_deleted_again() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    world.delete("/bucket/key").send().await.expect(204);
    world.get("/bucket/key").send().await.expect_error(404, "NoSuchKey");
    let head = world.head("/bucket/key").send().await.expect(404);
    assert!(head.body.is_empty());
    world.delete("/bucket/key").send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_stored_as_they_are_sent() {
    let world = World::with_bucket().await;
    for (path, key) in [
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("%E6%97%A5%E6%9C%AC", "日本"),
        ("a//b", "a//b"),
        ("back%5Cslash", "back\\slash"),
        ("%252e%252e", "%2e%2e"),
        ("%26%3C%3E%22%27", "&<>\"'"),
    ] {
        world.put(&format!("/bucket/{path}")).body(key).send().await.expect(200);
        assert_eq!(world.get(&format!("/bucket/{path}")).send().await.expect(200).text(), key);
        let stored: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM objects WHERE key = $1)")
            .bind(key)
            .fetch_one(&world.database.pool().unwrap())
            .await
            .unwrap();
        assert!(stored, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_deleted_at_once() {
    let world = World::with_bucket().await;
    for i in 0..3 {
        world.put(&format!("/bucket/key-{i}")).body("x").send().await.expect(200);
    }
    let document = "<Delete><Object><Key>key-0</Key></Object><Object><Key>key-1</Key></Object><Object><Key>never</Key></Object><Object><Key>a/../b</Key></Object><Object><Key>key-2</Key><VersionId>v1</VersionId></Object></Delete>";
    let answer = world.post("/bucket?delete").body(document).send().await.expect(200);
    assert_eq!(answer.elements("Key"), ["key-0", "key-1", "never", "a/../b", "key-2"]);
    assert_eq!(answer.elements("Code"), ["InvalidArgument", "InvalidArgument"]);
    world.get("/bucket/key-0").send().await.expect(404);
    world.get("/bucket/key-2").send().await.expect(200);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>key-2</Key></Object></Delete>";
    let answer = world.post("/bucket?delete").body(quiet).send().await.expect(200);
    assert!(answer.elements("Key").is_empty());
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presigned_urls_put_get_head_and_delete() {
    let world = World::with_bucket().await;
    let minute = Duration::from_secs(60);
    world.put("/bucket/key").presigned(minute).body("hello").send().await.expect(200);
    assert_eq!(world.get("/bucket/key").presigned(minute).send().await.expect(200).text(), "hello");
    world.head("/bucket/key").presigned(minute).send().await.expect(200);
    let dressed = "/bucket/key?response-content-type=text%2Fhtml&response-content-disposition=inline";
    let answer = world.get(dressed).presigned(minute).send().await.expect(200);
    assert_eq!((answer.header("content-type"), answer.header("content-disposition")), ("text/html", "inline"));
    world.delete("/bucket/key").presigned(minute).send().await.expect(204);
    world.head("/bucket/key").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_says_what_it_is_asked_to_say_in_place_of_what_the_object_says() {
    let world = World::with_bucket().await;
    let put = world.put("/bucket/key").header("expires", "Mon, 13 Nov 2023 22:13:20 GMT");
    let put = put.header("cache-control", "no-store");
    put.header("content-encoding", "gzip").body("x").send().await.expect(200);
    let dressed = "/bucket/key?response-content-type=text%2Fx&response-content-language=de&response-cache-control=private\
                   &response-content-disposition=inline&response-content-encoding=br\
                   &response-expires=Tue%2C%2014%20Nov%202023%2022%3A13%3A20%20GMT";
    for method in [http::Method::GET, http::Method::HEAD] {
        let answer = world.ask(method.clone(), dressed).send().await.expect(200);
        for (name, value) in [
            ("content-type", "text/x"),
            ("content-language", "de"),
            ("cache-control", "private"),
            ("content-disposition", "inline"),
            ("content-encoding", "br"),
            ("expires", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ] {
            assert_eq!(answer.header(name), value, "{method}");
        }
        let broken = world.ask(method.clone(), "/bucket/key?response-content-type=a%0D%0Ab").send().await;
        assert_eq!(broken.status, 400, "{method}");
        let unsigned = world.send(world.ask(method.clone(), dressed).anonymous()).await;
        assert_eq!(unsigned.status, 400, "{method}");
        // What is added to a signed request is not what was signed.
        let mut changed = world.ask(method.clone(), "/bucket/key?response-content-type=text%2Fx").signed();
        *changed.uri_mut() = "/bucket/key?response-content-type=text%2Fhtml".parse().unwrap();
        assert_eq!(world.send(changed).await.status, 403, "{method}");
        assert_eq!(
            world.ask(method, "/bucket/key").send().await.expect(200).header("expires"),
            "Mon, 13 Nov 2023 22:13:20 GMT"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_beyond_ascii_comes_back_encoded() {
    let world = World::with_bucket().await;
    let word = "=?UTF-8?B?Z3LDvG4=?=";
    world.put("/bucket/key").header("x-amz-meta-colour", word).body("x").send().await.expect(200);
    assert_eq!(world.head("/bucket/key").send().await.expect(200).header("x-amz-meta-colour"), word);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_body_is_stored() {
    let world = World::with_bucket().await;
    let ask = world.put("/bucket/key").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").payload(Payload::Unsigned);
    ask.body("hello").send().await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_many_pieces_is_one_object() {
    let world = World::with_bucket().await;
    let body = bytes(200_000);
    let mut request = world.put("/bucket/key").body(body.clone()).signed();
    *request.body_mut() = pieces(body.chunks(1_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect());
    world.send(request).await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).body, body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_carries_the_id_of_its_request() {
    let world = World::with_bucket().await;
    let mut request = world.get("/bucket/none").signed();
    let id = zas_proxy::error::RequestId::generate();
    request.extensions_mut().insert(zas_proxy::gateway::RequestContext {
        request_id: id.clone(),
        peer: None,
        secure: false,
        operation: std::sync::Arc::default(),
    });
    let answer = world.send(request).await.expect_error(404, "NoSuchKey");
    assert_eq!(answer.headers["x-amz-request-id"], HeaderValue::from_str(id.as_str()).unwrap());
    assert_eq!(answer.element("RequestId"), id.as_str());
    assert_eq!(answer.element("Resource"), "/bucket/none");
}
