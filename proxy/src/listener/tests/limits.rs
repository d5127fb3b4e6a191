//! Connections, times and requests: every limit is on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Fake, config, read_response, read_to_close, run, until};

#[tokio::test]
async fn a_connection_too_many_is_closed_and_the_others_go_on() {
    let mut config = config();
    config.limits.connections_per_address = 2;
    let running = run(&config, Fake::default());
    let (mut first, second) = (running.connect().await, running.connect().await);
    first.write_all(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_response(&mut first).await.ends_with("now"));
    let mut third = running.connect().await;
    assert_eq!(read_to_close(&mut third).await, "");
    first.write_all(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_response(&mut first).await.ends_with("now"));
    drop(second);
    // The slot comes back as soon as the server has seen the close.
    let again = async {
        loop {
            let mut fourth = running.connect().await;
            let _ = fourth.write_all(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n").await;
            if read_response(&mut fourth).await.ends_with("now") {
                return;
            }
        }
    };
    tokio::time::timeout(super::support::PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_request_too_many_is_told_to_slow_down() {
    let mut config = config();
    config.limits.requests = 1;
    let running = run(&config, Fake::default());
    let waiting = tokio::spawn(reqwest::get(running.url("/wait")));
    until(|| running.gateway.waiting.load(Ordering::SeqCst) == 1).await;
    let response = reqwest::get(running.url("/count")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.text().await.unwrap().contains("<Code>SlowDown</Code>"));
    assert_eq!(reqwest::get(running.url("/-/livez")).await.unwrap().status(), 200, "probes are always answered");
    running.gateway.release.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    until(|| running.gateway.summaries.lock().unwrap().len() == 3).await;
    assert_eq!(reqwest::get(running.url("/count")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_slow_head_is_answered_and_closed_at_its_deadline() {
    let mut config = config();
    config.limits.header_timeout = Duration::from_millis(300);
    let running = run(&config, Fake::default());
    let (mut reader, mut writer) = running.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = String::new();
    let read = tokio::time::timeout(super::support::PATIENCE, reader.read_to_string(&mut answer)).await.unwrap();
    trickle.abort();
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer} {read:?}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let mut config = config();
    config.limits.idle_timeout = Duration::from_millis(300);
    let running = run(&config, Fake::default());
    let mut silent = running.connect().await;
    assert_eq!(read_to_close(&mut silent).await, "");
    let mut client = running.connect().await;
    client.write_all(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_response(&mut client).await.ends_with("now"));
    assert_eq!(read_to_close(&mut client).await, "");
}

#[tokio::test]
async fn a_request_that_takes_longer_than_the_idle_time_is_not_idle() {
    let mut config = config();
    config.limits.idle_timeout = Duration::from_millis(100);
    config.limits.header_timeout = Duration::from_millis(100);
    let running = run(&config, Fake::default());
    let waiting = tokio::spawn(reqwest::get(running.url("/wait")));
    until(|| running.gateway.waiting.load(Ordering::SeqCst) == 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.gateway.release.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = run(&config(), Fake::default());
    let mut taken = config();
    taken.listen.address = first.address.to_string();
    let error = crate::listener::Listener::bind(&taken, std::sync::Arc::new(Fake::default())).err().unwrap();
    assert!(error.to_string().contains(&first.address.to_string()), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    let mut wrong = config();
    wrong.listen.address = "nonsense".to_owned();
    let error = crate::listener::Listener::bind(&wrong, std::sync::Arc::new(Fake::default())).err().unwrap();
    assert!(error.to_string().contains("nonsense"), "{error}");
}
