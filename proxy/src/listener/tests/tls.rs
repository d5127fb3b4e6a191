//! TLS, HTTP/2, and certificates that change.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::support::{Fake, FakeUpstream, PATIENCE, Running, config, read_to_close, run, until};
use crate::config::{Config, Tls};
use crate::listener::{Ending, Listener};

/// Writes a fresh certificate and its key, and gives the certificate as PEM.
pub(super) fn write_certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let pem = made.cert.pem();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("certificate.pem"), &pem).unwrap();
    pem
}

pub(super) fn secured(folder: &Path) -> Config {
    let mut config = config();
    config.listen.tls = Some(Tls { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") });
    config
}

fn client(pem: &str) -> reqwest::ClientBuilder {
    let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root])
}

fn url(running: &Running, path: &str) -> String {
    format!("https://localhost:{}{path}", running.address.port())
}

#[tokio::test]
async fn http_1_and_http_2_are_negotiated_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let running = run(&secured(folder.path()), Fake::default());
    let h2 = client(&pem).build().unwrap();
    let response = h2.put(url(&running, "/count?x=1")).body(vec![0; 300_000]).send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(response.text().await.unwrap(), "300000 of Some(300000)");
    let h1 = client(&pem).http1_only().build().unwrap();
    let response = h1.put(url(&running, "/echo")).body(vec![1; 300_000]).send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_11);
    assert_eq!(response.bytes().await.unwrap().len(), 300_000);
    assert!(running.gateway.contexts.lock().unwrap().iter().all(|context| context.secure));
    let requests = running.gateway.requests.lock().unwrap();
    assert_eq!(requests[0].headers["host"], format!("localhost:{}", running.address.port()).as_str());
    assert_eq!(requests[0].uri.to_string(), "/count?x=1");
}

#[tokio::test]
async fn http_2_has_empty_bodies_heads_refusals_and_broken_responses_too() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let running = run(&secured(folder.path()), Fake::default());
    let client = client(&pem).build().unwrap();
    let get = |path: &str| client.get(url(&running, path)).send();
    assert_eq!(get("/count").await.unwrap().text().await.unwrap(), "0 of Some(0)");
    let head = client.head(url(&running, "/head")).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "12345");
    assert_eq!(get("/empty").await.unwrap().status(), 204);
    assert_eq!(get("/chunks?20").await.unwrap().bytes().await.unwrap().len(), 20 * 64 * 1024);
    let broken = async { get("/broken").await?.bytes().await };
    assert!(broken.await.is_err());
    let short = async { get("/short").await?.bytes().await };
    assert!(short.await.is_err());
    let refused = client.put(url(&running, "/refuse")).body(vec![0; 10_000_000]).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(get("/now").await.unwrap().text().await.unwrap(), "now");
}

#[tokio::test]
async fn http_2_requests_are_forwarded_with_their_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let (upstream, running) = FakeUpstream::behind(&secured(folder.path())).await;
    let client = client(&pem).build().unwrap();
    let response = client.put(url(&running, "/v2/a")).body(vec![0; 2_000_000]).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 201));
    assert_eq!(response.text().await.unwrap(), "upstream read 2000000");
    let bytes = client.get(url(&running, "/v2/big")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.len(), 64 * 1024 * 16);
    let heads = upstream.heads.lock().unwrap();
    assert!(heads[0].contains("content-length: 2000000"), "{}", heads[0]);
}

#[tokio::test]
async fn a_forwarded_http_2_body_that_stands_still_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let mut config = secured(folder.path());
    config.limits.body_stall_timeout = Duration::from_millis(300);
    let (upstream, running) = FakeUpstream::behind(&config).await;
    let first = futures::stream::once(async { Ok::<_, std::io::Error>(vec![0; 100]) });
    let body = futures::StreamExt::chain(first, futures::stream::pending());
    let request = client(&pem).build().unwrap().put(url(&running, "/v2/a")).body(reqwest::Body::wrap_stream(body));
    let answer = tokio::time::timeout(PATIENCE, request.send()).await.expect("it is cut");
    assert!(answer.is_err(), "{answer:?}");
    until(|| upstream.broken_bodies.load(Ordering::SeqCst) == 1).await;
    assert_ne!(running.summary().await.ending, Ending::Complete);
}

#[tokio::test]
async fn an_http_2_client_that_leaves_ends_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let running = run(&secured(folder.path()), Fake::default());
    let waiting = tokio::spawn(client(&pem).build().unwrap().get(url(&running, "/wait")).send());
    until(|| running.gateway.waiting.load(Ordering::SeqCst) == 1).await;
    waiting.abort();
    until(|| running.gateway.dropped.load(Ordering::SeqCst)).await;
    assert_eq!(running.summary().await.status, 0);
}

#[tokio::test]
async fn an_http_2_stream_in_flight_finishes_in_the_drain_and_an_idle_connection_does_not_hold_it() {
    let folder = tempfile::tempdir().unwrap();
    let pem = write_certificate(folder.path());
    let running = run(&secured(folder.path()), Fake::default());
    let idle = client(&pem).build().unwrap();
    assert_eq!(idle.get(url(&running, "/now")).send().await.unwrap().status(), 200);
    let waiting = tokio::spawn(client(&pem).build().unwrap().get(url(&running, "/wait")).send());
    until(|| running.gateway.waiting.load(Ordering::SeqCst) == 1).await;
    running.shutdown.cancel();
    until(|| std::net::TcpStream::connect(running.address).is_err()).await;
    running.gateway.release.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().text().await.unwrap(), "released");
    let report = tokio::time::timeout(PATIENCE, running.task).await.unwrap().unwrap();
    assert_eq!((report.in_flight, report.cut), (1, 0));
}

#[tokio::test]
async fn half_a_handshake_is_closed_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let mut config = secured(folder.path());
    config.limits.handshake_timeout = Duration::from_millis(200);
    let running = run(&config, Fake::default());
    let mut half = running.connect().await;
    half.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(read_to_close(&mut half).await, "");
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let old = write_certificate(folder.path());
    let running = run(&secured(folder.path()), Fake::default());
    let held = client(&old).build().unwrap();
    assert_eq!(held.get(url(&running, "/now")).send().await.unwrap().status(), 200);
    std::fs::write(folder.path().join("key.pem"), "not a key").unwrap();
    // Two looks at the files; the old pair must still be there.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(client(&old).build().unwrap().get(url(&running, "/now")).send().await.unwrap().status(), 200);
    let new = write_certificate(folder.path());
    let changed = async {
        while client(&new).build().unwrap().get(url(&running, "/now")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("the new certificate is in use");
    assert!(client(&old).build().unwrap().get(url(&running, "/now")).send().await.is_err());
    assert_eq!(held.get(url(&running, "/now")).send().await.unwrap().status(), 200, "open connections go on");
}

#[tokio::test]
async fn a_certificate_and_a_key_that_do_not_belong_together_are_named_at_start() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_certificate(one.path());
    write_certificate(other.path());
    std::fs::copy(other.path().join("key.pem"), one.path().join("key.pem")).unwrap();
    let error = Listener::bind(&secured(one.path()), std::sync::Arc::new(Fake::default())).err().unwrap().to_string();
    assert!(error.contains("key.pem") && error.contains("certificate.pem"), "{error}");
}
