//! What operators look at is not for everybody.

use http::Method;
use serde_json::json;

use super::ask::{Ask, Client};
use super::sidecar::Sidecar;

/// Where other services have their metrics, profiles and consoles.
const CURIOUS: [&str; 20] = [
    "/-/metrics",
    "/-/debug",
    "/-/debug/pprof/",
    "/-/admin",
    "/-/health",
    "/-/healthy",
    "/-/ready",
    "/-/config",
    "/-/env",
    "/-/api/v1/configuration",
    "/-/api/v1/audit?from=2026-01-01T00:00:00Z",
    "/-/api/v1/nothing",
    "/-/api/",
    "/-/",
    "/-",
    "/metrics",
    "/debug/pprof/heap",
    "/minio/admin/v3/info",
    "/minio/health/cluster",
    "/v2/_zot/ext/mgmt",
];

/// How it is said that nothing is told. A fault of ours (500, 503) is none of these.
fn refusals(method: &Method, path: &str, is_known: bool) -> &'static [u16] {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path.split('?').next().unwrap_or_default() {
        "/-/metrics" | "/-/api/v1/configuration" | "/-/api/v1/audit" => match (reads, is_known) {
            (true, false) => &[401],
            (true, true) => &[403],
            (false, _) => &[405],
        },
        path if path == "/-" || path.starts_with("/-/") || path.starts_with("/v2/") => &[404],
        // A preflight that does not say for whom it asks.
        _ if *method == Method::OPTIONS => &[400],
        // A bucket or a key of S3: whoever asks may not, or S3 has no such operation, or we have not.
        _ => &[403, 405, 501],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_anything_but_what_probes_tell_without_the_right_to_it() {
    let sidecar = Sidecar::start(|_| {}).await;
    let low = format!("Bearer {}", sidecar.token("alice", &[]));
    let before = sidecar.registry.total_requests();
    for path in CURIOUS {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            for shown in [None, Some(low.as_str())] {
                let answer = sidecar.send(&Ask::new(method.clone(), path), shown).await;
                let expected = refusals(&method, path, shown.is_some());
                assert!(expected.contains(&answer.status), "{method} {path}, {expected:?}: {answer:?}");
                for word in ["zas_", "go_goroutines", "postgres", "127.0.0.1"] {
                    assert!(!answer.body.contains(word), "{method} {path} tells {word}: {}", answer.body);
                }
            }
        }
    }
    assert_eq!(sidecar.registry.total_requests(), before, "the registry was reached");
    assert_eq!(sidecar.send(&Ask::get("/-/livez"), None).await.expect(200).json(), json!({"status": "ok"}));
    let ready = sidecar.send(&Ask::get("/-/readyz"), None).await.expect(200).json();
    assert_eq!(ready, json!({"status": "ok", "index": "ok", "registry": "ok", "s3_writes": "ok"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_address_answers_probes_and_metrics_and_nothing_else() {
    let port = zas_proxy::free_port::free_port().unwrap();
    let sidecar = Sidecar::start(|config| config.listen.metrics_address = Some(format!("127.0.0.1:{port}"))).await;
    let client = Client::new(format!("http://127.0.0.1:{port}"), None);
    for path in ["/-/livez", "/-/readyz", "/-/metrics"] {
        client.send(&Ask::get(path), None).await.expect(200);
        client.send(&Ask::post(path), None).await.expect(405);
    }
    let before = sidecar.registry.total_requests();
    let root = super::ask::basic(super::sidecar::ROOT.0, super::sidecar::ROOT.1);
    for path in ["/", "/bucket", "/bucket/key", "/v2/", "/v2/a/tags/list", "/-/api/v1/whoami", "/-/token", "/-/debug"] {
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
            client.send(&Ask::new(method, path), Some(&root)).await.expect(404);
        }
    }
    assert_eq!(sidecar.registry.total_requests(), before, "the registry was reached");
}
