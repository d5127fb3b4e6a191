//! The registry of a run: the embedded one behind a server that, as Zot does, carries out what it has taken in even when
//! the client is gone; and the faults that befall it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
#[derive(Debug, Default)]
struct Calls {
    running: AtomicUsize,
    slowest_ms: AtomicU64,
}

impl RunningRegistry {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(Calls::default());
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
        let response = registry.call(request).await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
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
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..60))).await;
        if rng.random_bool(0.05) {
            // A clear spell.
            faults.clear();
            tokio::time::sleep(Duration::from_millis(rng.random_range(50..300))).await;
            continue;
        }
        let fault = Fault { route: route(&mut rng), ..Fault::everywhere(kind(&mut rng)) };
        faults.inject(fault.skip(rng.random_range(0..5)).times(rng.random_range(1..4)));
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
    let delay = Duration::from_millis(rng.random_range(0..LONGEST_DELAY.as_millis() as u64));
    match rng.random_range(0..8) {
        0..=3 => FaultKind::Delay(delay),
        4 => FaultKind::Status([500, 502, 503, 429][rng.random_range(0..4)]),
        5 => FaultKind::CutConnection { after_bytes: 0 },
        6 => FaultKind::CutConnection { after_bytes: rng.random_range(1..100_000) },
        _ => FaultKind::CutUpload { after_bytes: rng.random_range(0..100_000) },
    }
}
