//! Malformed requests: refused and closed, and the upstream counts only the good one.

use tokio::io::AsyncWriteExt;

use super::support::{FakeUpstream, config, read_response};

/// Sends `bytes`, which must be refused, then a good request on another connection; the upstream must see one.
async fn refused(bytes: &str) {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let answer = running.raw(bytes).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
    assert_eq!(answer.lines().filter(|line| line.starts_with("HTTP/1.1")).count(), 1, "{bytes:?}: {answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    let good = running.raw("GET /v2/good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(good.starts_with("HTTP/1.1 201"), "{good}");
    assert_eq!(upstream.requests(), 1, "{bytes:?}");
}

/// A second request that must never be seen.
const SMUGGLED: &str = "GET /v2/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn ambiguous_lengths_are_refused() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
        "X: 1\r\n Content-Length: 5",
    ] {
        refused(&format!("POST /v2/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n{SMUGGLED}")).await;
    }
}

#[tokio::test]
async fn transfer_encoding_in_http_1_0_is_refused() {
    refused(&format!("POST /v2/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}")).await;
}

#[tokio::test]
async fn bare_line_feeds_and_bare_carriage_returns_are_refused() {
    refused(&format!("GET /v2/x HTTP/1.1\nHost: a\n\n{SMUGGLED}")).await;
    refused(&format!("GET /v2/x HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n{SMUGGLED}")).await;
    refused(&format!("GET /v2/x HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n{SMUGGLED}")).await;
}

#[tokio::test]
async fn other_protocols_are_refused() {
    refused(&format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n{SMUGGLED}")).await;
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    refused("\u{16}\u{3}\u{1}\r\n\r\n").await;
    // The first bytes of TLS have no end that a request would have: clients that try it first wait for the answer.
    refused("\u{16}\u{3}\u{1}\u{2}").await;
}

#[tokio::test]
async fn an_offer_of_another_protocol_is_ignored_and_the_upstream_never_sees_it() {
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
        "Upgrade: TLS/1.2, foo",
    ] {
        let (upstream, running) = FakeUpstream::behind(&config()).await;
        let head = format!("PUT /v2/x HTTP/1.1\r\nHost: a\r\n{fields}\r\nContent-Length: 5\r\n\r\nhello");
        let mut client = running.connect().await;
        client.write_all(head.as_bytes()).await.unwrap();
        let answer = read_response(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("upstream read 5"), "{fields}: {answer}");
        let heads = upstream.heads.lock().unwrap();
        assert_eq!(heads.len(), 1, "{fields}");
        assert!(!heads.iter().any(|head| head.contains("upgrade") || head.contains("http2-settings")), "{heads:?}");
    }
}

#[tokio::test]
async fn targets_that_name_another_host_are_refused() {
    refused("GET http://b/v2/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    refused("GET /v2/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    refused("GET /v2/x HTTP/1.1\r\n\r\n").await;
}

#[tokio::test]
async fn an_absolute_target_is_forwarded_as_a_path() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let answer = running.raw("GET http://a/v2/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(upstream.heads.lock().unwrap()[0].starts_with("get /v2/x?y http/1.1\r\n"));
}

#[tokio::test]
async fn a_chunk_extension_or_trailer_without_end_is_refused() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let head = "POST /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = running.raw(format!("{head}5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1024 * 1024))).await;
    assert!(!extension.contains("201"), "{extension}");
    let trailers = "x: 1\r\n".repeat(100_000);
    let trailer = running.raw(format!("{head}5\r\nhello\r\n0\r\n{trailers}\r\n")).await;
    assert!(!trailer.contains("201"), "{trailer}");
    assert!(upstream.bodies.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_pipelined_request_is_never_answered_out_of_turn() {
    let (upstream, running) = FakeUpstream::behind(&config()).await;
    let request = "GET /v2/first HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = running.raw(format!("{request}{SMUGGLED}")).await;
    assert!(answer.matches("HTTP/1.1").count() <= 1, "{answer}");
    assert!(upstream.heads.lock().unwrap().iter().all(|head| head.contains("/v2/first")));
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    refused(&format!("GET /v2/x HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40 * 1024))).await;
    refused(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1024 * 1024))).await;
    let many: String = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect();
    refused(&format!("GET /v2/x HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
}
