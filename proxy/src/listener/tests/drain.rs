//! The end: no new connections, idle ones closed, transfers finished or cut.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Fake, PATIENCE, config, read_response, read_to_close, run, run_default, until};
use crate::listener::Ending;

#[tokio::test]
async fn an_idle_listener_ends_at_once_and_closes_its_idle_connections() {
    let running = run_default();
    let mut client = running.connect().await;
    client.write_all(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_response(&mut client).await.ends_with("now"));
    running.shutdown.cancel();
    let report = tokio::time::timeout(PATIENCE, running.task).await.unwrap().unwrap();
    assert_eq!((report.in_flight, report.cut), (0, 0));
    assert!(report.took < Duration::from_secs(2), "{report:?}");
    assert_eq!(read_to_close(&mut client).await, "");
}

#[tokio::test]
async fn new_connections_are_refused_while_a_transfer_finishes() {
    let running = run_default();
    let mut client = running.connect().await;
    client.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(|| running.gateway.waiting.load(Ordering::SeqCst) == 1).await;
    running.shutdown.cancel();
    let refused = async {
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
    running.gateway.release.cancel();
    let answer = read_to_close(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("released"), "{answer}");
    let report = tokio::time::timeout(PATIENCE, running.task).await.unwrap().unwrap();
    assert_eq!((report.in_flight, report.cut), (1, 0));
}

#[tokio::test]
async fn a_transfer_that_outlives_the_grace_is_cut_and_reported() {
    let mut config = config();
    config.drain.grace = Duration::from_millis(200);
    let running = run(&config, Fake::default());
    let mut client = running.connect().await;
    client.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(|| running.gateway.waiting.load(Ordering::SeqCst) == 1).await;
    running.shutdown.cancel();
    let report = tokio::time::timeout(PATIENCE, running.task).await.unwrap().unwrap();
    assert_eq!((report.in_flight, report.cut), (1, 1));
    assert_eq!(read_to_close(&mut client).await, "");
    assert!(running.gateway.dropped.load(Ordering::SeqCst));
    assert_eq!(running.gateway.summary().unwrap().ending, Ending::Cut);
}
