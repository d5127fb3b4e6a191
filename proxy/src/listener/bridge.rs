//! From a pingora session to `http` types and back, streaming: one task moves the request's body to the service and the
//! response's body to the client, each as fast as the other side takes it.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures::FutureExt;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header, request, response,
};
use http_body::Body as _;
use http_body_util::BodyExt;
use pingora_core::protocols::http::ServerSession;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::timeout;

use super::body::{Feed, Step};
use super::connection::{LINGER, LINGER_BYTES};
use super::contract::Gateway;
use super::exchange::Exchange;
use super::respond::stamp;
use crate::error::RequestId;
use crate::gateway::Body;

/// What one write hands to the connection at the most: each such piece has a stall timeout of its own.
const WRITE_BYTES: usize = 128 * 1024;
/// A request body up to this size that nobody read is read away, so that its connection can be used again.
const DRAIN_BYTES: u64 = 256 * 1024;

/// Headers of one hop (RFC 9110, 7.6.1).
pub(super) const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The request's parts as the gateway sees them: origin form, and one `Host` header whatever the HTTP version.
pub(super) fn parts_of(request: &RequestHeader) -> request::Parts {
    let mut parts = request.as_owned_parts();
    if let Some(authority) = parts.uri.authority() {
        if !parts.headers.contains_key(header::HOST)
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(header::HOST, host);
        }
        let origin = parts.uri.path_and_query().cloned();
        parts.uri = origin.map_or_else(http::Uri::default, http::Uri::from);
    }
    parts
}

/// The declared length of a body.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the client waits for `100 Continue` before it sends its body.
pub(super) fn expects_continue(parts: &request::Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// One request on its way through the bridge.
pub(super) struct Bridge<'a> {
    pub(super) session: &'a mut ServerSession,
    pub(super) exchange: &'a Exchange,
    pub(super) id: &'a RequestId,
}

impl Bridge<'_> {
    /// Sends a response that is known whole. `undecided`: the client may or may not send its body now.
    pub(super) async fn respond(&mut self, response: Response<Bytes>, undecided: bool) -> Result<()> {
        self.settle_reuse(!undecided);
        let (parts, body) = response.into_parts();
        let bodiless = self.write_head(parts, Some(body.len() as u64)).await?;
        if !bodiless {
            self.write(body, true).await?;
        }
        self.session.finish_body().await?;
        self.linger().await;
        Ok(())
    }

    /// Has the gateway answer, and sends its answer. `failed` renders the answer where the service panics.
    pub(super) async fn serve(
        &mut self,
        gateway: &dyn Gateway,
        request: Request<Body>,
        mut feed: Feed,
        failed: impl FnOnce() -> Response<Bytes>,
    ) -> Result<()> {
        let mut service = AssertUnwindSafe(gateway.serve(request)).catch_unwind();
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut service => break answer,
                step = feed.step(self.session) => {
                    if step == Step::ClientGone {
                        return Err(gone());
                    }
                }
            }
        };
        drop(service);
        if feed.is_torn() {
            return Err(gone());
        }
        match answer {
            Ok(response) => self.send(response, &mut feed).await,
            Err(_) => self.respond(failed(), !feed.is_reusable()).await,
        }
    }

    async fn send(&mut self, response: Response<Body>, feed: &mut Feed) -> Result<()> {
        self.settle_reuse(feed.is_reusable());
        let (parts, mut body) = response.into_parts();
        let bodiless = self.write_head(parts, body.size_hint().exact()).await?;
        if !bodiless {
            self.stream(&mut body, feed).await?;
        }
        // Fails where the body was shorter than its Content-Length: the connection is then cut, as it must be.
        self.session.finish_body().await?;
        self.linger().await;
        Ok(())
    }

    /// Lets an HTTP/2 client that is still sending read its answer. A stream that is dropped before its end is reset, without an error
    /// (RFC 9113, 8.1), and there are clients that show nothing of an answer that a reset comes after (curl 7.88). So what still comes
    /// is read away first, as a closing connection of HTTP/1 does it.
    async fn linger(&mut self) {
        if !self.session.is_http2() || self.session.is_body_done() {
            return;
        }
        let reading = async {
            let mut total = 0;
            while total < LINGER_BYTES {
                match self.session.read_request_body().await {
                    Ok(Some(bytes)) => total += bytes.len(),
                    Ok(None) | Err(_) => return,
                }
            }
        };
        let _ = timeout(LINGER, reading).await;
    }

    async fn stream(&mut self, body: &mut Body, feed: &mut Feed) -> Result<()> {
        loop {
            tokio::select! {
                biased;
                frame = body.frame() => match frame {
                    None => return Ok(()),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            self.write(data, body.is_end_stream()).await?;
                        }
                    }
                    Some(Err(error)) => return Err(Error::because(ErrorType::InternalError, BROKE_OFF, error)),
                },
                step = feed.step(self.session) => {
                    if step == Step::ClientGone {
                        return Err(gone());
                    }
                }
            }
        }
    }

    /// Writes the response's head; whether no body may follow it.
    async fn write_head(&mut self, mut parts: response::Parts, length: Option<u64>) -> Result<bool> {
        let request = self.session.req_header();
        let (method, version) = (request.method.clone(), request.version);
        let bodiless = frame(&mut parts, &method, version, length);
        stamp(&mut parts.headers, self.id);
        let until_close =
            !bodiless && version < Version::HTTP_11 && !parts.headers.contains_key(header::CONTENT_LENGTH);
        if until_close {
            self.session.set_keepalive(None);
            if !self.session.is_body_done() {
                self.exchange.leave_unread();
            }
        }
        self.session.write_response_header(Box::new(ResponseHeader::from(parts))).await?;
        Ok(bodiless)
    }

    async fn write(&mut self, mut data: Bytes, last: bool) -> Result<()> {
        while data.len() > WRITE_BYTES {
            let piece = data.split_to(WRITE_BYTES);
            self.session.write_response_body(piece, false).await?;
        }
        if data.is_empty() && !last {
            return Ok(());
        }
        // HTTP/1 bodies are ended by `finish_body`, which flushes too.
        let ends_stream = last && self.session.is_http2();
        self.session.write_response_body(data, ends_stream).await
    }

    /// Decides whether the connection goes on after this response when the request's body is not read to its end.
    fn settle_reuse(&mut self, reusable: bool) {
        if !reusable {
            self.session.set_keepalive(None);
        }
        if self.session.is_body_done() {
            return;
        }
        let left = declared_length(&self.session.req_header().headers)
            .map(|declared| declared.saturating_sub(self.session.body_bytes_read() as u64));
        let is_small = left.is_some_and(|left| left <= DRAIN_BYTES);
        if let ServerSession::H1(session) = self.session
            && reusable
            && is_small
            && session.will_keepalive()
        {
            // pingora reads the rest away before it reuses the connection.
            session.set_close_on_response_before_downstream_finish(false);
            return;
        }
        // Also where the client has asked for the close.
        self.session.set_keepalive(None);
        if !self.session.is_http2() {
            self.exchange.leave_unread();
        }
    }
}

