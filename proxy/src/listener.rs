//! The listener: connections in, requests to the gateway, bytes both ways, and a clean end.
//!
//! An accept loop on the process's one runtime; each connection is HTTP/1 (`http1`) or HTTP/2 (`http2`), and each of its
//! requests goes through pingora's `HttpProxy` (`front`), which either hands it to the gateway (`bridge`) or forwards it
//! to the upstream registry (`forward`). Every wait has a deadline and every limit of `[limits]` is kept here.
//! What does not live here: any decision about who may do what, and any knowledge of S3 or OCI.

mod body;
mod bridge;
mod client;
mod connection;
mod contract;
mod events;
mod exchange;
mod forward;
mod front;
mod head;
mod http1;
mod http2;
mod meter;
mod respond;
mod sanity;
mod slots;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod validity;

use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Connection;
use self::exchange::{Client, EXCHANGE, Exchange, InFlight};
use self::forward::{Names, Patience};
use self::front::Front;
use self::head::HeadLimits;
use self::slots::{Full, Slot, Slots};
use self::tls::Certificates;
use self::transport::{ReadAhead, Transport};
use crate::config::{self, Config, Tls};

pub use self::body::BodyError;
pub use self::contract::{
    Answer, Ending, Forward, Gateway, HeaderChanges, InvalidUpstream, Routed, Summary, Upstream, UpstreamOutcome,
};
pub use self::tls::{CertificateError, check_certificate};
pub(crate) use self::validity::not_after as certificate_end;

/// Connections that the kernel completes before we accept them.
const BACKLOG: u32 = 1024;
/// Idle connections to upstreams.
const UPSTREAM_POOL: usize = 256;
/// Attempts at the upstream, where the second can do no harm.
const UPSTREAM_ATTEMPTS: usize = 2;
/// The pause after the kernel refused to accept, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long connections without a request may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why the listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be understood.
    #[error("listen.address: {address} is not an address and a port: {source}")]
    Address {
        /// As configured.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something else listens there.
    #[error("listen.address: {address} is in use by another process")]
    InUse {
        /// As configured.
        address: String,
    },
    /// The kernel says no.
    #[error("listen.address: cannot listen on {address}: {source}")]
    Bind {
        /// As configured.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The client to the upstream cannot be made.
    #[error("the system's root certificates cannot be read; SSL_CERT_FILE and SSL_CERT_DIR name others")]
    RootCertificates,
}

/// How the end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Requests that were in flight when the end began.
    pub in_flight: usize,
    /// Those of them that were cut because `drain.grace` was over.
    pub cut: usize,
    /// How long it took.
    pub took: Duration,
}

/// A bound address that is not served yet.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    tls: Option<TlsAcceptor>,
    grace: Duration,
    handshake_timeout: Duration,
    slots: Arc<Slots>,
    shared: Arc<Shared>,
    shutting_down: watch::Sender<bool>,
}

/// What all connections share.
struct Shared {
    proxy: Arc<HttpProxy<Front>>,
    h2_options: H2Options,
    head_limits: HeadLimits,
    stall_timeout: Duration,
    draining: CancellationToken,
    in_flight: Arc<InFlight>,
    shutdown_watch: ShutdownWatch,
}

impl Shared {
    /// One request, from its head to its end.
    async fn process(&self, session: ServerSession, exchange: &Arc<Exchange>) -> Option<ReusedHttpStream> {
        let _in_flight = self.in_flight.enter();
        let work = self.proxy.process_new_http(session, &self.shutdown_watch);
        tokio::select! {
            biased;
            reused = EXCHANGE.scope(Arc::clone(exchange), work) => reused,
            () = exchange.watchdog.expired() => None,
        }
    }
}

impl Listener {
    /// Binds `listen.address`, with `listen.tls` where it is set. Must be called within a tokio runtime.
    /// # Errors
    /// The address cannot be listened on, or the certificate cannot be used.
    pub fn bind(config: &Config, gateway: Arc<dyn Gateway>) -> Result<Self, ListenError> {
        Self::bind_to(&config.listen.address, config.listen.tls.as_ref(), config, gateway)
    }

    /// Binds another address, with the limits of `config`.
    /// # Errors
    /// The address cannot be listened on, or the certificate cannot be used.
    pub fn bind_to(
        address: &str,
        tls: Option<&Tls>,
        config: &Config,
        gateway: Arc<dyn Gateway>,
    ) -> Result<Self, ListenError> {
        // Before pingora, which would take another provider where there is none.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let certificates = tls.map(Certificates::load).transpose()?;
        let acceptor = certificates.clone().map(tls::server_config).transpose()?.map(TlsAcceptor::from);
        let tcp = listen(address)?;
        let local = tcp.local_addr().map_err(|source| ListenError::Bind { address: address.to_owned(), source })?;
        let limits = &config.limits;
        let draining = CancellationToken::new();
        let front = Front {
            gateway,
            stall_timeout: limits.body_stall_timeout,
            patience: Patience::new(&config.store, limits),
            requests: Arc::new(Semaphore::new(limits.requests as usize)),
            draining: draining.clone(),
            names: Names::default(),
            trusted_proxies: config.listen.trusted_proxies.clone(),
        };
        let (shutting_down, shutdown_watch) = watch::channel(false);
        let shared = Shared {
            proxy: proxy(front, &config.store)?,
            h2_options: http2::options(limits),
            head_limits: HeadLimits {
                idle: limits.idle_timeout,
                complete: limits.header_timeout,
                bytes: usize::try_from(limits.header_bytes.as_u64()).unwrap_or(usize::MAX),
            },
            stall_timeout: limits.body_stall_timeout,
            draining,
            in_flight: Arc::default(),
            shutdown_watch,
        };
        Ok(Self {
            tcp,
            address: local,
            certificates,
            tls: acceptor,
            grace: config.drain.grace,
            handshake_timeout: limits.handshake_timeout,
            slots: Slots::new(limits.connections, limits.connections_per_address),
            shared: Arc::new(shared),
            shutting_down,
        })
    }

