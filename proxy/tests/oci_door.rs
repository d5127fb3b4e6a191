//! The OCI door over real sockets, before an upstream that counts: what is refused never reaches it, what is let through
//! reaches it as it should, and what it answers reaches the client only where it may.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response, request::Parts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use zas_proxy::app::App;
use zas_proxy::config::{AccessKey, Config, Secret};
use zas_proxy::gateway::{Body, RequestContext};
use zas_proxy::listener::{Gateway, Listener, Routed, Summary};
use zas_proxy::oci;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "0123456789abcdef";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The gateway with no door but the OCI one.
struct OciOnly(Arc<App>);

#[async_trait]
impl Gateway for OciOnly {
    async fn route(&self, parts: &Parts, context: &RequestContext) -> Routed {
        oci::route(&self.0, parts, context).await.unwrap_or_else(|error| Routed::Respond {
            response: Box::new(oci::refusal(&error, &context.request_id)),
            label: oci::operation(parts),
        })
    }

    async fn serve(&self, _: Request<Body>) -> Response<Body> {
        unreachable!("the OCI door serves nothing by itself")
    }

    fn ended(&self, _: &Summary) {}
}

/// A registry that answers every request alike and remembers them.
struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// `{authority}` in the answer becomes the upstream's own.
    async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = answer.replace("{authority}", &address.to_string());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(answer_one(socket, answer.clone(), Arc::clone(&requests)));
            }
        });
        Self { address, seen }
    }

    /// The requests that came, head and body.
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer_one(mut socket: TcpStream, answer: String, seen: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    let index = loop {
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if bytes.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut seen = seen.lock().unwrap();
            seen.push(String::new());
            break seen.len() - 1;
        }
    };
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        seen.lock().unwrap()[index].clone_from(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let is_whole = match length {
            Some(length) => body.len() >= length.parse().unwrap(),
            None => !head.contains("transfer-encoding: chunked") || body.ends_with("0\r\n\r\n"),
        };
        if is_whole {
            break;
        }
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let _ = socket.write_all(answer.as_bytes()).await;
}

/// A sidecar before an upstream.
struct Sidecar {
    address: SocketAddr,
    app: Arc<App>,
    stop: CancellationToken,
}

impl Sidecar {
    async fn start(upstream: &Upstream) -> Self {
        Self::with(upstream, |_| ()).await
    }

