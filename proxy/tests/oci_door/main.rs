//! The OCI door over real sockets, before an upstream that counts: what is refused never reaches it, what is let through
//! reaches it as it should, and what it answers reaches the client only where it may.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

mod breaker;
mod metrics;
mod misbehaviour;
mod requests;
mod tls;

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
use zas_proxy::postgres::testing;

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
            response: Box::new(oci::refusal(&self.0.config, parts, context, &error)),
            label: oci::operation(parts),
        })
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        oci::serve(Arc::clone(&self.0), request).await
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
        // No change would be forwarded without its intent in the database that is not there.
        config.audit.enabled = false;
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

    /// With an index: what is put is written down there, or it is not forwarded.
    async fn with_index(upstream: &Upstream, change: impl FnOnce(&mut Config)) -> Self {
        let database = testing::database().await.unwrap();
        let with_database = |config: &mut Config| {
            config.database.url = Secret::new(database.url());
            change(config);
        };
        Self::with(upstream, with_database).await
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