    /// Where it listens; tells the port where port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is cancelled, then drains: new connections are refused and idle ones closed at once,
    /// requests in flight may finish within `drain.grace`. Returns as soon as nothing is in flight.
    pub async fn run(self, shutdown: CancellationToken) -> DrainReport {
        let cut = CancellationToken::new();
        let tasks = TaskTracker::new();
        if let Some(certificates) = self.certificates.clone() {
            tokio::spawn(certificates.watch(self.shared.draining.clone()));
        }
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = self.tcp.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => self.admit(tcp, peer, &tasks, &cut),
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        self.drain(tasks, cut).await
    }

    /// Starts to serve a connection where there is room for it.
    fn admit(&self, tcp: TcpStream, peer: SocketAddr, tasks: &TaskTracker, cut: &CancellationToken) {
        let slot = match self.slots.take(peer.ip()) {
            Ok(slot) => slot,
            Err(Full::Total) => return events::connection_refused("total"),
            Err(Full::Address) => return events::connection_refused("address"),
        };
        let (shared, tls, handshake_timeout) = (Arc::clone(&self.shared), self.tls.clone(), self.handshake_timeout);
        let cut = cut.clone();
        tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                () = serve(shared, tcp, peer, tls, handshake_timeout, slot) => {}
            }
        });
    }

    async fn drain(self, tasks: TaskTracker, cut: CancellationToken) -> DrainReport {
        let Self { tcp, shared, shutting_down, grace, .. } = self;
        let began = Instant::now();
        drop(tcp);
        tasks.close();
        let in_flight = shared.in_flight.count();
        shutting_down.send_replace(true);
        shared.draining.cancel();
        let finished = timeout(grace, shared.in_flight.wait_for_none()).await.is_ok();
        let unfinished = if finished { 0 } else { shared.in_flight.count() };
        if finished {
            // What is left is goodbyes.
            let _ = timeout(FAREWELL, tasks.wait()).await;
        }
        cut.cancel();
        tasks.wait().await;
        DrainReport { in_flight, cut: unfinished, took: began.elapsed() }
    }
}

/// One connection, from its first byte to its last.
async fn serve(
    shared: Arc<Shared>,
    tcp: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    handshake_timeout: Duration,
    _slot: Slot,
) {
    let _open = Open::new();
    // Small responses must not wait for an acknowledgement; failing to say so only costs time.
    let _ = tcp.set_nodelay(true);
    let client = Client { peer, secure: tls.is_some() };
    let (transport, is_h2) = match tls {
        None => (Transport::Plain(tcp), false),
        Some(tls) => {
            let handshake = timeout(handshake_timeout, tls.accept(ReadAhead::new(tcp)));
            let accepted = tokio::select! {
                biased;
                accepted = handshake => accepted,
                () = shared.draining.cancelled() => return,
            };
            let Ok(Ok(stream)) = accepted else { return events::connection_refused("handshake") };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            (Transport::Tls(Box::new(stream)), is_h2)
        }
    };
    let lingers = Arc::new(AtomicBool::new(false));
    let stream: Stream = Box::new(Connection::new(transport, !is_h2, shared.stall_timeout, Arc::clone(&lingers)));
    if is_h2 {
        Box::pin(http2::serve(&shared, stream, client, &lingers)).await;
    } else {
        Box::pin(http1::serve(&shared, stream, client, &lingers)).await;
    }
}

/// Counts an open connection.
struct Open;

impl Open {
    fn new() -> Self {
        events::connection_opened();
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        events::connection_closed();
    }
}

fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let unknown = |source| ListenError::Address { address: address.to_owned(), source };
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse { address: address.to_owned() },
        _ => ListenError::Bind { address: address.to_owned(), source },
    };
    let mut resolved = address.to_socket_addrs().map_err(unknown)?;
    let resolved = resolved.next().ok_or_else(|| unknown(std::io::ErrorKind::AddrNotAvailable.into()))?;
    let socket = if resolved.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    // A restart must not wait for the last connections' TIME_WAIT; two processes still cannot share the port.
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(resolved).map_err(failed)?;
    socket.listen(BACKLOG).map_err(failed)
}

/// pingora's proxy, without its server: it reads `store.ca_file` or the system's root certificates, and panics where it
/// cannot.
fn proxy(front: Front, store: &config::Store) -> Result<Arc<HttpProxy<Front>>, ListenError> {
    let authorities = store.ca_file.as_ref().filter(|_| store.url.starts_with("https:"));
    let conf = ServerConf {
        ca_file: authorities.map(|file| file.to_string_lossy().into_owned()),
        max_retries: UPSTREAM_ATTEMPTS,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    };
    let made = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut proxy = HttpProxy::new(front, Arc::new(conf));
        proxy.handle_init_modules();
        Arc::new(proxy)
    }));
    made.map_err(|_| ListenError::RootCertificates)
}
