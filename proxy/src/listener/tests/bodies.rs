//! The bridge: bodies in, bodies out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Fake, PATIENCE, config, read_response, read_to_close, run, run_default, until};
use crate::listener::{BodyError, Ending};

#[tokio::test]
async fn a_request_is_served_with_its_context_and_both_request_ids() {
    let running = run_default();
    let response = reqwest::get(running.url("/now")).await.unwrap();
    let id = response.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["x-request-id"], id.as_str());
    assert_eq!(response.text().await.unwrap(), "now");
    let context = running.gateway.contexts.lock().unwrap().first().cloned().unwrap();
    assert_eq!(context.request_id.as_str(), id);
    assert!(!context.secure);
    assert!(context.peer.unwrap().ip().is_loopback());
    let summary = running.summary().await;
    assert_eq!((summary.label, summary.status, summary.bytes_out), ("now", 200, 3));
    assert_eq!((summary.request_id.as_str(), summary.ending), (id.as_str(), Ending::Complete));
}

#[tokio::test]
async fn a_get_without_a_body_gets_an_empty_one() {
    let running = run_default();
    let text = reqwest::get(running.url("/count")).await.unwrap().text().await.unwrap();
    assert_eq!(text, "0 of Some(0)");
}

#[tokio::test]
async fn a_declared_length_is_known_and_a_chunked_one_is_not() {
    let running = run_default();
    let client = reqwest::Client::new();
    let text = client.put(running.url("/count")).body(vec![0; 100_000]).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "100000 of Some(100000)");
    let stream = futures::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![0; 10_000])));
    let body = reqwest::Body::wrap_stream(stream);
    let text = client.put(running.url("/count")).body(body).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "100000 of None");
}

