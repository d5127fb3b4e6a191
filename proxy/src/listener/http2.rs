//! One HTTP/2 connection: its streams, its idle time, and its end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora_core::protocols::{Digest, Stream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::exchange::{Client, Exchange};
use crate::config::Limits;

/// What one stream may send ahead of its reader.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// What all streams of a connection may send ahead: the bound on what one client can make us hold.
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// What one stream may have waiting to be sent.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// Fewer frames to take apart when uploading.
const FRAME_BYTES: u32 = 64 * 1024;
/// Streams that were reset and are remembered, and resets that are tolerated: above it the connection ends (rapid
/// reset, CVE-2023-44487; `MadeYouReset`, CVE-2025-8671).
const RESETS_MAX: usize = 20;
/// Requests on one connection that are refused for their form; above it the connection ends.
const MALFORMED_MAX: u32 = 32;
/// How long a client may take to close after our last GOAWAY.
const FAREWELL: Duration = Duration::from_secs(1);

/// The settings of every HTTP/2 connection; nothing is left to a library's default.
pub(super) fn options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes.as_u64()).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_concurrent_reset_streams(RESETS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(Some(RESETS_MAX))
        .reset_stream_duration(Duration::from_secs(10));
    options
}

/// Serves a connection until it closes. Dropping the future drops every stream's handler.
pub(super) async fn serve(shared: &Arc<Shared>, stream: Stream, client: Client, lingers: &Arc<AtomicBool>) {
    let opening = handshake(stream, Some(shared.h2_options.clone()));
    let Ok(Ok(mut connection)) = timeout(shared.head_limits.complete, opening).await else { return };
    let digest = Arc::new(Digest::default());
    let mut streams = JoinSet::new();
    let mut malformed = 0;
    let mut draining = false;
    let mut idle_until = Instant::now() + shared.head_limits.idle;
    loop {
        tokio::select! {
            biased;
            () = shared.draining.cancelled(), if !draining => {
                connection.graceful_shutdown();
                draining = true;
                idle_until = Instant::now() + FAREWELL;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    let exchange = Exchange::new(client, Arc::clone(lingers));
                    let shared = Arc::clone(shared);
                    streams.spawn(async move {
                        shared.process(ServerSession::new_http2(session), &exchange).await;
                    });
                }
                Ok(Some(H2Accept::Rejected)) => {
                    malformed += 1;
                    if malformed >= MALFORMED_MAX {
                        return;
                    }
                }
                Ok(None) | Err(_) => return,
            },
            Some(_) = streams.join_next(), if !streams.is_empty() => {
                let patience = if draining { FAREWELL } else { shared.head_limits.idle };
                idle_until = Instant::now() + patience;
            }
            () = sleep_until(idle_until), if streams.is_empty() => return,
        }
    }
}
