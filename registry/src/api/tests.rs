//! The operations, driven as requests without a socket.

mod blobs;
mod faults;
mod listing;
mod manifests;
mod uploads;

use http::{Method, StatusCode};

use crate::{Options, testing::Fixture};

#[tokio::test]
async fn the_base_says_which_api_it_is() {
    let got = Fixture::new().get("/v2/").await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.header("docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn another_method_is_refused_with_those_that_are_allowed() {
    let registry = Fixture::new();
    for (path, allowed) in [("/v2/", "GET, HEAD"), ("/v2/_catalog", "GET"), ("/v2/a/blobs/uploads/", "POST")] {
        let got = registry.send(Method::PATCH, path, "").await;
        assert_eq!((got.status, got.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allowed), "{path}");
        assert_eq!(got.code(), "UNSUPPORTED");
    }
}

#[tokio::test]
async fn paths_that_are_ambiguous_or_unknown_reach_nothing() {
    let registry = Fixture::new();
    for path in
        ["/", "/v2/a", "/v2/../etc/passwd", "/v2/a/..%2f..%2fb/tags/list", "/v2//a/tags/list", "/v2/a/blobs/uploads"]
    {
        let got = registry.get(path).await;
        assert!(got.status.is_client_error(), "{path}: {got:?}");
        assert!(!got.code().is_empty());
    }
    let got = registry.post("/v2/%2e%2e/x/blobs/uploads/", "").await;
    assert_eq!((got.status, got.code().as_str()), (StatusCode::BAD_REQUEST, "NAME_INVALID"));
    assert_eq!(registry.unfinished(), 0);
}

#[tokio::test]
async fn a_query_that_is_not_utf8_is_refused() {
    assert_eq!(Fixture::new().get("/v2/_catalog?last=%ff").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let registry = Fixture::with(Options { require_referenced_blobs: false, ..Options::default() });
    let digest = registry.blob("a/b", b"content").await;
    let put = manifests::put_image(&registry, "a/b", "v1", "{}").await;
    let registry = registry.reopened();
    assert_eq!(registry.get(&format!("/v2/a/b/blobs/{digest}")).await.body, "content");
    assert_eq!(registry.get("/v2/a/b/manifests/v1").await.header("docker-content-digest"), put.to_string());
    assert_eq!(registry.get("/v2/_catalog").await.json()["repositories"], serde_json::json!(["a/b"]));
}
