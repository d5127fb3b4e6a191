//! Connections to the registry, and three things that hyper leaves to us: a write that stands still ends in time, a
//! failed write does not hide the answer that the registry sent before it stopped reading, and an error tells whether its
//! connection had been used before.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection as Connects, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tower::Service;

use crate::config;
use crate::error::{Error, Result};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections, with TLS where the URL says `https`.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    write_stall: Duration,
}

impl Connector {
    pub(super) fn new(config: &config::Store) -> Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        let tls = tls(config)?;
        let inner =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        Ok(Self { inner, write_stall: config.stall_timeout })
    }
}

/// Trusts `store.ca_file`, or the system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others); none are read for
/// plain HTTP.
fn tls(config: &config::Store) -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::internal("TLS cannot be set up").source(e))?;
    let builder = match &config.ca_file {
        _ if !config.url.starts_with("https:") => builder.with_root_certificates(RootCertStore::empty()),
        Some(file) => builder.with_root_certificates(authorities(file)?),
        None => builder
            .with_native_roots()
            .map_err(|e| Error::internal("store.url is https, but no trusted certificate was found").source(e))?,
    };
    Ok(builder.with_no_client_auth())
}

/// The certificates of a PEM file. Anything else in it is refused, for a key does not belong there.
fn authorities(file: &Path) -> Result<RootCertStore> {
    let cannot = |why: &str| Error::internal(format!("store.ca_file {}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|e| cannot("it cannot be read").source(e))?;
    let mut roots = RootCertStore::empty();
    for item in <(SectionKind, Vec<u8>)>::pem_slice_iter(&pem) {
        let (kind, der) = item.map_err(|e| cannot("it is not PEM").source(e))?;
        if kind != SectionKind::Certificate {
            return Err(cannot("it holds something else than certificates"));
        }
        roots.add(CertificateDer::from(der)).map_err(|e| cannot("a certificate in it cannot be used").source(e))?;
    }
    if roots.is_empty() {
        return Err(cannot("there is no certificate in it"));
    }
    Ok(roots)
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (opening, write_stall) = (self.inner.call(uri), self.write_stall);
        Box::pin(async move {
            let io = opening.await?;
            Ok(Connection { io, used: Used::default(), write_stall, timer: None, deaf: false })
        })
    }
}

/// Whether a connection has answered before; carried by responses and errors.
#[derive(Debug, Clone, Default)]
pub(super) struct Used(Arc<AtomicBool>);

impl Used {
    pub(super) fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection.
pub(super) struct Connection {
    io: MaybeHttpsStream<TokioIo<TcpStream>>,
    used: Used,
    write_stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// The other side reads no more. What is written now is thrown away, so that hyper goes on to read the answer.
    deaf: bool,
}

impl Connection {
    /// Turns a failed write into one that went nowhere, and a write that stands still into an error.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>, pretend: T) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(Ok(done)) => {
                self.timer = None;
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(_)) => {
                self.timer = None;
                self.deaf = true;
                Poll::Ready(Ok(pretend))
            }
            Poll::Pending => {
                let limit = self.write_stall;
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the registry stopped reading")))
            }
        }
    }
}

impl Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(cx, result, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(all));
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written(cx, result, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, result, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connects for Connection {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.used.clone())
    }
}