const BROKE_OFF: &str = "the response's body broke off";

/// The client left: there is nobody to answer.
fn gone() -> Box<Error> {
    Error::new_down(ErrorType::ConnectionClosed)
}

/// Frames a response: hop-by-hop headers go, its length comes. Whether no body may follow.
fn frame(parts: &mut response::Parts, method: &Method, version: Version, length: Option<u64>) -> bool {
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
    if parts.status == StatusCode::NO_CONTENT || parts.status.is_informational() {
        parts.headers.remove(header::CONTENT_LENGTH);
        return true;
    }
    if parts.status == StatusCode::NOT_MODIFIED || method == Method::HEAD {
        // What the length would have been is known only where the service said it, or had a body for it.
        if let Some(length) = length.filter(|length| *length > 0)
            && method == Method::HEAD
        {
            parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        return true;
    }
    if parts.headers.contains_key(header::CONTENT_LENGTH) {
        return false;
    }
    match length {
        Some(length) => {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        None if version == Version::HTTP_11 => {
            parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        None => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(response: response::Builder, method: Method, version: Version, length: Option<u64>) -> (bool, HeaderMap) {
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        let bodiless = frame(&mut parts, &method, version, length);
        (bodiless, parts.headers)
    }

    #[test]
    fn a_length_that_is_known_is_said_and_one_that_is_not_is_chunked() {
        let (_, headers) = framed(Response::builder(), Method::GET, Version::HTTP_11, Some(3));
        assert_eq!(headers[header::CONTENT_LENGTH], "3");
        let (_, headers) = framed(Response::builder(), Method::GET, Version::HTTP_11, None);
        assert_eq!(headers[header::TRANSFER_ENCODING], "chunked");
        let (_, headers) = framed(Response::builder(), Method::GET, Version::HTTP_10, None);
        assert!(headers.is_empty());
    }

    #[test]
    fn head_keeps_the_length_that_the_service_gave() {
        let response = Response::builder().header(header::CONTENT_LENGTH, 1_000_000);
        let (bodiless, headers) = framed(response, Method::HEAD, Version::HTTP_11, Some(0));
        assert!(bodiless);
        assert_eq!(headers[header::CONTENT_LENGTH], "1000000");
    }

    #[test]
    fn no_content_and_not_modified_have_no_body() {
        let (bodiless, headers) = framed(Response::builder().status(204), Method::GET, Version::HTTP_11, Some(0));
        assert!(bodiless && headers.is_empty());
        let (bodiless, headers) = framed(Response::builder().status(304), Method::GET, Version::HTTP_11, None);
        assert!(bodiless && headers.is_empty());
    }

    #[test]
    fn a_service_cannot_set_framing_headers() {
        let response =
            Response::builder().header("connection", "x").header("transfer-encoding", "gzip").header("x", "1");
        let (_, headers) = framed(response, Method::GET, Version::HTTP_11, Some(0));
        assert_eq!(headers.len(), 2, "{headers:?}");
    }

    #[test]
    fn an_http2_request_gets_a_host_header_and_a_path() {
        let (mut parts, ()) = Request::get("https://bucket.example/k?x=1").body(()).unwrap().into_parts();
        parts.version = Version::HTTP_2;
        let parts = parts_of(&RequestHeader::from(parts));
        assert_eq!(parts.headers[header::HOST], "bucket.example");
        assert_eq!(parts.uri.to_string(), "/k?x=1");
    }
}
