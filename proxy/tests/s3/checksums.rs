//! Checksums: in headers, in trailers, verified, stored, given back.

use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Ask, Payload, World, bytes};

/// Algorithm, header, and the checksum of "hello".
fn of_hello() -> [(&'static str, &'static str, String); 5] {
    let crc = |algorithm, length: usize| {
        let value = crc_fast::checksum(algorithm, b"hello").to_be_bytes();
        STANDARD.encode(&value[8 - length..])
    };
    let sha = |algorithm| STANDARD.encode(digest::digest(algorithm, b"hello"));
    [
        ("CRC32", "x-amz-checksum-crc32", crc(crc_fast::CrcAlgorithm::Crc32IsoHdlc, 4)),
        ("CRC32C", "x-amz-checksum-crc32c", crc(crc_fast::CrcAlgorithm::Crc32Iscsi, 4)),
        ("CRC64NVME", "x-amz-checksum-crc64nvme", crc(crc_fast::CrcAlgorithm::Crc64Nvme, 8)),
        ("SHA1", "x-amz-checksum-sha1", sha(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
        ("SHA256", "x-amz-checksum-sha256", sha(&digest::SHA256)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checksum_is_verified_stored_and_given_back() {
    let world = World::with_bucket().await;
    for (name, header, value) in of_hello() {
        let put = world.put("/bucket/key").header(header, &value).header("x-amz-sdk-checksum-algorithm", name);
        let put = put.body("hello").send().await.expect(200);
        assert_eq!((put.header(header), put.header("x-amz-checksum-type")), (value.as_str(), "FULL_OBJECT"));
        for ask in [world.get("/bucket/key"), world.head("/bucket/key")] {
            let answer = ask.header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
            assert_eq!((answer.header(header), answer.header("x-amz-checksum-type")), (value.as_str(), "FULL_OBJECT"));
        }
        let range = world.get("/bucket/key").header("x-amz-checksum-mode", "ENABLED").header("range", "bytes=0-1");
        assert!(
            !range.send().await.expect(206).headers.contains_key(header),
            "a checksum of the whole is none of a part"
        );
        world.put("/bucket/wrong").header(header, &value).body("other").send().await.expect_error(400, "BadDigest");
        world.head("/bucket/wrong").send().await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_checksum_we_compute_the_one_that_s3_does() {
    let world = World::with_bucket().await;
    let put = world.put("/bucket/key").body("hello").send().await.expect(200);
    assert_eq!(put.header("x-amz-checksum-crc64nvme"), of_hello()[2].2);
}

fn chunks(body: &[u8], size: usize, trailer: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    out
}

fn trailing<'a>(world: &'a World, key: &str, length: usize, body: Vec<u8>) -> Ask<'a> {
    world
        .put(&format!("/bucket/{key}"))
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .payload(Payload::Precomputed("STREAMING-UNSIGNED-PAYLOAD-TRAILER".into()))
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_checksum_is_verified_stored_and_given_back() {
    let world = World::with_bucket().await;
    let (_, header, value) = &of_hello()[0];
    let put =
        trailing(&world, "key", 5, chunks(b"hello", 2, &format!("{header}:{value}\r\n"))).send().await.expect(200);
    assert_eq!(put.header(header), value);
    let get = world.get("/bucket/key").header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
    assert_eq!((get.text().as_str(), get.header(header)), ("hello", value.as_str()));
    assert!(!get.headers.contains_key("content-encoding"), "aws-chunked is about the transfer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_unsigned_chunk_streams() {
    let world = World::with(|config| config.store.buffer = bytesize::ByteSize::kib(64)).await;
    world.put("/bucket").send().await.expect(200);
    let body = bytes(6_000_000);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &body).to_be_bytes();
    let trailer = format!("x-amz-checksum-crc32:{}\r\n", STANDARD.encode(&crc[4..]));
    trailing(&world, "key", body.len(), chunks(&body, body.len(), &trailer)).send().await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).body, body);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_and_trailers_that_are_wrong_leave_nothing() {
    let world = World::with_bucket().await;
    let (_, header, value) = &of_hello()[0];
    let good = format!("{header}:{value}\r\n");
    let whole = chunks(b"hello", 2, &good);
    for (length, body, code) in [
        (5, chunks(b"hello", 2, &format!("{header}:AAAAAA==\r\n")), "BadDigest"),
        (5, chunks(b"hello", 2, ""), "MalformedTrailerError"),
        (5, chunks(b"hello", 2, &format!("{header}:nonsense\r\n")), "InvalidRequest"),
        (5, chunks(b"hello", 2, &format!("{good}x-amz-meta-a:b\r\n")), "MalformedTrailerError"),
        (5, chunks(b"hello", 2, "x-amz-checksum-sha1:AAAA\r\n"), "MalformedTrailerError"),
        (6, whole.clone(), "IncompleteBody"),
        (4, whole.clone(), "IncompleteBody"),
        (5, whole[..8].to_vec(), "IncompleteBody"),
        (5, b"2\r\nhe\r\n2\r\nll\r\n1\r\no\r\n".to_vec(), "IncompleteBody"),
        (5, b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n".to_vec(), "InvalidRequest"),
        (5, b"hello".to_vec(), "IncompleteBody"),
    ] {
        let answer = trailing(&world, "key", length, body.clone()).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.element("Code").as_str()),
            (400, code),
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
    let without = world
        .put("/bucket/key")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .payload(Payload::Precomputed("STREAMING-UNSIGNED-PAYLOAD-TRAILER".into()))
        .header("x-amz-trailer", header)
        .body(whole);
    without.send().await.expect_error(411, "MissingContentLength");
    world.expect_nothing_left().await;
}

/// A body whose chunks are signed one after the other (AWS, *Signature calculations: multiple chunks*).
fn signed_chunks(request: &http::Request<zas_proxy::gateway::Body>, chunks: &[&[u8]]) -> Vec<u8> {
    let text = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    let mac =
        |key: &[u8], data: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec();
    let date = text("x-amz-date");
    let scope = [&date[..8], "us-east-1", "s3", "aws4_request"];
    let secret = format!("AWS4{}", crate::support::SECRET).into_bytes();
    let key = scope.iter().fold(secret, |key, part| mac(&key, part));
    let mut previous = text("authorization").split("Signature=").nth(1).unwrap().to_owned();
    let mut out = Vec::new();
    for chunk in chunks.iter().copied().chain([&b""[..]]) {
        let hash = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
        let to_sign = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{}\n{previous}\n{}\n{}",
            scope.join("/"),
            hash(b""),
            hash(chunk)
        );
        previous = hex::encode(mac(&key, &to_sign));
        out.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn streaming<'a>(world: &'a World, length: usize) -> Ask<'a> {
    world
        .put("/bucket/key")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .payload(Payload::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".into()))
        .header("x-amz-decoded-content-length", length)
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_chunks_are_stored_and_a_wrong_one_leaves_nothing() {
    let world = World::with_bucket().await;
    let send = async |change: fn(&mut Vec<u8>)| {
        let mut request = streaming(&world, 10).signed();
        let mut body = signed_chunks(&request, &[b"hello", b"world"]);
        change(&mut body);
        *request.body_mut() = crate::support::full(body.into());
        world.send(request).await
    };
    let flip = send(|body| *body.iter_mut().find(|byte| **byte == b'w').unwrap() = b'W').await;
    flip.expect_error(403, "SignatureDoesNotMatch");
    let cut = send(|body| body.truncate(body.len() - 90)).await;
    cut.expect_error(400, "IncompleteBody");
    let forged = send(|body| {
        let at = body.windows(10).position(|window| window == b"signature=").unwrap() + 10;
        body[at] = if body[at] == b'0' { b'1' } else { b'0' };
    });
    forged.await.expect_error(403, "SignatureDoesNotMatch");
    let swapped = send(|body| {
        // Both chunks are as long as each other, signature included.
        let length = body.windows(2).position(|window| window == b"\r\n").unwrap() + 2 + 5 + 2;
        body[..2 * length].rotate_left(length);
    });
    swapped.await.expect_error(403, "SignatureDoesNotMatch");
    world.expect_nothing_left().await;
    send(|_| {}).await.expect(200);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "helloworld");
}

/// The same with a trailer behind it, which is signed as one more chunk (AWS, *Signature calculations: trailing headers*).
fn signed_trailer(request: &http::Request<zas_proxy::gateway::Body>, chunks: &[&[u8]], trailer: &str) -> Vec<u8> {
    let mut body = signed_chunks(request, chunks);
    // The last chunk has no data, so that the trailer stands behind its first line.
    body.truncate(body.len() - 2);
    let text = String::from_utf8(body.clone()).unwrap();
    let previous = text.rsplit("chunk-signature=").next().unwrap().trim_end();
    let date = request.headers()["x-amz-date"].to_str().unwrap();
    let hash = hex::encode(digest::digest(&digest::SHA256, format!("{trailer}\n").as_bytes()));
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let to_sign = format!("AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{previous}\n{hash}");
    let key = generate_signing_key(crate::support::SECRET, SystemTime::now(), "us-east-1", "s3");
    let signature = calculate_signature(key, to_sign.as_bytes());
    body.extend_from_slice(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").as_bytes());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_trailers_are_verified_and_a_wrong_one_leaves_nothing() {
    let world = World::with_bucket().await;
    let (_, header, value) = &of_hello()[0];
    let send = async |trailer: &str, change: &dyn Fn(String) -> String| {
        let kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
        let ask = world.put("/bucket/key").header("x-amz-content-sha256", kind).header("x-amz-trailer", header);
        let ask = ask.payload(Payload::Precomputed(kind.into())).header("x-amz-decoded-content-length", 5);
        let mut request = ask.signed();
        let body = String::from_utf8(signed_trailer(&request, &[b"he", b"llo"], trailer)).unwrap();
        *request.body_mut() = crate::support::full(change(body).into());
        world.send(request).await
    };
    let good = format!("{header}:{value}");
    let other = format!("{header}:AAAAAA==");
    send(&good, &|body| body.replace(&good, &other)).await.expect_error(403, "SignatureDoesNotMatch");
    send(&other, &|body| body).await.expect_error(400, "BadDigest");
    send(&good, &|body| body.replace("llo", "lla")).await.expect_error(403, "SignatureDoesNotMatch");
    let unsigned = |body: String| {
        let (before, _) = body.split_once("x-amz-trailer-signature").unwrap();
        format!("{before}\r\n")
    };
    send(&good, &unsigned).await.expect_error(400, "InvalidRequest");
    let without = |body: String| format!("{}\r\n", body.split_once(header).unwrap().0);
    send(&good, &without).await.expect_error(400, "MalformedTrailerError");
    world.expect_nothing_left().await;
    assert_eq!(send(&good, &|body| body).await.expect(200).header(header), value);
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_differs_from_its_checksum_deletes_nothing() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    let document = "<Delete><Object><Key>key</Key></Object></Delete>";
    let delete = || world.post("/bucket?delete").body(document);
    delete().header("content-md5", STANDARD.encode([0; 16])).send().await.expect_error(400, "BadDigest");
    delete().header("x-amz-checksum-crc32", "AAAAAA==").send().await.expect_error(400, "BadDigest");
    let unsigned = Payload::Precomputed("00".repeat(32));
    let other = delete().header("x-amz-content-sha256", "00".repeat(32)).payload(unsigned).send().await;
    other.expect_error(400, "XAmzContentSHA256Mismatch");
    world.head("/bucket/key").send().await.expect(200);
    delete()
        .header("content-md5", STANDARD.encode(hex::decode(crate::support::md5_hex(document.as_bytes())).unwrap()))
        .send()
        .await
        .expect(200);
    world.head("/bucket/key").send().await.expect(404);
}
