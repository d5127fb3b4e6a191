//! Input that is wrong gets the error that S3 clients know, and leaves nothing behind.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use zas_proxy::gateway::BoxError;

use crate::support::{Payload, World, bytes, pieces};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_leaves_nothing() {
    let world = World::with_bucket().await;
    let wrong = world.put("/bucket/key").key("AKIATEST", "another secret of some length").body("x");
    wrong.send().await.expect_error(403, "SignatureDoesNotMatch");
    let unknown = world.put("/bucket/key").key("AKIANOBODY", "0123456789abcdef").body("x");
    unknown.send().await.expect_error(403, "InvalidAccessKeyId");
    world.send(world.put("/bucket/key").body("x").anonymous()).await.expect_error(403, "AccessDenied");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_leaves_nothing() {
    let world = World::with_bucket().await;
    let now = SystemTime::now();
    for time in [now - Duration::from_secs(20 * 60), now + Duration::from_secs(20 * 60)] {
        world.put("/bucket/key").at(time).body("x").send().await.expect_error(403, "RequestTimeTooSkewed");
    }
    for time in [now - Duration::from_secs(10 * 60), now + Duration::from_secs(10 * 60)] {
        world.put("/bucket/key").at(time).body("x").send().await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_url_ends() {
    let world = World::with_bucket().await;
    let then = SystemTime::now() - Duration::from_secs(120);
    let lapsed = world.put("/bucket/key").at(then).presigned(Duration::from_secs(60)).body("x");
    let lapsed = lapsed.send().await.expect_error(403, "AccessDenied");
    assert_eq!(lapsed.element("Message"), "Request has expired.");
    let future = world.put("/bucket/key").at(SystemTime::now() + Duration::from_secs(3600));
    future.presigned(Duration::from_secs(60)).body("x").send().await.expect_error(403, "RequestTimeTooSkewed");
    let long = world.put("/bucket/key").presigned(Duration::from_secs(604_800)).body("x").signed();
    let (mut parts, body) = long.into_parts();
    parts.uri = parts.uri.to_string().replace("604800", "604801").parse().unwrap();
    let long = world.send(http::Request::from_parts(parts, body)).await;
    long.expect_error(400, "AuthorizationQueryParametersError");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_md5_or_sha256_leaves_nothing() {
    for buffer in [bytesize::ByteSize::mib(8), bytesize::ByteSize::b(0)] {
        let world = World::with(|config| config.store.buffer = buffer).await;
        world.put("/bucket").send().await.expect(200);
        let put = || world.put("/bucket/key").body("hello");
        put().header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").send().await.expect_error(400, "BadDigest");
        put().header("content-md5", "nonsense").send().await.expect_error(400, "InvalidDigest");
        put().header("x-amz-checksum-sha256", "nonsense").send().await.expect_error(400, "InvalidRequest");
        let hash = "00".repeat(32);
        let other = put().header("x-amz-content-sha256", &hash).payload(Payload::Precomputed(hash.clone()));
        other.send().await.expect_error(400, "XAmzContentSHA256Mismatch");
        world.expect_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_leaves_nothing() {
    for buffer in [bytesize::ByteSize::mib(8), bytesize::ByteSize::b(0)] {
        let world = World::with(|config| config.store.buffer = buffer).await;
        world.put("/bucket").send().await.expect(200);
        let whole = bytes(100_000);
        let cut = |end: Vec<Result<Bytes, BoxError>>| {
            let ask = world.put("/bucket/key").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
            let mut request = ask.payload(Payload::Unsigned).body(whole.clone()).signed();
            let mut body = vec![Ok(whole.slice(..50_000))];
            body.extend(end);
            *request.body_mut() = pieces(body);
            request
        };
        world.send(cut(Vec::new())).await.expect_error(400, "IncompleteBody");
        world.send(cut(vec![Ok(whole.clone())])).await.expect_error(400, "IncompleteBody");
        let gone = world.send(cut(vec![Err("reset by peer".into())])).await;
        assert_eq!(gone.status, 499);
        world.expect_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_are_none_leave_nothing() {
    let world = World::with(|config| config.limits.object_bytes = bytesize::ByteSize::kib(1)).await;
    world.put("/bucket").send().await.expect(200);
    world.put("/bucket/key").body(bytes(1_025)).send().await.expect_error(400, "EntityTooLarge");
    let mut without = world.put("/bucket/key").presigned(Duration::from_secs(60)).body("x").signed();
    without.headers_mut().remove("content-length");
    world.send(without).await.expect_error(411, "MissingContentLength");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_none_leave_nothing() {
    let world = World::with_bucket().await;
    for (key, code) in [
        ("a".repeat(1_025), "KeyTooLongError"),
        ("a/../b".into(), "InvalidArgument"),
        ("..".into(), "InvalidArgument"),
        ("a%00b".into(), "InvalidArgument"),
        ("a%0Db".into(), "InvalidArgument"),
        ("%FF%FE".into(), "InvalidURI"),
    ] {
        for ask in [world.put(&format!("/bucket/{key}")).body("x"), world.get(&format!("/bucket/{key}"))] {
            ask.send().await.expect_error(400, code);
        }
    }
    // No signer escapes a dot: what does is not what was signed.
    world.put("/bucket/a/%2e%2e/b").body("x").send().await.expect_error(403, "SignatureDoesNotMatch");
    world.put(&format!("/bucket/{}", "a".repeat(1_024))).body("x").send().await.expect(200);
    world.delete(&format!("/bucket/{}", "a".repeat(1_024))).send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_none_change_nothing() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    let many: String = (0..1_001).map(|i| format!("<Object><Key>{i}</Key></Object>")).collect();
    for document in [
        "not xml".to_owned(),
        "<Delete>".into(),
        "<Delete></Delete>".into(),
        "<Delete><Object></Object></Delete>".into(),
        format!("<Delete>{many}</Delete>"),
        "<!DOCTYPE x [<!ENTITY a \"key\">]><Delete><Object><Key>&a;</Key></Object></Delete>".into(),
    ] {
        let answer = world.post("/bucket?delete").body(document.clone()).send().await;
        assert_eq!((answer.status.as_u16(), answer.element("Code").as_str()), (400, "MalformedXML"), "{document:.80}");
    }
    world.post("/bucket?delete").send().await.expect_error(400, "MissingRequestBodyError");
    let large = format!("<Delete>{}</Delete>", " ".repeat(3 * 1024 * 1024));
    world.post("/bucket?delete").body(large).send().await.expect_error(400, "MaxMessageLengthExceeded");
    let mut cut = world.post("/bucket?delete").body("<Delete><Object><Key>key</Key></Object></Delete>").signed();
    *cut.body_mut() = pieces(vec![Ok("<Delete><Object><Key>key</Key></Object>".into())]);
    world.send(cut).await.expect_error(400, "IncompleteBody");
    world.put("/other-bucket").body("<Create").send().await.expect_error(400, "MalformedXML");
    world.head("/bucket/key").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_grow_when_they_are_read_are_refused_at_once() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    let id = world.post("/bucket/parts?uploads").send().await.expect(200).element("UploadId");
    let entities: String =
        (1..12).map(|i| format!("<!ENTITY a{i} \"{}\">", format!("&a{};", i - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE x [<!ENTITY a0 \"key\">{entities}]>");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/", listener.local_addr().unwrap());
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    for document in [
        format!("{laughs}<Delete><Object><Key>&a11;</Key></Object></Delete>"),
        format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"{elsewhere}\">]><Delete><Object><Key>&a;</Key></Object></Delete>"),
        format!("<Delete>{deep}</Delete>"),
        deep,
    ] {
        let begun = std::time::Instant::now();
        let answer = world.post("/bucket?delete").body(document.clone()).send().await;
        answer.expect_error(400, "MalformedXML");
        assert!(begun.elapsed() < Duration::from_secs(10), "{document:.60} took {:?}", begun.elapsed());
    }
    // A definition elsewhere is passed over, not looked for.
    let outside = format!("<!DOCTYPE x SYSTEM \"{elsewhere}\"><Delete><Object><Key>none</Key></Object></Delete>");
    world.post("/bucket?delete").body(outside).send().await.expect(200);
    assert!(listener.accept().is_err(), "somebody looked where the document points");
    let part = |number: u32| format!("<Part><PartNumber>{number}</PartNumber><ETag>\"0\"</ETag></Part>");
    let many: String = (1..=10_001).map(part).collect();
    for (parts, code) in [(many, "MalformedXML"), (part(0), "InvalidArgument")] {
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let answer = world.post(&format!("/bucket/parts?uploadId={id}")).body(document).send().await;
        answer.expect_error(400, code);
    }
    world.head("/bucket/key").send().await.expect(200);
    world.head("/bucket/parts").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_above_its_limit_leaves_nothing() {
    let world = World::with_bucket().await;
    let put = world.put("/bucket/key").header("x-amz-meta-a", "x".repeat(2_048)).body("x");
    put.send().await.expect_error(400, "MetadataTooLarge");
    let encoded_nul = world.put("/bucket/key").header("x-amz-meta-a", "=?UTF-8?B?AA==?=").body("x");
    encoded_nul.send().await.expect_error(400, "InvalidArgument");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_none_takes_nothing() {
    let world = World::new().await;
    world.put("/no-bucket/key").body("x").send().await.expect_error(404, "NoSuchBucket");
    world.put("/no-bucket/empty").send().await.expect_error(404, "NoSuchBucket");
    world.post("/no-bucket/key?uploads").send().await.expect_error(404, "NoSuchBucket");
    world.delete("/no-bucket/key").send().await.expect_error(404, "NoSuchBucket");
    world.get("/no-bucket/key").send().await.expect_error(404, "NoSuchBucket");
    world.put("/UPPER/key").body("x").send().await.expect_error(400, "InvalidBucketName");
    world.expect_nothing_left().await;
}
