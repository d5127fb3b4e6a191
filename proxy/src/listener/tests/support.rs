//! A gateway, an upstream and clients that say and do what a test tells them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http::{Request, Response, request};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::Code;
use crate::gateway::{Body, BoxError, RequestContext};
use crate::listener::{BodyError, DrainReport, Forward, Gateway, Listener, Routed, Summary, Upstream};

/// Longer than anything takes on a slow machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The largest body of `/small/...`, in bytes.
pub(super) const SMALL: u64 = 1000;

/// A gateway whose paths say what happens.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) summaries: Mutex<Vec<Summary>>,
    pub(super) requests: Mutex<Vec<request::Parts>>,
    pub(super) contexts: Mutex<Vec<RequestContext>>,
    pub(super) body_error: Mutex<Option<BodyError>>,
    pub(super) waiting: AtomicUsize,
    pub(super) dropped: Arc<AtomicBool>,
    pub(super) release: CancellationToken,
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(super) fn full(text: impl Into<Bytes>) -> Body {
    Body::new(Full::new(text.into()).map_err(|never| match never {}))
}

fn streamed(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    Body::new(StreamBody::new(stream::iter(frames)))
}

/// `count` chunks of 64 KiB, without a length.
fn chunks(count: usize) -> Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::new(StreamBody::new(stream::iter((0..count).map(move |_| Ok(Frame::data(chunk.clone()))))))
}

#[async_trait]
impl Gateway for Fake {
    async fn route(&self, parts: &request::Parts, context: &RequestContext) -> Routed {
        self.requests.lock().unwrap().push(parts.clone());
        self.contexts.lock().unwrap().push(context.clone());
        let path = parts.uri.path();
        if path == "/now" {
            return Routed::Respond { response: Box::new(Response::new(Bytes::from("now"))), label: "now" };
        }
        if path.starts_with("/v2") {
            let limit = if path.contains("manifests") { SMALL } else { u64::MAX };
            let upstream = self.upstream.clone().expect("the test has an upstream");
            let mut forward = Forward::new(upstream, parts.uri.path_and_query().unwrap().clone(), limit, "oci");
            forward.too_large = Code::ManifestTooLarge;
            forward.remove_request_headers.push(http::header::AUTHORIZATION);
            forward.remove_response_headers.push("x-internal".parse().unwrap());
            return Routed::Forward(Box::new(forward));
        }
        let body_limit = if path.starts_with("/small") { SMALL } else { u64::MAX };
        Routed::Serve { body_limit, label: "served" }
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let number = || parts.uri.query().and_then(|query| query.parse().ok()).unwrap_or(1);
        match parts.uri.path() {
            "/echo" => Response::new(body),
            "/refuse" => Response::builder().status(403).body(full("refused")).unwrap(),
            "/wait" => {
                let _dropped = SetOnDrop(Arc::clone(&self.dropped));
                self.waiting.fetch_add(1, Ordering::SeqCst);
                self.release.cancelled().await;
                Response::new(full("released"))
            }
            "/read-and-wait" => {
                let _dropped = SetOnDrop(Arc::clone(&self.dropped));
                let read = body.collect().await.is_ok();
                self.waiting.fetch_add(1, Ordering::SeqCst);
                self.release.cancelled().await;
                Response::new(full(format!("{read}")))
            }
            "/chunks" => Response::new(chunks(number())),
            "/known" => {
                let length = number() * 64 * 1024;
                Response::builder().header("content-length", length).body(chunks(number())).unwrap()
            }
            "/short" => Response::builder().header("content-length", 10).body(full("12345")).unwrap(),
            "/broken" => {
                streamed_response(vec![Ok(Frame::data(Bytes::from("begun"))), Err("the disk is on fire".into())])
            }
            "/panic" => panic!("a handler panics: this is what the test is about"),
            "/empty" => Response::builder().status(204).body(full("")).unwrap(),
            "/not-modified" => Response::builder().status(304).body(full("")).unwrap(),
            "/head" => Response::builder().header("content-length", 12345).body(full("")).unwrap(),
            _ => self.count(body).await,
        }
    }

    fn ended(&self, summary: &Summary) {
        self.summaries.lock().unwrap().push(summary.clone());
    }
}

fn streamed_response(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Response<Body> {
    Response::new(streamed(frames))
}

impl Fake {
    /// Reads the body and says what it was.
    async fn count(&self, mut body: Body) -> Response<Body> {
        let hint = body.size_hint().exact();
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read += frame.data_ref().map_or(0, Bytes::len),
                Err(error) => {
                    let error = BodyError::find(error.as_ref()).expect("a body's error is a BodyError");
                    *self.body_error.lock().unwrap() = Some(error);
                    return Response::builder().status(400).body(full(format!("{error:?}"))).unwrap();
                }
            }
        }
        Response::new(full(format!("{read} of {hint:?}")))
    }

    pub(super) fn summary(&self) -> Option<Summary> {
        self.summaries.lock().unwrap().last().cloned()
    }
}

/// A listener that runs.
pub(super) struct Running {
    pub(super) address: std::net::SocketAddr,
    pub(super) gateway: Arc<Fake>,
    pub(super) shutdown: CancellationToken,
    pub(super) task: JoinHandle<DrainReport>,
}

