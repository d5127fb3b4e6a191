//! The registry of a run: the embedded one behind a server that, as Zot does, carries out what it has taken in even when
//! the client is gone; and the faults that befall it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::Rng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use zas_registry::{Body, Fault, FaultKind, Options, Registry, Route};

use crate::world::{LONGEST_DELAY, World};

/// A running registry.
pub(crate) struct RunningRegistry {
    folder: TempDir,
    registry: Registry,
    port: u16,
    calls: Arc<Calls>,
    server: JoinHandle<()>,
}

/// What is going on at the registry.
#[derive(Debug)]
struct Calls {
    begun: Instant,
    running: AtomicUsize,
    slowest_ms: AtomicU64,
    /// A line a call, with its beginning and end.
    log: Mutex<Vec<String>>,
}

impl RunningRegistry {
    pub(crate) async fn start() -> Self {
        // In memory where the system has such a place: what is tested is the order of things, not the disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(Calls {
            begun: Instant::now(),
            running: AtomicUsize::new(0),
            slowest_ms: AtomicU64::new(0),
            log: Mutex::default(),
        });
        let server = tokio::spawn(serve(listener, registry.clone(), Arc::clone(&calls)));
        Self { folder, registry, port, calls, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The bytes of a blob, where they are kept.
    pub(crate) fn blob(&self, repository: &str, hex: &str) -> PathBuf {
        self.folder.path().join(repository).join("blobs/sha256").join(hex)
    }

    pub(crate) fn clear_faults(&self) {
        self.registry.faults().clear();
    }

    /// How many deletions of blobs were asked for.
    pub(crate) fn deletions(&self) -> u64 {
        self.registry.faults().requests_with(Route::Blob, &http::Method::DELETE)
    }

    /// The calls whose path holds `text`, a line each.
    pub(crate) fn course(&self, text: &str) -> String {
        let log = self.calls.log.lock().unwrap();
        log.iter().filter(|line| line.contains(text)).map(|line| format!("\n    {line}")).collect()
    }

    /// Whether nothing is being carried out.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.running.load(Ordering::SeqCst) == 0
    }

    /// How long the slowest call took, beyond the delay that was asked for.
    pub(crate) fn slowest_call(&self) -> Duration {
        Duration::from_millis(self.calls.slowest_ms.load(Ordering::SeqCst)).saturating_sub(LONGEST_DELAY)
    }
}

impl Drop for RunningRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, registry: Registry, calls: Arc<Calls>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(connection(stream, registry.clone(), Arc::clone(&calls)));
    }
}

async fn connection(stream: TcpStream, registry: Registry, calls: Arc<Calls>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(request, registry.clone(), Arc::clone(&calls)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The call runs in a task of its own, so that it does not end with the connection.
async fn respond(request: Request<Incoming>, registry: Registry, calls: Arc<Calls>) -> std::io::Result<Response<Body>> {
    calls.running.fetch_add(1, Ordering::SeqCst);
    let call = tokio::spawn(async move {
        let begun = Instant::now();
        let is_stream = request.method() == http::Method::PATCH;
        let what = format!("{} {}", request.method(), request.uri());
        let response = registry.call(request).await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
        let (status, cut) = (response.status().as_u16(), if response.extensions().is_empty() { "" } else { " cut" });
        let location = response.headers().get("location").and_then(|l| l.to_str().ok()).unwrap_or_default();
        let ended = calls.begun.elapsed().as_millis();
        let line = format!("{}..{ended} ms: {what} -> {status}{cut} {location}", ended - u128::from(took));
        calls.log.lock().unwrap().push(line);
        // A stream lasts as long as its client takes.
        if !is_stream {
            calls.slowest_ms.fetch_max(took, Ordering::SeqCst);
        }
        calls.running.fetch_sub(1, Ordering::SeqCst);
        Ok::<_, Infallible>(response)
    });
    let response = call.await.map_err(std::io::Error::other)?.unwrap();
    // A mark on the answer, the only one there is, tells a server to close the connection instead.
    if response.extensions().is_empty() { Ok(response) } else { Err(std::io::Error::other("cut")) }
}

/// Injects one fault after another until the deadline.
pub(crate) async fn weather(world: &World, mut rng: StdRng, deadline: Instant) {
    let faults = world.registry.registry.faults();
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..80))).await;
        if rng.random_bool(0.3) {
            // What was not used up is over: faults must not pile up until nothing gets through any more.
            faults.clear();
        }
        let fault = if rng.random_bool(0.2) {
            // The most dangerous of all: a deletion that comes when nobody waits for it any more.
            let delay = LONGEST_DELAY.mul_f64(rng.random());
            Fault::on(Route::Blob, FaultKind::Delay(delay)).method(http::Method::DELETE)
        } else {
            Fault { route: route(&mut rng), ..Fault::everywhere(kind(&mut rng)) }.skip(rng.random_range(0..5))
        };
        faults.inject(fault.times(rng.random_range(1..4)));
    }
    faults.clear();
}

fn route(rng: &mut StdRng) -> Option<Route> {
    match rng.random_range(0..5) {
        0 => None,
        1 => Some(Route::UploadStart),
        2 => Some(Route::Upload),
        // GET, HEAD and DELETE.
        _ => Some(Route::Blob),
    }
}

fn kind(rng: &mut StdRng) -> FaultKind {
    let longest = if rng.random_bool(0.3) { LONGEST_DELAY } else { LONGEST_DELAY / 8 };
    match rng.random_range(0..8) {
        0..=3 => FaultKind::Delay(longest.mul_f64(rng.random())),
        4 => FaultKind::Status([500, 502, 503, 429][rng.random_range(0..4)]),
        5 => FaultKind::CutConnection { after_bytes: 0 },
        6 => FaultKind::CutConnection { after_bytes: rng.random_range(1..100_000) },
        _ => FaultKind::CutUpload { after_bytes: rng.random_range(0..100_000) },
    }
}
