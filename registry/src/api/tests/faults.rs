use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::{
    Fault, FaultKind, Route,
    testing::{Fixture, sha256},
};

#[tokio::test]
async fn an_injected_status_answers_in_place_of_the_registry() {
    let registry = Fixture::new();
    let faults = registry.registry.faults().clone();
    let injected = faults.inject(Fault::on(Route::UploadStart, FaultKind::Status(503)).times(1));
    let digest = sha256(b"x");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(registry.post(&path, "x").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(registry.post(&path, "x").await.status, StatusCode::CREATED);
    assert_eq!(injected.hits(), 1);
    assert_eq!(faults.requests_with(Route::UploadStart, &Method::POST), 2);
    assert_eq!(faults.requests(Route::Blob), 1);
}

#[tokio::test]
async fn a_delay_delays() {
    let registry = Fixture::new();
    registry.registry.faults().inject(Fault::everywhere(FaultKind::Delay(Duration::from_millis(60))));
    let start = Instant::now();
    assert_eq!(registry.get("/v2/").await.status, StatusCode::OK);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_short_body_agrees_with_its_length() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    for bytes in [4, 0] {
        registry.registry.faults().clear();
        registry.registry.faults().inject(Fault::on(Route::Blob, FaultKind::ShortBody { bytes }));
        let got = registry.get(&path).await;
        assert_eq!((got.status, got.body.len() as u64), (StatusCode::OK, bytes));
        assert_eq!(got.header("content-length"), bytes.to_string());
    }
}

#[tokio::test]
async fn a_wrong_digest_and_a_corrupt_body_are_two_faults() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    registry.registry.faults().inject(Fault::on(Route::Blob, FaultKind::WrongDigest).times(1));
    let got = registry.get(&path).await;
    assert_eq!(got.body, "0123456789");
    assert_ne!(got.header("docker-content-digest"), digest.to_string());
    registry.registry.faults().inject(Fault::on(Route::Blob, FaultKind::CorruptBody).times(1));
    let got = registry.get(&path).await;
    assert_eq!((got.header("docker-content-digest"), got.body.len()), (digest.to_string().as_str(), 10));
    assert_ne!(got.body, "0123456789");
    assert_eq!(registry.get(&path).await.body, "0123456789");
}

#[tokio::test]
async fn a_cut_download_ends_in_an_error_after_its_bytes() {
    let registry = Fixture::new();
    let digest = registry.blob("a", b"0123456789").await;
    registry.registry.faults().inject(Fault::on(Route::Blob, FaultKind::CutConnection { after_bytes: 4 }));
    let request = Request::get(format!("/v2/a/blobs/{digest}")).body(Full::<bytes::Bytes>::default()).unwrap();
    let mut body = registry.registry.call(request).await.into_body();
    let mut got = Vec::new();
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => got.extend_from_slice(frame.data_ref().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!((&got[..], error.kind()), (&b"0123"[..], std::io::ErrorKind::ConnectionAborted));
}

#[tokio::test]
async fn a_cut_upload_commits_nothing() {
    let registry = Fixture::new();
    let digest = sha256(b"0123456789");
    for after_bytes in [0, 4, 10] {
        registry.registry.faults().inject(Fault::on(Route::UploadStart, FaultKind::CutUpload { after_bytes }).times(1));
        registry.post(&format!("/v2/a/blobs/uploads/?digest={digest}"), "0123456789").await;
        assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(registry.unfinished(), 0);
    }
}
