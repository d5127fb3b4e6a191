//! The registry on a TCP address, HTTP/1.1 without TLS.

mod stall;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
};

use self::stall::StallGuard;
use crate::{body::Body, error::Error, faults::Cut, registry::Registry};

/// Most bytes that a connection buffers; a longer request head is refused with 431.
const BUFFER_BYTES: usize = 128 << 10;

/// Pause after an error of `accept`, such as too many open files, which would come again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server. Dropping it stops it at once; [`Server::shutdown`] lets requests in flight finish.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    running: JoinHandle<()>,
}

impl Server {
    /// Binds the address and serves until the server is shut down or dropped.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(registry: Registry, address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(serve(registry, listener, stopped));
        Ok(Self { address, stop: Some(stop), running })
    }

    /// The address that is served; it tells the port where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new connections, waits for requests in flight as long as [`Options::shutdown_grace`] says, cuts the rest
    /// and returns when the port and the registry's folder are released by the server.
    ///
    /// [`Options::shutdown_grace`]: crate::Options::shutdown_grace
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        // It ends by itself within the grace period; an error is a panic of it, and then it has ended too.
        let _ = (&mut self.running).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(registry: Registry, listener: TcpListener, mut stopped: oneshot::Receiver<Infallible>) {
    let places = Arc::new(Semaphore::new(registry.options().max_connections.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(expire_uploads(registry.clone()));
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = accept(&listener, &places) => accepted,
            Some(_) = tasks.join_next() => continue,
        };
        let Some((stream, place)) = accepted else { continue };
        let connection = graceful.watch(connection(&registry, stream));
        tasks.spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let grace = registry.options().shutdown_grace;
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still running at the end of the grace period; they are cut");
    }
    tasks.shutdown().await;
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, as soon as there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Place)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn connection(
    registry: &Registry,
    stream: TcpStream,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + use<> {
    // Small answers must not wait for more; it only costs speed where it fails.
    let _ = stream.set_nodelay(true);
    let options = registry.options();
    let stream = StallGuard::new(stream, options.write_stall_timeout);
    let registry = registry.clone();
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_read_timeout)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| respond(registry.clone(), request)))
}

/// An error here closes the connection without an answer, as an injected cut wants it.
async fn respond(registry: Registry, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let response = registry.call(request).await;
    match response.extensions().get::<Cut>() {
        Some(_) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "connection cut by an injected fault")),
        None => Ok(response),
    }
}

async fn expire_uploads(registry: Registry) {
    let period = (registry.options().upload_expiry / 4).clamp(Duration::from_secs(1), Duration::from_secs(600));
    loop {
        tokio::time::sleep(period).await;
        let registry = registry.clone();
        match tokio::task::spawn_blocking(move || registry.expire_uploads()).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(count)) => tracing::info!(count, "abandoned upload sessions were removed"),
            Ok(Err(error)) => tracing::warn!(%error, "abandoned upload sessions could not be removed"),
        }
    }
}
