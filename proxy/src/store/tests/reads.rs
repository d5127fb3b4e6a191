//! Reading blobs from registries that send something else.

use super::super::testing::{Answer, Registry};
use super::*;

const BLOB: &[u8] = b"0123456789";

fn digest() -> Digest {
    Digest::of(BLOB)
}

/// What a read of `range` gives when the registry answers so.
async fn read(answer: Answer, range: std::ops::Range<u64>) -> Result<Vec<u8>> {
    let registry = Registry::start(move |_| answer.clone()).await;
    let store = registry.store_with(|config| {
        config.stall_timeout = Duration::from_millis(200);
        config.retry.max_attempts = 1;
    });
    all(store.get_blob(REPOSITORY, &digest(), 10, range).await?).await
}

fn part(range: &str, body: &[u8]) -> Answer {
    Answer::status(206).header("content-range", range).body(body)
}

#[tokio::test]
async fn a_whole_blob_is_read_without_a_range() {
    let registry = Registry::start(|_| Answer::status(200).body(BLOB)).await;
    let stream = registry.store().get_blob(REPOSITORY, &digest(), 10, 0..10).await.unwrap();
    assert_eq!(all(stream).await.unwrap(), BLOB);
    let request = &registry.received()[0];
    assert_eq!((request.line(), request.header("range")), (format!("GET /v2/{REPOSITORY}/blobs/{}", digest()), ""));
}

#[tokio::test]
async fn a_blob_without_a_declared_length_is_read_too() {
    assert_eq!(read(Answer::status(200).body(BLOB).chunked(), 0..10).await.unwrap(), BLOB);
    let longer = [BLOB, b"x"].concat();
    log(read(Answer::status(200).body(longer).chunked(), 0..10).await, Code::InternalError);
    log(read(Answer::status(200).body(b"short").chunked(), 0..10).await, Code::UpstreamUnavailable);
}

#[tokio::test]
async fn a_range_is_asked_for_in_one_spelling() {
    let registry = Registry::start(|_| part("bytes 2-4/10", b"234")).await;
    let stream = registry.store().get_blob(REPOSITORY, &digest(), 10, 2..5).await.unwrap();
    assert_eq!(all(stream).await.unwrap(), b"234");
    assert_eq!(registry.received()[0].header("range"), "bytes=2-4");
}

#[tokio::test]
async fn an_empty_range_asks_nothing() {
    let registry = Registry::start(|_| Answer::status(500)).await;
    let stream = registry.store().get_blob(REPOSITORY, &digest(), 10, 3..3).await.unwrap();
    assert_eq!(all(stream).await.unwrap(), b"");
    assert!(registry.received().is_empty());
}

#[tokio::test]
async fn a_range_that_the_blob_does_not_have_is_our_own_fault() {
    for (from, to) in [(0, 11), (5, 4), (11, 12)] {
        log(read(Answer::status(200).body(BLOB), from..to).await, Code::InternalError);
    }
}

#[tokio::test]
async fn a_registry_without_ranges_is_read_up_to_the_range() {
    assert_eq!(read(Answer::status(200).body(BLOB), 3..7).await.unwrap(), b"3456");
    assert_eq!(read(Answer::status(200).body(BLOB), 9..10).await.unwrap(), b"9");
}

#[tokio::test]
async fn other_bytes_than_those_asked_for_are_refused() {
    for range in ["bytes 0-2/10", "bytes 2-4/11", "bytes 2-5/10", "2-4/10", ""] {
        log(read(part(range, b"234"), 2..5).await, Code::InternalError);
    }
    log(read(part("bytes 2-4/10", b"23456"), 2..5).await, Code::InternalError);
}

#[tokio::test]
async fn a_blob_that_ends_early_is_never_a_success() {
    // Cut, so that the declared length is missed; ended early with a length that agrees; a cut part.
    log(read(Answer::status(200).body(b"01234").length(10).then_close(), 0..10).await, Code::UpstreamUnavailable);
    log(read(Answer::status(200).body(b"01234"), 0..10).await, Code::InternalError);
    let cut = Answer::status(206).header("content-range", "bytes 2-4/10").body(b"2").length(3).then_close();
    log(read(cut, 2..5).await, Code::UpstreamUnavailable);
}

#[tokio::test]
async fn a_blob_that_stands_still_ends_with_an_error() {
    let answer = Answer::status(200).body(b"01234").length(10).then_hang();
    log(read(answer, 0..10).await, Code::UpstreamUnavailable);
}

#[tokio::test]
async fn wrong_bytes_never_end_as_a_success() {
    let text = log(read(Answer::status(200).body(b"012345678X"), 0..10).await, Code::InternalError);
    assert!(text.contains(&digest().to_string()), "{text}");
}

#[tokio::test]
async fn bytes_above_the_limit_for_checks_are_passed_on_as_they_come() {
    let registry = Registry::start(|_| Answer::status(200).body(b"012345678X")).await;
    let store = registry.store_with(|config| config.verify_reads = bytesize::ByteSize::b(9));
    let stream = store.get_blob(REPOSITORY, &digest(), 10, 0..10).await.unwrap();
    assert_eq!(all(stream).await.unwrap(), b"012345678X");
}

#[tokio::test]
async fn an_answer_about_another_blob_is_refused() {
    let answer = Answer::status(200).header("docker-content-digest", Digest::of(b"other")).body(BLOB);
    log(read(answer, 0..10).await, Code::InternalError);
}

#[tokio::test]
async fn a_blob_that_is_not_there_and_a_redirect_are_told_apart() {
    log(read(Answer::status(404), 0..10).await, Code::BlobUnknown);
    log(read(Answer::status(307).header("location", "http://elsewhere/"), 0..10).await, Code::InternalError);
    log(read(Answer::status(416), 2..5).await, Code::InternalError);
}

#[tokio::test]
async fn blobs_that_break_off_open_the_breaker() {
    let registry = Registry::start(|_| Answer::status(200).body(b"01234").length(10).then_close()).await;
    let store = registry.store_with(|config| config.breaker.failure_threshold = 1);
    let stream = store.get_blob(REPOSITORY, &digest(), 10, 0..10).await.unwrap();
    log(all(stream).await, Code::UpstreamUnavailable);
    let text = log(store.head_blob(REPOSITORY, &digest()).await, Code::UpstreamUnavailable);
    assert!(text.contains("breaker is open"), "{text}");
}
