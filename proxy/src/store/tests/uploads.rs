//! Upload sessions that go wrong.

use std::sync::atomic::Ordering;

use super::super::testing::{Answer, Received, Registry};
use super::*;
use crate::store::SessionEnd;

fn registry_of_sessions(request: &Received) -> Answer {
    match request.method.as_str() {
        "POST" => Answer::status(202).header("location", "/v2/x/blobs/uploads/1?_state=1"),
        "PATCH" => Answer::status(202).header("location", "/v2/x/blobs/uploads/1?_state=2"),
        "PUT" => Answer::status(201),
        _ => Answer::status(204),
    }
}

fn chunks() -> ByteStream {
    stream(["ab", "", "cde"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))))
}

#[tokio::test]
async fn a_stream_goes_up_in_one_patch_and_is_finished_where_the_registry_says() {
    let registry = Registry::start(registry_of_sessions).await;
    let mut session = registry.store().start_upload(REPOSITORY).await.unwrap();
    assert_eq!(session.location(), "/v2/x/blobs/uploads/1?_state=1");
    assert_eq!(session.append(chunks()).await.unwrap(), 5);
    assert_eq!(session.location(), "/v2/x/blobs/uploads/1?_state=2");
    let digest = Digest::of(b"abcde");
    session.finish(&digest, 5).await.unwrap();
    let [post, patch, put] = registry.received().try_into().unwrap();
    assert_eq!(post.line(), format!("POST /v2/{REPOSITORY}/blobs/uploads/"));
    assert_eq!(patch.line(), "PATCH /v2/x/blobs/uploads/1?_state=1");
    assert_eq!((patch.header("content-type"), patch.header("content-range")), ("application/octet-stream", ""));
    assert_eq!(patch.body, b"abcde");
    assert_eq!(put.line(), format!("PUT /v2/x/blobs/uploads/1?_state=2&digest={digest}"));
    assert_eq!(put.header("content-length"), "0");
}

#[tokio::test]
async fn a_streams_own_error_reaches_the_caller_and_ends_the_upload() {
    let registry = Registry::start(registry_of_sessions).await;
    let mut session = registry.store().start_upload(REPOSITORY).await.unwrap();
    let begun = registry.begun();
    let failing = futures::stream::unfold(0, move |step| {
        let begun = Arc::clone(&begun);
        async move {
            // Not before the registry has seen the request: what never went out would prove nothing.
            while step == 1 && begun.load(Ordering::SeqCst) < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let item = if step == 0 { Ok(Bytes::from_static(b"ab")) } else { Err(Code::IncompleteBody.into()) };
            Some((item, step + 1))
        }
    });
    log(session.append(Box::pin(failing)).await, Code::IncompleteBody);
    while registry.received().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The registry must not take what came for the whole.
    let patch = &registry.received()[1];
    assert!(patch.broken_off && patch.body == b"ab", "{patch:?}");
}

#[tokio::test]
async fn a_stream_that_stands_still_is_given_up() {
    let registry = Registry::start(registry_of_sessions).await;
    let store = registry.store_with(|config| config.stall_timeout = Duration::from_millis(100));
    let mut session = store.start_upload(REPOSITORY).await.unwrap();
    log(session.append(Box::pin(futures::stream::pending())).await, Code::RequestTimeout);
}

#[tokio::test]
async fn a_refusal_in_mid_stream_ends_the_upload_at_once() {
    let registry = Registry::start_impatient(|request| match request.method.as_str() {
        "POST" => Answer::status(202).header("location", "/v2/x/blobs/uploads/1").header("connection", "close"),
        _ => Answer::status(404).body("BLOB_UPLOAD_UNKNOWN"),
    })
    .await;
    let mut session = registry.store().start_upload(REPOSITORY).await.unwrap();
    let endless = stream(std::iter::repeat_with(|| Ok(Bytes::from_static(&[0; 65536]))));
    let text = log(session.append(endless).await, Code::InternalError);
    assert!(text.contains("BLOB_UPLOAD_UNKNOWN"), "{text}");
}

#[tokio::test]
async fn a_success_in_mid_stream_is_not_believed() {
    let registry = Registry::start_impatient(|_| {
        Answer::status(202).header("location", "/v2/x/blobs/uploads/1").header("connection", "close")
    })
    .await;
    let mut session = registry.store().start_upload(REPOSITORY).await.unwrap();
    let endless = stream(std::iter::repeat_with(|| Ok(Bytes::from_static(&[0; 65536]))));
    log(session.append(endless).await, Code::InternalError);
}

#[tokio::test]
async fn a_stream_is_sent_once_whatever_happens() {
    let registry = Registry::start(|request| match request.method.as_str() {
        "PATCH" => Answer::status(503),
        _ => registry_of_sessions(request),
    })
    .await;
    let mut session = registry.store().start_upload(REPOSITORY).await.unwrap();
    log(session.append(chunks()).await, Code::UpstreamUnavailable);
    assert_eq!(registry.received().len(), 2);
}

#[tokio::test]
async fn an_upload_whose_last_answer_was_lost_is_found_to_be_done() {
    let registry = Registry::start(|request| match (request.method.as_str(), request.before) {
        ("PUT", 1) => Answer::cut(),
        ("PUT", _) => Answer::status(404),
        ("HEAD", _) => Answer::status(200).length(5),
        _ => registry_of_sessions(request),
    })
    .await;
    let session = registry.store().start_upload(REPOSITORY).await.unwrap();
    assert_eq!(session.finish(&Digest::of(b"abcde"), 5).await.unwrap(), SessionEnd::Over);
    assert_eq!(registry.received().last().unwrap().method, "HEAD");
}

#[tokio::test]
async fn a_blob_that_is_there_does_not_prove_that_the_session_is_over() {
    let registry = Registry::start(|request| match request.method.as_str() {
        "PUT" => Answer::status(500),
        "HEAD" => Answer::status(200).length(5),
        _ => registry_of_sessions(request),
    })
    .await;
    let session = registry.store().start_upload(REPOSITORY).await.unwrap();
    assert_eq!(session.finish(&Digest::of(b"abcde"), 5).await.unwrap(), SessionEnd::Unclear);
}

#[tokio::test]
async fn an_upload_that_is_gone_without_its_blob_is_an_error() {
    for head in [Answer::status(404), Answer::status(200).length(4)] {
        let registry = Registry::start(move |request| match request.method.as_str() {
            "PUT" => Answer::status(404).body("BLOB_UPLOAD_UNKNOWN"),
            "HEAD" => head.clone(),
            _ => registry_of_sessions(request),
        })
        .await;
        let session = registry.store().start_upload(REPOSITORY).await.unwrap();
        log(session.finish(&Digest::of(b"abcde"), 5).await, Code::InternalError);
    }
}

#[tokio::test]
async fn a_wrong_digest_is_an_error_that_nothing_hides() {
    let registry = Registry::start(|request| match request.method.as_str() {
        "PUT" => Answer::status(400).body("DIGEST_INVALID"),
        _ => registry_of_sessions(request),
    })
    .await;
    let session = registry.store().start_upload(REPOSITORY).await.unwrap();
    log(session.finish(&Digest::of(b"abcde"), 5).await, Code::InternalError);
}

#[tokio::test]
async fn a_session_that_is_gone_counts_as_cancelled() {
    for status in [204, 202, 404] {
        let registry = Registry::start(move |_| Answer::status(status)).await;
        registry.store().cancel_upload("/v2/x/blobs/uploads/1?_state=1").await.unwrap();
        assert_eq!(registry.lines(), ["DELETE /v2/x/blobs/uploads/1?_state=1"]);
    }
}
