//! One HTTP/1 connection: a head, a request, and again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::BytesMut;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::Shared;
use super::events;
use super::exchange::{Client, Exchange};
use super::head::{self, Head};
use super::respond::{last_words, render};
use super::sanity;
use crate::error::{Code, Error, RequestId};

/// Requests on one connection at the most: closing it now and then frees what it has gathered.
const REQUESTS_PER_CONNECTION: u32 = 10_000;

/// Serves a connection until it closes.
pub(super) async fn serve(shared: &Shared, mut stream: Stream, client: Client, lingers: &Arc<AtomicBool>) {
    for remaining in (0..REQUESTS_PER_CONNECTION).rev() {
        let bytes = match head::read(&mut stream, shared.head_limits, &shared.draining).await {
            Head::Complete { bytes, length } => match check(bytes, length) {
                Ok(bytes) => bytes,
                Err(error) => return refuse(stream, &error, lingers).await,
            },
            Head::Nothing => return,
            Head::TooLarge => {
                return refuse(stream, &Error::from(Code::RequestHeaderSectionTooLarge), lingers).await;
            }
            Head::NotHttp => {
                let text = "This is no HTTP/1 request. Is it TLS, sent to a port without it?";
                return refuse(stream, &Error::new(Code::InvalidRequest, text), lingers).await;
            }
            Head::TooSlow => return refuse(stream, &Error::from(Code::RequestTimeout), lingers).await,
        };
        let mut session = ServerSession::new_http1(stream);
        session.set_pipelined_prefix(bytes);
        session.set_keepalive_reuses_remaining(Some(remaining));
        let exchange = Exchange::new(client, Arc::clone(lingers));
        let Some(reused) = shared.process(session, &exchange).await else { return };
        stream = reused.consume().0;
    }
}

/// Checks a head of `length` bytes; the bytes as they are to be parsed.
fn check(mut bytes: BytesMut, length: usize) -> Result<BytesMut, Error> {
    let head = bytes.get(..length).unwrap_or_default();
    let offers_upgrade = sanity::check_head(head).map_err(|malformed| Error::new(Code::InvalidRequest, malformed.0))?;
    if !offers_upgrade {
        return Ok(bytes);
    }
    let rest = bytes.split_off(length);
    let mut bytes = BytesMut::from(sanity::without_upgrade(&bytes).as_slice());
    bytes.unsplit(rest);
    Ok(bytes)
}

/// Answers what never became a request, and closes.
async fn refuse(mut stream: Stream, error: &Error, lingers: &Arc<AtomicBool>) {
    events::request_refused(error.row().label);
    let id = RequestId::generate();
    error.log(id.as_str(), "refused");
    let words = last_words(render(error, "/", &id), &id);
    lingers.store(true, std::sync::atomic::Ordering::Relaxed);
    // The connection's own stall timeout bounds these writes.
    if stream.write_all(&words).await.is_ok() && stream.flush().await.is_ok() {
        let _ = timeout(std::time::Duration::from_secs(6), stream.shutdown_gently()).await;
    }
}

/// Closing as pingora closes: through its own trait, whose name is that of tokio's.
trait ShutdownGently {
    async fn shutdown_gently(&mut self);
}

impl ShutdownGently for Stream {
    async fn shutdown_gently(&mut self) {
        pingora_core::protocols::Shutdown::shutdown(self.as_mut()).await;
    }
}
