use std::time::Duration;

use http::{Method, StatusCode};

use crate::{
    Algorithm, Digest, Options,
    body::PIECE_BYTES,
    testing::{Fixture, Got, sha256},
};

async fn patch(registry: &Fixture, location: &str, range: &str, body: &'static str) -> Got {
    registry.send_with(Method::PATCH, location, &[("content-range", range)], body).await
}

async fn finish(registry: &Fixture, location: &str, content: &[u8], body: &'static str) -> Got {
    registry.send(Method::PUT, &format!("{location}?digest={}", sha256(content)), body).await
}

#[tokio::test]
async fn a_blob_with_a_wrong_digest_is_refused_and_leaves_nothing() {
    let registry = Fixture::new();
    let wrong = sha256(b"other");
    for body in [b"small".to_vec(), vec![7; PIECE_BYTES as usize * 3]] {
        let got = registry.post(&format!("/v2/a/blobs/uploads/?digest={wrong}"), body).await;
        assert_eq!((got.status, got.code().as_str()), (StatusCode::BAD_REQUEST, "DIGEST_INVALID"));
        assert_eq!(registry.unfinished(), 0);
    }
    assert_eq!(registry.get(&format!("/v2/a/blobs/{wrong}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_takes_chunks_and_a_last_one() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    let first = patch(&registry, &location, "0-2", "abc").await;
    assert_eq!((first.status, first.header("range")), (StatusCode::ACCEPTED, "0-2"));
    let second = patch(&registry, first.header("location"), "3-4", "de").await;
    assert_eq!(second.header("range"), "0-4");
    let done = finish(&registry, &location, b"abcdef", "f").await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(registry.get(done.header("location")).await.body, "abcdef");
    assert_eq!(registry.unfinished(), 0);
    assert_eq!(finish(&registry, &location, b"abcdef", "").await.code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_status_says_where_to_go_on() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    assert_eq!(registry.get(&location).await.header("range"), "0-0");
    patch(&registry, &location, "0-2", "abc").await;
    for (method, range) in [(Method::PATCH, "5-6"), (Method::PATCH, "0-1"), (Method::PUT, "4-5")] {
        let target = format!("{location}?digest={}", sha256(b"abcde"));
        let got = registry.send_with(method, &target, &[("content-range", range)], "xx").await;
        assert_eq!((got.status, got.header("range")), (StatusCode::RANGE_NOT_SATISFIABLE, "0-2"), "{range}");
        assert_eq!(got.header("location"), location);
    }
    let status = registry.get(&location).await;
    assert_eq!((status.status, status.header("range")), (StatusCode::NO_CONTENT, "0-2"));
    assert_eq!(finish(&registry, &location, b"abcde", "de").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_chunk_that_is_not_as_long_as_it_says_is_not_kept() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    patch(&registry, &location, "0-2", "abc").await;
    assert_eq!(patch(&registry, &location, "3-9", "de").await.code(), "SIZE_INVALID");
    let headers = [("content-range", "3-4"), ("content-length", "3")];
    assert_eq!(registry.send_with(Method::PATCH, &location, &headers, "def").await.code(), "SIZE_INVALID");
    let long = vec![1; PIECE_BYTES as usize * 3];
    assert_eq!(
        registry.send_with(Method::PATCH, &location, &[("content-range", "3-9")], long).await.code(),
        "SIZE_INVALID"
    );
    assert_eq!(registry.get(&location).await.header("range"), "0-2");
    assert_eq!(finish(&registry, &location, b"abcde", "de").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_content_range_of_another_form_is_refused() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    for range in ["bytes 0-2/3", "2-0", "x"] {
        assert_eq!(patch(&registry, &location, range, "abc").await.code(), "BLOB_UPLOAD_INVALID", "{range}");
    }
}

#[tokio::test]
async fn a_wrong_digest_at_the_end_ends_the_session() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    patch(&registry, &location, "0-2", "abc").await;
    assert_eq!(finish(&registry, &location, b"abx", "").await.code(), "DIGEST_INVALID");
    assert_eq!(registry.get(&location).await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(registry.unfinished(), 0);
}

#[tokio::test]
async fn a_missing_or_unknown_digest_leaves_the_session_open() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    for query in ["", "?digest=", "?digest=md5:00"] {
        assert_eq!(registry.send(Method::PUT, &format!("{location}{query}"), "abc").await.code(), "DIGEST_INVALID");
    }
    assert_eq!(finish(&registry, &location, b"abc", "abc").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_cancelled_session_is_gone_with_its_bytes() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    patch(&registry, &location, "0-2", "abc").await;
    assert_eq!(registry.send(Method::DELETE, &location, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(registry.send(Method::DELETE, &location, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(registry.unfinished(), 0);
}

#[tokio::test]
async fn a_session_is_not_another_repositorys() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(finish(&registry, &elsewhere, b"x", "x").await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(finish(&registry, &location, b"x", "x").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_session_goes_on_after_a_restart() {
    let registry = Fixture::new();
    let location = registry.session("a").await;
    patch(&registry, &location, "0-2", "abc").await;
    let registry = registry.reopened();
    assert_eq!(registry.get(&location).await.header("range"), "0-2");
    assert_eq!(patch(&registry, &location, "3-3", "d").await.status, StatusCode::ACCEPTED);
    assert_eq!(finish(&registry, &location, b"abcd", "").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn sha512_is_taken_with_and_without_announcement() {
    let registry = Fixture::new();
    let digest = Digest::of(Algorithm::Sha512, b"abc");
    for query in ["", "?digest-algorithm=sha512"] {
        let location = registry.post(&format!("/v2/a/blobs/uploads/{query}"), "").await.header("location").to_owned();
        patch(&registry, &location, "0-1", "ab").await;
        let got = registry.send(Method::PUT, &format!("{location}?digest={digest}"), "c").await;
        assert_eq!(got.status, StatusCode::CREATED);
    }
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).await.body, "abc");
    assert_eq!(registry.post("/v2/a/blobs/uploads/?digest-algorithm=md5", "").await.code(), "DIGEST_INVALID");
}

#[tokio::test]
async fn a_mount_takes_the_blob_over_or_begins_an_upload() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"shared").await;
    let mount = async |query: String| registry.post(&format!("/v2/b/blobs/uploads/?{query}"), "").await;
    let missing = mount(format!("mount={}&from=a", sha256(b"missing"))).await;
    assert_eq!(missing.status, StatusCode::ACCEPTED);
    assert_eq!(mount(format!("mount={digest}&from=c")).await.status, StatusCode::ACCEPTED);
    let mounted = mount(format!("mount={digest}&from=a")).await;
    assert_eq!(
        (mounted.status, mounted.header("location")),
        (StatusCode::CREATED, format!("/v2/b/blobs/{digest}").as_str())
    );
    registry.send(Method::DELETE, &format!("/v2/a/blobs/{digest}"), "").await;
    assert_eq!(registry.get(mounted.header("location")).await.body, "shared");
}

#[tokio::test]
async fn a_mount_without_a_source_looks_everywhere_only_where_that_is_allowed() {
    for (mount_from_anywhere, status) in [(true, StatusCode::CREATED), (false, StatusCode::ACCEPTED)] {
        let registry = Fixture::with(Options { mount_from_anywhere, ..Options::default() });
        let digest = registry.blob("a", b"shared").await;
        let got = registry.post(&format!("/v2/b/blobs/uploads/?mount={digest}"), "").await;
        assert_eq!(got.status, status);
    }
}

#[tokio::test]
async fn limits_are_kept() {
    let registry = Fixture::with(Options { max_blob_bytes: 4, max_upload_sessions: 1, ..Options::default() });
    let got = registry.post(&format!("/v2/a/blobs/uploads/?digest={}", sha256(b"12345")), "12345").await;
    assert_eq!((got.status, got.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"));
    let location = registry.session("a").await;
    patch(&registry, &location, "0-2", "abc").await;
    assert_eq!(finish(&registry, &location, b"abcde", "de").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let refused = registry.post("/v2/a/blobs/uploads/", "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(refused.code(), "TOOMANYREQUESTS");
}

#[tokio::test]
async fn no_more_uploads_run_at_once_than_allowed() {
    let registry = Fixture::with(Options { max_concurrent_uploads: 0, ..Options::default() });
    let got = registry.post(&format!("/v2/a/blobs/uploads/?digest={}", sha256(b"x")), "x").await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn abandoned_sessions_are_removed() {
    let registry = Fixture::with(Options { upload_expiry: Duration::ZERO, ..Options::default() });
    let location = registry.session("a").await;
    assert_eq!(registry.registry.expire_uploads().unwrap(), 1);
    assert_eq!(registry.get(&location).await.status, StatusCode::NOT_FOUND);
    assert_eq!(registry.unfinished(), 0);
}

#[tokio::test]
async fn the_same_blob_from_many_clients_at_once_is_stored_once() {
    let registry = Fixture::new();
    let uploads: Vec<_> = (0..16).map(|_| registry.blob("a", b"popular")).collect();
    let digests = futures::future::join_all(uploads).await;
    assert!(digests.iter().all(|digest| *digest == sha256(b"popular")));
    assert_eq!(registry.unfinished(), 0);
}
