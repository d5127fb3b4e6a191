//! The server over a real socket: what hyper and the registry do together.

use std::time::Duration;

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::{
    Fault, FaultKind, Options, Route,
    testing::{Fixture, sha256},
};

/// Long enough for the slowest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    fixture: Fixture,
    server: Server,
    url: String,
}

async fn running(options: Options) -> Running {
    let fixture = Fixture::with(options);
    let server = Server::start(fixture.registry.clone(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    let url = format!("http://{}", server.local_addr());
    Running { fixture, server, url }
}

impl Running {
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn post(&self, content: &'static [u8]) -> Result<reqwest::Response, reqwest::Error> {
        let url = format!("{}/v2/a/blobs/uploads/?digest={}", self.url, sha256(content));
        reqwest::Client::new().post(url).body(content).send().await
    }
}

#[tokio::test]
async fn blobs_go_in_and_come_out() {
    let running = running(Options::default()).await;
    assert_eq!(running.post(b"hello").await.unwrap().status(), StatusCode::CREATED);
    let url = format!("{}/v2/a/blobs/{}", running.url, sha256(b"hello"));
    assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), "hello");
    running.server.shutdown().await;
    assert!(reqwest::get(&url).await.is_err());
}

#[tokio::test]
async fn the_folder_is_free_after_a_shutdown() {
    let Running { fixture, server, .. } = running(Options::default()).await;
    server.shutdown().await;
    drop(fixture.reopened());
}

#[tokio::test]
async fn a_shutdown_lets_a_request_in_flight_finish() {
    let running = running(Options { shutdown_grace: PATIENCE, ..Options::default() }).await;
    let faults = running.fixture.registry.faults().clone();
    faults.inject(Fault::everywhere(FaultKind::Delay(Duration::from_millis(300))));
    let request = tokio::spawn(reqwest::get(format!("{}/v2/", running.url)));
    while faults.total_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    timeout(PATIENCE, running.server.shutdown()).await.unwrap();
    assert_eq!(request.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let running = running(Options { shutdown_grace: Duration::from_millis(50), ..Options::default() }).await;
    let faults = running.fixture.registry.faults().clone();
    faults.inject(Fault::everywhere(FaultKind::Delay(Duration::from_secs(3600))));
    let request = tokio::spawn(reqwest::get(format!("{}/v2/", running.url)));
    while faults.total_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    timeout(PATIENCE, running.server.shutdown()).await.unwrap();
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn a_cut_before_the_answer_hides_a_write_that_happened() {
    let running = running(Options::default()).await;
    running
        .fixture
        .registry
        .faults()
        .inject(Fault::on(Route::UploadStart, FaultKind::CutConnection { after_bytes: 0 }));
    assert!(running.post(b"hello").await.is_err());
    let got = running.fixture.get(&format!("/v2/a/blobs/{}", sha256(b"hello"))).await;
    assert_eq!(got.body, "hello");
}

#[tokio::test]
async fn a_cut_upload_hides_one_that_did_not() {
    let running = running(Options::default()).await;
    running.fixture.registry.faults().inject(Fault::on(Route::UploadStart, FaultKind::CutUpload { after_bytes: 2 }));
    assert!(running.post(b"hello").await.is_err());
    let got = running.fixture.get(&format!("/v2/a/blobs/{}", sha256(b"hello"))).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_cut_download_sends_the_bytes_before_the_cut() {
    let running = running(Options::default()).await;
    let digest = running.fixture.blob("a", b"0123456789").await;
    running.fixture.registry.faults().inject(Fault::on(Route::Blob, FaultKind::CutConnection { after_bytes: 4 }));
    let answer = running.raw(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    assert!(answer.contains("content-length: 10\r\n") && answer.ends_with("\r\n\r\n0123"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_to_an_end_is_given_up() {
    let running = running(Options { header_read_timeout: Duration::from_millis(50), ..Options::default() }).await;
    let answer = running.raw("GET /v2/ HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_and_the_connection_closed() {
    let running = running(Options { body_idle_timeout: Duration::from_millis(50), ..Options::default() }).await;
    let digest = sha256(b"hello");
    let head = format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe");
    let answer = running.raw(&head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_leaves_nothing_visible() {
    let running = running(Options::default()).await;
    let digest = sha256(b"hello");
    let head = format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe");
    let mut stream = TcpStream::connect(running.server.local_addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    running.server.shutdown().await;
    assert_eq!(running.fixture.get(&format!("/v2/a/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(running.fixture.unfinished(), 0);
}

#[tokio::test]
async fn an_error_is_answered_before_a_client_that_asks_first_sends_its_body() {
    let running = running(Options::default()).await;
    let head = "PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000000\r\n\r\n";
    let answer = running.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_head_of_any_length_is_not_taken() {
    let running = running(Options::default()).await;
    let answer = running.raw(&format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx-long: {}", "x".repeat(BUFFER_BYTES))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let running = running(Options::default()).await;
    let address = running.server.local_addr();
    let error = Server::start(running.fixture.registry.clone(), address).await.err().unwrap();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
