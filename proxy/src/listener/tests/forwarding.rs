//! Requests that go to the upstream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Fake, FakeUpstream, config, read_response, run, until};
use crate::config::Config;
use crate::listener::{Ending, Upstream};

fn impatient() -> Config {
    let mut config = config();
    config.store.response_timeout = Duration::from_millis(300);
    config.store.stall_timeout = Duration::from_millis(300);
    config.limits.body_stall_timeout = Duration::from_millis(300);
    config
}

#[tokio::test]
async fn the_upstream_sees_the_planned_request_and_the_client_the_cleaned_answer() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let request = reqwest::Client::new().put(running.url("/v2/a/blobs/uploads/1?digest=x"));
    let response = request
        .header("authorization", "Basic c2VjcmV0")
        .header("connection", "x-private")
        .header("x-private", "1")
        .body(vec![0; 3000])
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert!(!response.headers().contains_key("x-internal") && !response.headers().contains_key("keep-alive"));
    assert!(response.headers().contains_key("x-request-id") && response.headers().contains_key("x-amz-request-id"));
    assert_eq!(response.headers()["location"], "/v2/x");
    assert_eq!(response.text().await.unwrap(), "upstream read 3000");
    let head = upstream.heads.lock().unwrap().first().cloned().unwrap();
    assert!(head.starts_with("put /v2/a/blobs/uploads/1?digest=x http/1.1\r\n"), "{head}");
    assert!(head.contains("content-length: 3000\r\n") && !head.contains("chunked"), "{head}");
    assert!(!head.contains("authorization") && !head.contains("x-private"), "{head}");
    let summary = running.summary().await;
    assert_eq!((summary.label, summary.status, summary.bytes_in), ("oci", 201, 3000));
    let outcome = summary.upstream.unwrap();
    assert_eq!((outcome.status, outcome.failed), (Some(201), false));
    assert!(outcome.latency.is_some());
}

#[tokio::test]
async fn upstream_connections_are_reused() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let client = reqwest::Client::new();
    for _ in 0..5 {
        client.post(running.url("/v2/a")).body("x").send().await.unwrap().bytes().await.unwrap();
    }
    assert_eq!(upstream.requests(), 5);
    assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_large_answer_comes_through_whole() {
    let (_, running) = FakeUpstream::behind(&config()).await;
    let bytes = reqwest::get(running.url("/v2/big")).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.len(), 64 * 1024 * 16);
}

#[tokio::test]
async fn a_chunked_upload_stays_chunked_and_whole() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let stream = futures::stream::iter((0..50).map(|_| Ok::<_, std::io::Error>(vec![0; 10_000])));
    let request = reqwest::Client::new().patch(running.url("/v2/a")).body(reqwest::Body::wrap_stream(stream));
    let text = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "upstream read 500000");
    assert!(upstream.heads.lock().unwrap()[0].contains("transfer-encoding: chunked"));
}

#[tokio::test]
async fn a_client_that_waits_for_continue_hears_it_from_the_upstream() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let mut client = running.connect().await;
    let head = "PUT /v2/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let read = client.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&buffer[..read]));
    client.write_all(b"12345").await.unwrap();
    assert!(read_response(&mut client).await.ends_with("upstream read 5"));
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_body_above_the_limit_never_reaches_the_upstream() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let answer = running.raw("PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("SIZE_INVALID"), "{answer}");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_chunked_body_above_the_limit_breaks_off_at_the_upstream() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let head = "PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = running.raw(format!("{head}{chunk}{chunk}{chunk}0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("SIZE_INVALID"), "{answer}");
    until(|| upstream.requests() == upstream.broken_bodies.load(Ordering::SeqCst)).await;
    assert!(upstream.bodies.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_that_the_client_cuts_is_cut_at_the_upstream() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let before = upstream.broken_bodies.load(Ordering::SeqCst);
        let mut client = running.connect().await;
        client
            .write_all(format!("PUT /v2/a HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nab").as_bytes())
            .await
            .unwrap();
        until(|| upstream.requests() > before).await;
        drop(client);
        until(|| upstream.broken_bodies.load(Ordering::SeqCst) > before).await;
    }
    assert!(upstream.bodies.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_that_stands_still_is_cut_at_both_ends() {
    let (upstream, running) = FakeUpstream::behind(&impatient()).await;
    let answer = running.raw("PUT /v2/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab").await;
    assert!(!answer.contains("201"), "{answer}");
    until(|| upstream.broken_bodies.load(Ordering::SeqCst) == 1).await;
    // Whichever side's patience ends first decides whether there is an answer; it is no success in either case.
    let status = running.summary().await.status;
    assert!(status == 0 || status >= 400, "{status}");
}

#[tokio::test]
async fn an_upstream_that_is_down_is_503_with_a_time_to_come_back() {
    let upstream = Upstream::parse("http://127.0.0.1:1").unwrap();
    let running = run(&config(), Fake { upstream: Some(upstream.into()), ..Fake::default() });
    let response = reqwest::get(running.url("/v2/a")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.headers().contains_key("x-request-id"));
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["code"], "TOOMANYREQUESTS");
    let summary = running.summary().await;
    assert_eq!((summary.status, summary.ending), (503, Ending::Complete));
    assert!(summary.upstream.unwrap().failed);
}

#[tokio::test]
async fn an_upstream_that_hangs_is_503_in_bounded_time() {
    let (upstream, running) = FakeUpstream::behind(&impatient()).await;
    let response = reqwest::get(running.url("/v2/hang")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(upstream.requests(), 1, "it is not asked twice");
}

#[tokio::test]
async fn a_body_is_never_sent_twice() {
    let (upstream, running) = FakeUpstream::behind(&impatient()).await;
    let client = reqwest::Client::new();
    client.put(running.url("/v2/a")).body("x").send().await.unwrap().bytes().await.unwrap();
    let mut config_wait = client.put(running.url("/v2/hang"));
    config_wait = config_wait.body("x");
    // The pooled connection makes this a reused one, which pingora would retry.
    let response = tokio::time::timeout(super::support::PATIENCE, config_wait.send()).await.unwrap().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let (_, running) = FakeUpstream::behind(&config()).await;
    let read = async { reqwest::get(running.url("/v2/cut")).await?.bytes().await };
    assert!(read.await.is_err());
    let summary = running.summary().await;
    assert_eq!(summary.ending, Ending::Cut);
    assert!(summary.upstream.unwrap().failed);
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_passed_on() {
    let (_, running) = FakeUpstream::behind(&config()).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = client.get(running.url("/v2/elsewhere")).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("location"));
}

#[tokio::test]
async fn an_early_answer_of_the_upstream_reaches_a_client_that_is_still_sending() {
    let (_, running) = FakeUpstream::behind(&config()).await;
    let (mut reader, mut writer) = running.connect().await.into_split();
    writer.write_all(b"PUT /v2/early HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n").await.unwrap();
    let sending = tokio::spawn(async move {
        let _ = writer.write_all(&vec![0; 2_000_000]).await;
        writer
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    drop(sending.await);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_forward() {
    let (_, running) = FakeUpstream::behind(&config()).await;
    let mut client = running.connect().await;
    client.write_all(b"GET /v2/hang HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(|| !running.gateway.requests.lock().unwrap().is_empty()).await;
    drop(client);
    assert_eq!(running.summary().await.ending, Ending::ClientGone);
}
