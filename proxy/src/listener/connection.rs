//! A client connection as pingora sees it: small writes gathered, a deadline on every stalled write, a gentle close.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::transport::Transport;

/// Writes up to this many bytes are gathered until a flush: a small response leaves in one packet.
const GATHER_BYTES: usize = 16 * 1024;
/// Slices that one write takes at the most, the gathered bytes included.
const SLICES_MAX: usize = 16;
/// How long a closing connection, or a stream that is answered early, goes on reading what the client still sends.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// How much of it is read at the most.
pub(super) const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// One client connection.
#[derive(Debug)]
pub(super) struct Connection {
    io: Transport,
    gathered: BytesMut,
    gathers: bool,
    stall_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Whether something was left unread.
    lingers: Arc<AtomicBool>,
    is_shut: bool,
    lingering: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl Connection {
    /// `gathers` is for HTTP/1: HTTP/2 frames its own writes. `lingers` is read when the connection is closed.
    pub(super) fn new(io: Transport, gathers: bool, stall_timeout: Duration, lingers: Arc<AtomicBool>) -> Self {
        Self {
            io,
            gathered: BytesMut::new(),
            gathers,
            stall_timeout,
            stalled: None,
            lingers,
            is_shut: false,
            lingering: None,
            discarded: 0,
        }
    }

    /// Passes a write's outcome on, unless the client has taken nothing for too long.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.stall_timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }

    fn poll_io(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.unless_stalled(cx, outcome)
    }

    /// Writes the gathered bytes, and as much of `bufs` as goes with them.
    fn poll_gathered(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        while !self.gathered.is_empty() {
            let gathered = std::mem::take(&mut self.gathered);
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            for (slot, slice) in
                slices.iter_mut().zip(std::iter::once(IoSlice::new(&gathered)).chain(bufs.iter().copied()))
            {
                *slot = slice;
            }
            let outcome = self.poll_io(cx, &slices);
            let Poll::Ready(Ok(written)) = outcome else {
                self.gathered = gathered;
                return outcome;
            };
            if written == 0 {
                self.gathered = gathered;
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(beyond) = written.checked_sub(gathered.len()) {
                if beyond > 0 {
                    return Poll::Ready(Ok(beyond));
                }
            } else {
                self.gathered = gathered;
                self.gathered.advance(written);
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Reads away what the client still sends, where something was left unread: a socket that is closed with unread bytes sends a reset,
    /// which can destroy the response before the client reads it. A client that is still sending after [`LINGER`] is cut.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.lingers.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let timer = self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut bytes = [0; 4096];
        while self.discarded < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.discarded += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_read(cx, buf);
        if outcome.is_pending() && !this.gathered.is_empty() {
            // Nothing more is written for now, so what is gathered must not wait. A failure shows in the next write.
            let _ = this.poll_gathered(cx, &[]);
        }
        outcome
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        if this.gathers && this.gathered.len() + total <= GATHER_BYTES {
            for buf in bufs {
                this.gathered.extend_from_slice(buf);
            }
            return Poll::Ready(Ok(total));
        }
        if !this.gathered.is_empty() {
            let written = ready!(this.poll_gathered(cx, bufs))?;
            if written > 0 {
                return Poll::Ready(Ok(written));
            }
        }
        this.poll_io(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_gathered(cx, &[]))?;
        let outcome = Pin::new(&mut this.io).poll_flush(cx);
        this.unless_stalled(cx, outcome)
    }

    /// Lingers, too: it is by this that pingora closes a connection of HTTP/1, and drops it when it is done.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            ready!(this.poll_gathered(cx, &[]))?;
            let outcome = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.unless_stalled(cx, outcome))?;
            this.is_shut = true;
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // There is nobody to tell: the connection goes either way.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl Ssl for Connection {}
impl Peek for Connection {}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
