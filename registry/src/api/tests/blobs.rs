use http::{Method, StatusCode};

use crate::{
    body::PIECE_BYTES,
    testing::{Fixture, sha256},
};

#[tokio::test]
async fn a_blob_comes_back_with_its_headers() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"hello").await;
    let got = registry.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!((got.status, &got.body[..]), (StatusCode::OK, &b"hello"[..]));
    assert_eq!(got.header("content-type"), "application/octet-stream");
    assert_eq!(got.header("content-length"), "5");
    assert_eq!(got.header("accept-ranges"), "bytes");
    assert_eq!(got.header("docker-content-digest"), digest.to_string());
    let head = registry.send(Method::HEAD, &format!("/v2/a/blobs/{digest}"), "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "5", 0));
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"").await;
    let got = registry.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!((got.status, got.header("content-length")), (StatusCode::OK, "0"));
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(
        registry.send_with(Method::GET, &path, &[("range", "bytes=0-")], "").await.status,
        StatusCode::RANGE_NOT_SATISFIABLE
    );
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let registry = Fixture::new();
    registry.blob("a", b"x").await;
    let path = |name| format!("/v2/{name}/blobs/{}", sha256(b"missing"));
    assert_eq!(registry.get(&path("a")).await.code(), "BLOB_UNKNOWN");
    assert_eq!(registry.get(&path("b")).await.code(), "NAME_UNKNOWN");
    assert_eq!(registry.get("/v2/a/blobs/sha256:..").await.code(), "DIGEST_INVALID");
    assert_eq!(registry.send(Method::DELETE, &path("a"), "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_range_is_a_part_and_says_which() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let range = async |value: &str| registry.send_with(Method::GET, &path, &[("range", value)], "").await;
    for (value, body, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let got = range(value).await;
        assert_eq!((got.status, &got.body[..]), (StatusCode::PARTIAL_CONTENT, body.as_bytes()), "{value}");
        assert_eq!(got.header("content-range"), content_range);
        assert_eq!(got.header("content-length"), body.len().to_string());
    }
    for value in ["bytes=10-", "bytes=5-2", "bytes=x"] {
        let got = range(value).await;
        assert_eq!(
            (got.status, got.header("content-range")),
            (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */10"),
            "{value}"
        );
    }
    assert_eq!(range("bytes=0-1,3-4").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_conditional_range_is_the_whole() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"0123456789").await;
    let headers = [("range", "bytes=2-4"), ("if-range", "\"etag\"")];
    let got = registry.send_with(Method::GET, &format!("/v2/a/blobs/{digest}"), &headers, "").await;
    assert_eq!((got.status, got.body.len()), (StatusCode::OK, 10));
}

#[tokio::test]
async fn a_large_blob_is_streamed_also_in_part() {
    let registry = Fixture::new();
    let content: Vec<u8> = (0..PIECE_BYTES * 5 + 3).map(|i| (i % 251) as u8).collect();
    let digest = sha256(&content);
    let put = registry.post(&format!("/v2/a/blobs/uploads/?digest={digest}"), content.clone()).await;
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(registry.unfinished(), 0);
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(registry.get(&path).await.body, content);
    let got = registry.send_with(Method::GET, &path, &[("range", "bytes=100-400000")], "").await;
    assert_eq!(got.body, content[100..=400_000]);
}

#[tokio::test]
async fn a_deleted_blob_is_gone_and_can_come_back() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"x").await;
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(registry.send(Method::DELETE, &path, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(registry.get(&path).await.status, StatusCode::NOT_FOUND);
    registry.blob("a", b"x").await;
    assert_eq!(registry.get(&path).await.status, StatusCode::OK);
}
