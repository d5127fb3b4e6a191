//! The store's breaker, for requests that are forwarded.

use super::*;

/// A breaker that opens after three failures and stays so for longer than the test.
fn touchy(config: &mut Config) {
    config.store.breaker.failure_threshold = 3;
    config.store.breaker.recovery_time = Duration::from_secs(3600);
}

#[tokio::test]
async fn failures_of_forwarded_requests_open_the_breaker_and_then_nothing_is_forwarded() {
    let upstream = Upstream::start("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").await;
    let sidecar = Sidecar::with(&upstream, touchy).await;
    for _ in 0..3 {
        assert_eq!(status(&sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await), 503);
    }
    assert_eq!(upstream.seen().len(), 3);
    let upload = format!("/v2/a/blobs/uploads/1?digest={DIGEST}");
    for (method, target, fields, body) in
        [("GET", "/v2/a/manifests/latest", "", ""), ("PUT", upload.as_str(), "content-length: 5\r\n", "hello")]
    {
        let got = sidecar.ask(method, target, fields, body).await;
        assert_eq!(status(&got), 503, "{got}");
        assert!(got.to_lowercase().contains("retry-after: 36") && has_field(&got, "x-request-id"), "{got}");
    }
    assert_eq!(upstream.seen().len(), 3);
    let store = sidecar.app.store.ping().await;
    assert!(store.is_err() && sidecar.app.store.pass(false).is_err(), "the store's own client knows it too");
    assert_eq!(status(&sidecar.ask("GET", "/v2/", "", "").await), 200, "the base needs no registry");
}

#[tokio::test]
async fn a_registry_that_is_away_silent_or_cuts_the_connection_opens_the_breaker() {
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    // Its backlog takes connections that nobody reads from.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cutting = Upstream::start("").await;
    for address in [away, silent.local_addr().unwrap(), cutting.address] {
        let sidecar = Sidecar::with(&cutting, |config| {
            touchy(config);
            config.store.url = format!("http://{address}");
            config.store.response_timeout = Duration::from_millis(100);
            config.store.stall_timeout = Duration::from_millis(100);
        })
        .await;
        for left in (0..3).rev() {
            assert!(sidecar.app.store.pass(true).is_ok(), "{left} failures to go");
            assert_eq!(status(&sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await), 503);
        }
        assert!(sidecar.app.store.pass(true).is_err(), "{address}");
    }
}

#[tokio::test]
async fn what_the_client_did_wrong_speaks_for_the_registry() {
    let failing = Upstream::start("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    let sidecar = Sidecar::with(&failing, touchy).await;
    for _ in 0..2 {
        sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
    }
    sidecar.app.store.pass(false).unwrap().answered(http::StatusCode::NOT_FOUND);
    for _ in 0..2 {
        sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
    }
    assert!(sidecar.app.store.pass(false).is_ok(), "not three in a row");

    let missing = Upstream::start("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let sidecar = Sidecar::with(&missing, touchy).await;
    for _ in 0..2 {
        sidecar.app.store.pass(false).unwrap().missed();
    }
    assert_eq!(status(&sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await), 404);
    sidecar.app.store.pass(false).unwrap().missed();
    assert!(sidecar.app.store.pass(false).is_ok(), "the 404 ended the row");
}

#[tokio::test]
async fn a_half_open_breaker_forwards_one_probe_at_a_time_and_closes_when_they_succeed() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::with(&upstream, |config| {
        touchy(config);
        config.store.breaker.recovery_time = Duration::from_millis(1);
        config.store.breaker.half_open_probes = 2;
    })
    .await;
    let pull = || sidecar.ask("GET", "/v2/a/manifests/latest", "", "");
    for _ in 0..3 {
        sidecar.app.store.pass(false).unwrap().missed();
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    let probe = sidecar.app.store.pass(false).unwrap();
    let got = pull().await;
    assert!(status(&got) == 503 && has_field(&got, "retry-after"), "{got}");
    assert!(upstream.seen().is_empty());
    drop(probe);
    assert_eq!(status(&pull().await), 200);
    let second = sidecar.app.store.pass(false).unwrap();
    assert!(sidecar.app.store.pass(false).is_err(), "one success is not enough");
    drop(second);
    assert_eq!(status(&pull().await), 200);
    let both = (sidecar.app.store.pass(false), sidecar.app.store.pass(false));
    assert!(both.0.is_ok() && both.1.is_ok(), "two successes close it");
}