#[tokio::test]
async fn a_body_is_echoed_while_it_is_still_being_sent() {
    let running = run_default();
    let mut client = running.connect().await;
    client
        .write_all(b"PUT /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n12345")
        .await
        .unwrap();
    let mut seen = String::new();
    while !seen.ends_with("12345") {
        let mut buffer = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, client.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    client.write_all(b"67890").await.unwrap();
    let rest = read_to_close(&mut client).await;
    assert_eq!(rest, "67890");
}

#[tokio::test]
async fn one_hundred_megabytes_pass_in_both_directions() {
    let running = run_default();
    let body = vec![7; 100 * 1024 * 1024];
    let response = reqwest::Client::new().put(running.url("/echo")).body(body).send().await.unwrap();
    let bytes = response.bytes().await.unwrap();
    assert_eq!(bytes.len(), 100 * 1024 * 1024);
    assert!(bytes.iter().all(|byte| *byte == 7));
    until(|| running.gateway.summary().is_some()).await;
    let summary = running.summary().await;
    assert_eq!((summary.bytes_in, summary.bytes_out), (104_857_600, 104_857_600));
}

#[tokio::test]
async fn a_response_without_a_length_is_chunked_and_one_with_it_is_not() {
    let running = run_default();
    let response = reqwest::get(running.url("/chunks?3")).await.unwrap();
    assert_eq!(response.headers()["transfer-encoding"], "chunked");
    assert_eq!(response.bytes().await.unwrap().len(), 3 * 64 * 1024);
    let response = reqwest::get(running.url("/known?3")).await.unwrap();
    assert_eq!(response.headers()["content-length"], "196608");
    assert_eq!(response.bytes().await.unwrap().len(), 3 * 64 * 1024);
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_body_that_ends_with_the_connection() {
    let running = run_default();
    let answer = running.raw("GET /chunks?1 HTTP/1.0\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
    assert_eq!(body.len(), 64 * 1024);
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let running = run_default();
    let mut client = running.connect().await;
    let head = "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\nHEAD /head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (first, second) = head.split_at(head.len() / 2 - 9);
    client.write_all(first.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let read = client.read(&mut buffer).await.unwrap();
    let answer = String::from_utf8_lossy(&buffer[..read]).to_ascii_lowercase();
    assert!(answer.contains("content-length: 12345") && answer.ends_with("\r\n\r\n"), "{answer}");
    client.write_all(second.as_bytes()).await.unwrap();
    let answer = read_to_close(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn no_content_and_not_modified_have_no_body_and_keep_the_connection() {
    let running = run_default();
    let client = reqwest::Client::builder().pool_max_idle_per_host(1).build().unwrap();
    for (path, status) in [("/empty", 204), ("/not-modified", 304), ("/now", 200)] {
        let response = client.get(running.url(path)).send().await.unwrap();
        assert_eq!(response.status(), status);
        response.bytes().await.unwrap();
    }
    let peers: std::collections::HashSet<_> =
        running.gateway.contexts.lock().unwrap().iter().map(|context| context.peer).collect();
    assert_eq!(peers.len(), 1, "the connection was reused");
}

#[tokio::test]
async fn a_client_is_told_to_continue_when_the_service_reads_its_body() {
    let running = run_default();
    let mut client = running.connect().await;
    let head = "PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let read = tokio::time::timeout(PATIENCE, client.read(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer[..read], b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"12345").await.unwrap();
    let answer = read_response(&mut client).await;
    assert!(answer.ends_with("5 of Some(5)"), "{answer}");
}

#[tokio::test]
async fn a_client_that_is_refused_is_never_told_to_continue() {
    let running = run_default();
    let answer = running
        .raw("PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn an_early_refusal_of_a_large_upload_is_read_by_the_client() {
    let running = run_default();
    let client = running.connect().await;
    let (mut reader, mut writer) = client.into_split();
    writer.write_all(b"PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n").await.unwrap();
    let sent = tokio::spawn(async move {
        let chunk = vec![0; 64 * 1024];
        for _ in 0..50_000_000 / chunk.len() {
            if writer.write_all(&chunk).await.is_err() {
                break;
            }
        }
        writer
    });
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, reader.read_to_end(&mut answer)).await.unwrap().expect("no reset");
    assert!(answer.starts_with(b"HTTP/1.1 403") && answer.ends_with(b"refused"));
    drop(sent.await);
}

#[tokio::test]
async fn a_small_body_that_nobody_read_does_not_cost_the_connection() {
    let running = run_default();
    let mut client = running.connect().await;
    client.write_all(b"PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await.unwrap();
    let answer = read_response(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    client.write_all(b"12345").await.unwrap();
    client.write_all(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = read_response(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("now"), "{answer}");
}

#[tokio::test]
async fn a_declared_length_above_the_limit_is_refused_before_it_is_read() {
    let running = run_default();
    let answer = running.raw("PUT /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>EntityTooLarge</Code>"), "{answer}");
    assert_eq!(running.summary().await.bytes_in, 0);
}

#[tokio::test]
async fn a_chunked_body_is_cut_at_the_limit() {
    let running = run_default();
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let request =
        format!("PUT /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n");
    let answer = running.raw(request).await;
    assert!(answer.ends_with("TooLarge { limit: 1000 }"), "{answer}");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let running = run_default();
    let response = reqwest::Client::new().put(running.url("/small")).body(vec![0; 1000]).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "1000 of Some(1000)");
}

#[tokio::test]
async fn a_truncated_body_never_ends_cleanly() {
    let running = run_default();
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        *running.gateway.body_error.lock().unwrap() = None;
        let mut client = running.connect().await;
        client.write_all(format!("PUT /count HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n5\r\nab").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        until(|| running.gateway.body_error.lock().unwrap().is_some()).await;
        let error = running.gateway.body_error.lock().unwrap().unwrap();
        assert_eq!(error, BodyError::Truncated, "{head}");
        // The client has ended its side only: it reads the answer.
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("Truncated"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn malformed_chunks_are_an_error_of_their_own() {
    let running = run_default();
    let answer = running.raw("PUT /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab\r\n").await;
    assert!(answer.ends_with("Malformed"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_service() {
    let running = run_default();
    for request in [
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /read-and-wait HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
    ] {
        running.gateway.dropped.store(false, Ordering::SeqCst);
        let before = running.gateway.waiting.load(Ordering::SeqCst);
        let reported = running.gateway.summaries.lock().unwrap().len();
        let mut client = running.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        until(|| running.gateway.waiting.load(Ordering::SeqCst) > before).await;
        drop(client);
        until(|| running.gateway.dropped.load(Ordering::SeqCst)).await;
        until(|| running.gateway.summaries.lock().unwrap().len() > reported).await;
        let summary = running.summary().await;
        assert_eq!((summary.status, summary.ending), (0, Ending::ClientGone));
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_never_taken_for_a_whole_one() {
    let running = run_default();
    for path in ["/short", "/broken"] {
        let read = async { reqwest::get(running.url(path)).await?.bytes().await };
        assert!(read.await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_and_reported() {
    let running = run_default();
    let response = reqwest::get(running.url("/panic")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("<Code>InternalError</Code>"));
    assert_eq!(running.summary().await.status, 500);
}

#[tokio::test]
async fn a_slow_reader_holds_the_service_back() {
    let running = run_default();
    let mut client = running.connect().await;
    // 10 GB would not fit into any buffer: only back-pressure keeps this test alive.
    client.write_all(b"GET /chunks?160000 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 1024 * 1024];
    for _ in 0..10 {
        assert!(client.read(&mut buffer).await.unwrap() > 0);
    }
    drop(client);
    let summary = running.summary().await;
    assert!(summary.bytes_out < 1_000_000_000, "{} bytes were sent", summary.bytes_out);
}

#[tokio::test]
async fn a_body_that_stands_still_is_an_error_of_its_own() {
    let mut config = config();
    config.limits.body_stall_timeout = Duration::from_millis(200);
    let running = run(&config, Fake::default());
    let answer = running.raw("PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(answer.ends_with("Stalled"), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_cut() {
    let mut config = config();
    config.limits.body_stall_timeout = Duration::from_millis(200);
    let running = run(&config, Fake::default());
    let mut client = running.connect().await;
    client.write_all(b"GET /chunks?160000 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let summary = running.summary().await;
    assert_ne!(summary.ending, Ending::Complete);
    drop(client);
}