pub(super) fn config() -> Config {
    let mut config = Config::default();
    config.listen.address = "127.0.0.1:0".to_owned();
    config
}

pub(super) fn run(config: &Config, gateway: Fake) -> Running {
    let gateway = Arc::new(gateway);
    let listener = Listener::bind(config, Arc::clone(&gateway) as Arc<dyn Gateway>).unwrap();
    let (address, shutdown) = (listener.local_addr(), CancellationToken::new());
    let task = tokio::spawn(listener.run(shutdown.clone()));
    Running { address, gateway, shutdown, task }
}

pub(super) fn run_default() -> Running {
    run(&config(), Fake::default())
}

impl Running {
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    pub(super) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.write_all(bytes.as_ref()).await.unwrap();
        read_to_close(&mut client).await
    }

    /// Waits until a request has been reported.
    pub(super) async fn summary(&self) -> Summary {
        until(|| self.gateway.summary().is_some()).await;
        self.gateway.summary().unwrap()
    }
}

/// Reads until the server closes; a reset ends it too.
pub(super) async fn read_to_close(client: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("the server closes");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads one response that has a Content-Length.
pub(super) async fn read_response(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = async {
        loop {
            let seen = String::from_utf8_lossy(&text).into_owned();
            if let Some((head, body)) = seen.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                if body.len() >= length.parse().unwrap() {
                    return seen;
                }
            }
            if client.read_buf(&mut text).await.unwrap_or(0) == 0 {
                return seen;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the server answers")
}

/// Waits until something is so.
pub(super) async fn until(mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to pass");
}

/// An upstream that records what it sees.
#[derive(Default)]
pub(super) struct FakeUpstream {
    pub(super) heads: Mutex<Vec<String>>,
    pub(super) bodies: Mutex<Vec<usize>>,
    pub(super) connections: AtomicUsize,
    pub(super) broken_bodies: AtomicUsize,
}

impl FakeUpstream {
    /// Starts it; how a gateway reaches it.
    pub(super) async fn start() -> (Arc<Self>, Arc<Upstream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let fake = Arc::new(Self::default());
        let server = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                server.connections.fetch_add(1, Ordering::SeqCst);
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.serve(tcp).await });
            }
        });
        (fake, Arc::new(upstream))
    }

    /// A listener in front of a new one.
    pub(super) async fn behind(config: &Config) -> (Arc<Self>, Running) {
        let (fake, upstream) = Self::start().await;
        (fake, run(config, Fake { upstream: Some(upstream), ..Fake::default() }))
    }

    pub(super) fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    async fn serve(&self, mut tcp: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                    break at + 4;
                }
                if tcp.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            bytes.drain(..end);
            self.heads.lock().unwrap().push(head.clone());
            let path = head.split(' ').nth(1).unwrap().to_owned();
            if path.contains("early") {
                let _ = tcp.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await;
                return;
            }
            if head.contains("expect: 100-continue") {
                tcp.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            }
            let Some(read) = read_body(&mut tcp, &mut bytes, &head).await else {
                self.broken_bodies.fetch_add(1, Ordering::SeqCst);
                return;
            };
            self.bodies.lock().unwrap().push(read);
            if !self.answer(&mut tcp, &path, read).await {
                return;
            }
        }
    }

    /// Whether the connection goes on.
    async fn answer(&self, tcp: &mut TcpStream, path: &str, read: usize) -> bool {
        let answer = if path.contains("hang") {
            tokio::time::sleep(PATIENCE).await;
            return false;
        } else if path.contains("cut") {
            let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
            return false;
        } else if path.contains("elsewhere") {
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil.example/x\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else if path.contains("big") {
            let chunk = vec![b'x'; 64 * 1024];
            let length = 64 * 1024 * 16;
            tcp.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await.unwrap();
            for _ in 0..16 {
                if tcp.write_all(&chunk).await.is_err() {
                    return false;
                }
            }
            return true;
        } else {
            let body = format!("upstream read {read}");
            let length = body.len();
            format!(
                "HTTP/1.1 201 Created\r\nX-Internal: secret\r\nKeep-Alive: timeout=5\r\nLocation: /v2/x\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        tcp.write_all(answer.as_bytes()).await.is_ok()
    }
}

/// Reads a request's body; `None` where it broke off.
async fn read_body(tcp: &mut TcpStream, bytes: &mut Vec<u8>, head: &str) -> Option<usize> {
    if head.contains("transfer-encoding: chunked") {
        let mut total = 0;
        loop {
            let line_end = loop {
                if let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                if tcp.read_buf(bytes).await.ok()? == 0 {
                    return None;
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line_end]).ok()?, 16).ok()?;
            while bytes.len() < line_end + 2 + size + 2 {
                if tcp.read_buf(bytes).await.ok()? == 0 {
                    return None;
                }
            }
            bytes.drain(..line_end + 2 + size + 2);
            total += size;
            if size == 0 {
                return Some(total);
            }
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    while bytes.len() < length {
        if tcp.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    bytes.drain(..length);
    Some(length)
}