    async fn with(upstream: &Upstream, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.listen.address = "127.0.0.1:0".to_owned();
        config.database.url = Secret::new("postgres://nobody@127.0.0.1:1/none");
        config.store.url = format!("http://{}", upstream.address);
        config.store.username = Some("sidecar".to_owned());
        config.store.password = Some(Secret::new("upstream-password"));
        config.access_keys =
            vec![AccessKey { id: "AKIA".to_owned(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        change(&mut config);
        let app = App::new(config.clone(), Vec::new()).unwrap();
        let listener = Listener::bind(&config, Arc::new(OciOnly(Arc::clone(&app)))).unwrap();
        let address = listener.local_addr();
        let stop = CancellationToken::new();
        tokio::spawn(listener.run(stop.clone()));
        Self { address, app, stop }
    }

    /// Sends bytes as they are; gives back everything that came until the connection was closed.
    async fn send(&self, request: &str) -> String {
        let exchange = async {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            // The sidecar may answer and close before it has read everything.
            let _ = socket.write_all(request.as_bytes()).await;
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }

    /// Sends a request with credentials; `fields` are whole lines.
    async fn ask(&self, method: &str, target: &str, fields: &str, body: &str) -> String {
        let credentials = STANDARD.encode(format!("AKIA:{SECRET}"));
        self.send(&format!(
            "{method} {target} HTTP/1.1\r\nhost: registry.example\r\nconnection: close\r\nauthorization: Basic {credentials}\r\n{fields}\r\n{body}"
        ))
        .await
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

/// Whether the head of a message has a field with this name.
fn has_field(message: &str, name: &str) -> bool {
    let head = message.split("\r\n\r\n").next().unwrap().to_lowercase();
    head.lines().any(|line| line.starts_with(&format!("{name}:")))
}

#[tokio::test]
async fn nothing_of_a_refused_request_reaches_the_registry() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let upload = "content-length: 3\r\n";
    for (method, target, fields, body, expected) in [
        // Other APIs of a Zot, and paths that are none.
        ("GET", "/v2/_zot/ext/mgmt", "", "", 404),
        ("GET", "/v2/_zot/ext/search", "", "", 404),
        ("POST", "/v2/_zot/ext/cosign", upload, "abc", 404),
        ("GET", "/v2/_zot/pprof/", "", "", 404),
        ("GET", "/v2/_oci/ext/discover", "", "", 404),
        ("GET", "/v2/a", "", "", 404),
        ("GET", "/v2/A/tags/list", "", "", 404),
        // Paths that can be read in two ways.
        ("GET", "/v2//a/tags/list", "", "", 404),
        ("GET", "/v2/a/../s3/x/tags/list", "", "", 404),
        ("GET", "/v2/a/./tags/list", "", "", 404),
        ("GET", "/v2/a%2fb/tags/list", "", "", 404),
        ("GET", "/v2/%2e%2e/s3/tags/list", "", "", 404),
        ("GET", "/v2/a%252fb/tags/list", "", "", 404),
        ("GET", "/v2/a\\b/tags/list", "", "", 404),
        ("GET", "/v2/a%00/tags/list", "", "", 404),
        // Repositories that are not for clients.
        ("GET", "/v2/s3/default/00/tags/list", "", "", 404),
        (
            "HEAD",
            "/v2/s3/default/00/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "",
            "",
            404,
        ),
        ("POST", "/v2/s3/default/00/blobs/uploads/", upload, "abc", 404),
        ("PUT", "/v2/s3/manifests/latest", upload, "abc", 404),
        ("DELETE", "/v2/zas/x/manifests/latest", "", "", 404),
        ("PUT", "/v2/a/blobs/manifests/latest", upload, "abc", 404),
        // Methods that a route does not have, names, numbers, digests and sizes out of bounds.
        ("POST", "/v2/a/manifests/latest", upload, "abc", 405),
        ("OPTIONS", "/v2/a/tags/list", "", "", 405),
        ("PUT", "/v2/my-blobs/manifests/latest", upload, "abc", 400),
        ("GET", "/v2/a/tags/list?n=-1", "", "", 400),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:xyz", upload, "abc", 400),
        ("POST", &format!("/v2/a/blobs/uploads/?digest={DIGEST}&digest={DIGEST}"), upload, "abc", 400),
        ("GET", "/v2/a/referrers/sha256:xyz", "", "", 400),
        ("GET", "/v2/a/manifests/sha256:xyz", "", "", 404),
        ("PUT", "/v2/a/manifests/sha256:xyz", upload, "abc", 400),
        ("PUT", "/v2/a/manifests/.x", upload, "abc", 400),
        ("GET", "/v2/a/manifests/latest", upload, "abc", 400),
        ("PUT", "/v2/a/manifests/latest", "content-length: 4194305\r\n", "", 413),
        ("PATCH", "/v2/a/blobs/uploads/x", "content-length: 99999999999999\r\n", "", 413),
        // Heads that two parsers read in two ways.
        ("POST", "/v2/a/blobs/uploads/", "content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", 400),
        ("POST", "/v2/a/blobs/uploads/", "content-length: 3\r\ncontent-length: 3\r\n", "abc", 400),
        ("POST", "/v2/a/blobs/uploads/", "content-length: +3\r\n", "abc", 400),
        ("POST", "/v2/a/blobs/uploads/", "transfer-encoding: chunked, identity\r\n", "0\r\n\r\n", 400),
        ("GET", "/v2/a/tags/list", "authorization: Basic x\r\n", "", 400),
        ("GET", "http://other.example/v2/a/tags/list", "", "", 400),
    ] {
        let answer = sidecar.ask(method, target, fields, body).await;
        assert_eq!(status(&answer), expected, "{method} {target}: {answer}");
        assert!(upstream.seen().is_empty(), "{method} {target} reached the registry: {:?}", upstream.seen());
    }
}

#[tokio::test]
async fn nothing_of_an_unauthenticated_request_reaches_the_registry() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let wrong = format!("authorization: Basic {}\r\n", STANDARD.encode("AKIA:wrong"));
    for fields in ["", wrong.as_str(), "authorization: Bearer x\r\n", "cookie: session=1\r\n"] {
        for target in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/latest"] {
            let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n");
            let answer = sidecar.send(&request).await;
            assert_eq!(status(&answer), 401, "{target} {fields}: {answer}");
            assert!(answer.contains("Basic realm=") && answer.contains("UNAUTHORIZED"), "{answer}");
        }
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn the_registry_sees_the_request_that_was_checked_and_nothing_about_the_client() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    let fields = "cookie: session=1\r\nx-zot-api-client: zot-ui\r\nx-forwarded-for: 1.2.3.4\r\nx-amz-security-token: x\r\n\
                  accept: application/vnd.oci.image.index.v1+json\r\n\
                  traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let answer = sidecar.ask("GET", "/v2/team/app/tags/list?n=5&x=y&last=v1", fields, "").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("ok"), "{answer}");
    let [seen] = <[String; 1]>::try_from(upstream.seen()).unwrap();
    assert!(seen.starts_with("GET /v2/team/app/tags/list?n=5&last=v1 HTTP/1.1\r\n"), "{seen}");
    for name in ["cookie", "x-zot-api-client", "x-forwarded-for", "x-amz-security-token"] {
        assert!(!has_field(&seen, name), "{name} goes through: {seen}");
    }
    let lower = seen.to_lowercase();
    assert!(lower.contains(&format!("host: {}", upstream.address)), "{seen}");
    assert!(seen.contains(&STANDARD.encode("sidecar:upstream-password")), "{seen}");
    assert!(!seen.contains(&STANDARD.encode(format!("AKIA:{SECRET}"))), "{seen}");
    assert!(lower.contains("0af7651916cd43dd8448eb211c80319c"), "{seen}");
    assert!(has_field(&seen, "accept"), "{seen}");
}

#[tokio::test]
async fn a_body_keeps_its_length_on_the_way() {
    let upstream = Upstream::start("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    let sidecar = Sidecar::start(&upstream).await;
    let target = format!("/v2/a/blobs/uploads/1?digest={DIGEST}");
    let answer = sidecar.ask("PUT", &target, "content-length: 5\r\n", "hello").await;
    assert_eq!(status(&answer), 201, "{answer}");
    let [seen] = <[String; 1]>::try_from(upstream.seen()).unwrap();
    assert!(seen.to_lowercase().contains("content-length: 5\r\n"), "{seen}");
    assert!(!has_field(&seen, "transfer-encoding") && seen.ends_with("\r\n\r\nhello"), "{seen}");
}

#[tokio::test]
async fn a_manifest_that_grows_too_large_on_the_way_is_cut_off() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::with(&upstream, |config| config.limits.manifest_bytes = bytesize::ByteSize::b(1000)).await;
    let body = format!("3e8\r\n{}\r\n1\r\ny\r\n0\r\n\r\n", "x".repeat(1000));
    let answer = sidecar.ask("PUT", "/v2/a/manifests/latest", "transfer-encoding: chunked\r\n", &body).await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(answer.contains("SIZE_INVALID"), "{answer}");
    for seen in upstream.seen() {
        assert!(!seen.ends_with("0\r\n\r\n"), "the registry has the whole body: {seen}");
    }
}

#[tokio::test]
async fn an_answer_about_us_or_elsewhere_is_not_passed_on() {
    for answer in [
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://elsewhere.example/secret\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 301 Moved Permanently\r\nlocation: /v2/a/tags/list\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nlocation: http://elsewhere.example/v2/a/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nlocation: /v2/s3/x/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"elsewhere.example\"\r\ncontent-length: 6\r\n\r\nsecret",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 6\r\n\r\nsecret",
    ] {
        let upstream = Upstream::start(answer).await;
        let sidecar = Sidecar::start(&upstream).await;
        let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        assert_eq!(status(&got), 503, "{answer}: {got}");
        assert!(!got.contains("elsewhere") && !got.contains("secret"), "{answer}: {got}");
        assert!(has_field(&got, "retry-after") && !has_field(&got, "location"), "{got}");
        assert!(!has_field(&got, "www-authenticate"), "{got}");
        assert_eq!(upstream.seen().len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_for_the_client_is_passed_on_without_what_it_says_of_the_registry() {
    let upstream = Upstream::start(
        "HTTP/1.1 202 Accepted\r\nlocation: http://{authority}/v2/a/blobs/uploads/1?_state=x\r\nrange: 0-0\r\n\
         server: secret\r\naccess-control-allow-origin: *\r\nset-cookie: secret=1\r\nblob-upload-uuid: 1\r\n\
         content-length: 0\r\n\r\n",
    )
    .await;
    let sidecar = Sidecar::start(&upstream).await;
    let got = sidecar.ask("POST", "/v2/a/blobs/uploads/", "content-length: 0\r\n", "").await;
    assert_eq!(status(&got), 202, "{got}");
    assert!(got.to_lowercase().contains("location: /v2/a/blobs/uploads/1?_state=x\r\n"), "{got}");
    assert!(
        has_field(&got, "range") && has_field(&got, "blob-upload-uuid") && has_field(&got, "x-request-id"),
        "{got}"
    );
    assert!(!got.contains("secret") && !has_field(&got, "access-control-allow-origin"), "{got}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_the_client_reads_from_the_registry() {
    let body = "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}";
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let upstream = Upstream::start(&answer).await;
    let sidecar = Sidecar::start(&upstream).await;
    let got = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
    assert_eq!(status(&got), 404);
    assert!(got.ends_with(body), "{got}");
}

#[tokio::test]
async fn the_base_is_answered_without_the_registry() {
    let upstream = Upstream::start(OK).await;
    let sidecar = Sidecar::start(&upstream).await;
    for (method, body) in [("GET", "{}"), ("HEAD", "")] {
        let got = sidecar.ask(method, "/v2/", "", "").await;
        assert_eq!(status(&got), 200, "{got}");
        assert_eq!(got.split_once("\r\n\r\n").unwrap().1, body, "{got}");
        assert!(got.to_lowercase().contains("docker-distribution-api-version: registry/2.0"), "{got}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_catalog_does_not_show_what_is_not_for_clients() {
    let body = "{\"repositories\":[\"a\",\"s3/default/00\",\"team/app\",\"zas/x\"]}";
    let upstream = Upstream::start(&format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let sidecar = Sidecar::start(&upstream).await;
    let got = sidecar.ask("GET", "/v2/_catalog", "", "").await;
    assert_eq!(status(&got), 200, "{got}");
    assert!(got.ends_with("{\"repositories\":[\"a\",\"team/app\"]}"), "{got}");
}

/// The lines of the process's metrics that name a repository; every test has its own.
fn counted(repository: &str) -> Vec<String> {
    let index = zas_proxy::index::Index::open(&zas_proxy::config::Database {
        url: Secret::new("postgres://nobody@127.0.0.1:1/none"),
        ..zas_proxy::config::Database::default()
    });
    let text = zas_proxy::telemetry::metrics().render(&index.unwrap());
    let label = format!("repository=\"{repository}\"");
    text.lines().filter(|line| line.contains(&label)).map(str::to_owned).collect()
}

/// Waits until a line is there: a request is counted after its client has its answer.
async fn expect_counted(repository: &str, line: &str) {
    let waiting = async {
        while !counted(repository).iter().any(|counted| counted == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(found.is_ok(), "{line} is not in {:#?}", counted(repository));
}

#[tokio::test]
async fn pulls_are_counted_with_what_was_sent_and_a_cut_one_as_cut() {
    counted("");
    let media_type = "application/vnd.oci.image.index.v1+json";
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: 2\r\n\r\nok");
    let upstream = Upstream::start(&whole).await;
    let sidecar = Sidecar::start(&upstream).await;
    sidecar.ask("GET", "/v2/count/pull/manifests/latest", "", "").await;
    sidecar.ask("GET", &format!("/v2/count/pull/blobs/{DIGEST}"), "", "").await;
    sidecar.ask("HEAD", &format!("/v2/count/pull/blobs/{DIGEST}"), "", "").await;
    for kind in [media_type, "blob"] {
        let labels = format!("{{repository=\"count/pull\",type=\"{kind}\"");
        expect_counted("count/pull", &format!("zas_downloads_total{labels},outcome=\"complete\"}} 1")).await;
        expect_counted("count/pull", &format!("zas_download_bytes_total{labels}}} 2")).await;
    }
    let upstream = Upstream::start("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf").await;
    let sidecar = Sidecar::start(&upstream).await;
    sidecar.ask("GET", &format!("/v2/count/cut/blobs/{DIGEST}"), "", "").await;
    expect_counted("count/cut", r#"zas_downloads_total{repository="count/cut",type="blob",outcome="cut"} 1"#).await;
    assert!(!counted("count/cut").iter().any(|line| line.contains("zas_download_size_bytes")));
}

#[tokio::test]
async fn pushes_are_counted_when_the_registry_has_them_and_a_blob_in_chunks_as_one() {
    counted("");
    let created = Upstream::start("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    let accepted = Upstream::start("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
    let refusing = Upstream::start("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let (created, accepted) = (Sidecar::start(&created).await, Sidecar::start(&accepted).await);
    let refusing = Sidecar::start(&refusing).await;
    let upload = "/v2/count/push/blobs/uploads/session-of-count-push";
    let finish = format!("{upload}?digest={DIGEST}");
    let manifest = "/v2/count/push/manifests/latest";
    let typed = "content-type: application/vnd.oci.image.manifest.v1+json\r\ncontent-length: 5\r\n";
    accepted.ask("PATCH", upload, "content-length: 5\r\n", "hello").await;
    accepted.ask("PATCH", upload, "content-length: 3\r\n", "you").await;
    expect_counted("count/push", r#"zas_upload_bytes_total{repository="count/push",type="blob"} 8"#).await;
    created.ask("PUT", &finish, "content-length: 0\r\n", "").await;
    expect_counted("count/push", r#"zas_uploads_total{repository="count/push",type="blob"} 1"#).await;
    expect_counted("count/push", r#"zas_upload_size_bytes_sum{repository="count/push"} 8"#).await;
    refusing.ask("PUT", manifest, typed, "hello").await;
    created.ask("PUT", manifest, typed, "hello").await;
    let labels = r#"{repository="count/push",type="application/vnd.oci.image.manifest.v1+json"}"#;
    expect_counted("count/push", &format!("zas_uploads_total{labels} 1")).await;
    expect_counted("count/push", &format!("zas_upload_bytes_total{labels} 5")).await;
}

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

/// An authority: its certificate as PEM, and what signs with it.
fn authority() -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, rcgen::Issuer::new(params, key))
}

/// A registry over TLS that answers `OK` to everything, with a certificate for 127.0.0.1 that the issuer signed.
async fn secure_upstream(issuer: &rcgen::Issuer<'static, rcgen::KeyPair>) -> SocketAddr {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let mut head = Vec::new();
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    if socket.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let _ = socket.write_all(OK.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_registry_with_a_certificate_of_an_own_authority_is_trusted_where_that_is_configured_and_only_there() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (ours, issuer) = authority();
    let (other, _) = authority();
    let address = secure_upstream(&issuer).await;
    let unused = Upstream::start(OK).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, pem, trusted) in [("ours.pem", &ours, true), ("other.pem", &other, false)] {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).unwrap();
        let sidecar = Sidecar::with(&unused, |config| {
            config.store.url = format!("https://{address}");
            config.store.ca_file = Some(file);
        })
        .await;
        let forwarded = sidecar.ask("GET", "/v2/a/manifests/latest", "", "").await;
        assert_eq!(status(&forwarded), if trusted { 200 } else { 503 }, "{name}: {forwarded}");
        assert_eq!(sidecar.app.store.ping().await.is_ok(), trusted, "{name}");
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let (certificate, _) = authority();
    for (content, why) in [
        (None, "cannot be read"),
        (Some(String::new()), "no certificate"),
        (Some(format!("{certificate}{key}")), "something else than certificates"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let mut config = Config::default();
        config.database.url = Secret::new("postgres://nobody@127.0.0.1:1/none");
        config.store.url = "https://127.0.0.1:1".to_owned();
        config.store.ca_file = Some(file.clone());
        let error = App::new(config, Vec::new()).unwrap_err().for_log().to_string();
        assert!(error.contains("store.ca_file") && error.contains(why), "{error}");
    }
}
