//! What the listener asks of the gateway, and what it tells it.
//!
//! The gateway decides; the listener moves bytes. No socket, no pingora type and no TLS is visible from here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Version, request};
use url::Url;

use crate::error::{Code, Error, RequestId};
use crate::gateway::{Body, RequestContext};

/// The gateway, as the listener sees it.
///
/// Every request that reaches it has been checked: its head is unambiguous, its URI is in origin form (`/path?query`),
/// and it has exactly one `Host` header, over HTTP/2 as well.
#[async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// Decides what answers a request, before a byte of its body is read.
    async fn route(&self, parts: &request::Parts, context: &RequestContext) -> Routed;

    /// Answers a request that was routed to [`Routed::Serve`]. The [`RequestContext`] is in its extensions. Errors of
    /// the request's body are [`BodyError`](super::BodyError)s. Dropped when the client leaves.
    async fn serve(&self, request: Request<Body>) -> Response<Body>;

    /// Told once of each request when it has ended, however it ended.
    fn ended(&self, summary: &Summary);
}

/// What answers a request.
pub enum Routed {
    /// A response that is known already.
    Respond {
        /// The response; the listener adds its length and the request id.
        response: Box<Response<Bytes>>,
        /// The route's name in metrics.
        label: &'static str,
    },
    /// [`Gateway::serve`], with the request's body.
    Serve {
        /// The largest body, in bytes.
        body_limit: u64,
        /// The route's name in metrics.
        label: &'static str,
    },
    /// The upstream registry.
    Forward(Box<Forward>),
}

/// How a request is forwarded.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where to.
    pub upstream: Arc<Upstream>,
    /// The target the upstream sees; never the client's own bytes.
    pub path_and_query: PathAndQuery,
    /// Request headers that the upstream must not see. Hop-by-hop headers never go through.
    pub remove_request_headers: Vec<HeaderName>,
    /// Request headers to set; each replaces the client's. `Host` is the upstream's unless it stands here.
    pub set_request_headers: HeaderMap,
    /// The largest request body, in bytes.
    pub body_limit: u64,
    /// What a larger body is answered with.
    pub too_large: Code,
    /// How long the upstream may take to answer once it has the whole request; unset: `store.response_timeout`, plus
    /// the time to hash the declared body at `store.finalize_rate`.
    pub response_timeout: Option<Duration>,
    /// Response headers that the client must not see.
    pub remove_response_headers: Vec<HeaderName>,
    /// Looks at the answer's head before the client sees it; unset: it passes.
    pub answer: Option<Arc<dyn Answer>>,
    /// The route's name in metrics.
    pub label: &'static str,
}

impl Forward {
    /// Forwards to `upstream` with nothing added or removed.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, path_and_query: PathAndQuery, body_limit: u64, label: &'static str) -> Self {
        Self {
            upstream,
            path_and_query,
            remove_request_headers: Vec::new(),
            set_request_headers: HeaderMap::new(),
            body_limit,
            too_large: Code::EntityTooLarge,
            response_timeout: None,
            remove_response_headers: Vec::new(),
            answer: None,
            label,
        }
    }
}

/// Follows a forwarded request: looks at the head of the upstream's answer, and hears how it all ended.
pub trait Answer: std::fmt::Debug + Send + Sync {
    /// What changes in it before the client sees it.
    /// # Errors
    /// It is not passed on: the client reads `UpstreamUnavailable`, the log why.
    fn changes(&self, status: StatusCode, headers: &HeaderMap) -> Result<HeaderChanges, Error>;

    /// Told where the upstream gave no answer: it could not be reached, was silent for too long, or cut a connection that
    /// it had not just kept idle.
    fn missed(&self) {}

    /// Told once when the request has ended, however it ended.
    fn ended(&self, _summary: &Summary) {}
}

/// Changes in a head on its way.
#[derive(Debug, Clone, Default)]
pub struct HeaderChanges {
    /// Headers that must not be seen.
    pub remove: Vec<HeaderName>,
    /// Headers to set; each replaces what was there.
    pub set: HeaderMap,
}

/// An upstream registry's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether it speaks TLS. Its certificate must then be valid for `host`: there is no way not to verify it.
    pub tls: bool,
    /// What its `Host` header says.
    pub authority: String,
}

impl Upstream {
    /// The upstream of a base URL; a path in it is not looked at.
    /// # Errors
    /// Not an `http` or `https` URL with a host.
    pub fn parse(url: &str) -> Result<Self, InvalidUpstream> {
        let invalid = |reason| InvalidUpstream { url: redacted(url), reason };
        let parsed = Url::parse(url).map_err(|_| invalid("it is not a URL"))?;
        let tls = match parsed.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(invalid("its scheme is neither http nor https")),
        };
        let host = parsed.host_str().ok_or_else(|| invalid("it has no host"))?;
        let port = parsed.port_or_known_default().ok_or_else(|| invalid("it has no port"))?;
        let authority = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, tls, authority })
    }
}

/// An upstream URL that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the upstream URL {url} cannot be used: {reason}")]
pub struct InvalidUpstream {
    url: String,
    reason: &'static str,
}

/// A URL without what may be a password in it.
fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}***{}", url.get(..scheme + 3).unwrap_or_default(), url.get(at..).unwrap_or_default())
        }
        _ => url.to_owned(),
    }
}

/// How a request went.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The request's id.
    pub request_id: RequestId,
    /// The client's address.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The HTTP version.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// The path, without the query: a presigned URL's query is a secret.
    pub path: String,
    /// The route's name in metrics.
    pub label: &'static str,
    /// The status that was sent; 0: none was.
    pub status: u16,
    /// Body bytes read from the client.
    pub bytes_in: u64,
    /// Body bytes written to the client.
    pub bytes_out: u64,
    /// From the end of the header to the end of the response.
    pub duration: Duration,
    /// How it ended.
    pub ending: Ending,
    /// What the upstream did; unset: the request was not forwarded.
    pub upstream: Option<UpstreamOutcome>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The whole response was sent.
    Complete,
    /// The client left, or stood still for too long.
    ClientGone,
    /// We could not send a whole response, and cut the connection or the stream.
    Cut,
}

/// What the upstream did with a forwarded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamOutcome {
    /// Whether it was told of the request: from the first byte of the head on, for nobody knows what it has read.
    pub sent: bool,
    /// Its status; unset: it gave none.
    pub status: Option<u16>,
    /// From the request's head being ready to the response's head; unset: there was none.
    pub latency: Option<Duration>,
    /// Whether it did not answer, broke off, or sent something that cannot be passed on.
    pub failed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_url_gives_host_port_and_authority() {
        let plain = Upstream::parse("http://127.0.0.1:5001").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.tls), ("127.0.0.1", 5001, false));
        let secure = Upstream::parse("https://zot.example/base").unwrap();
        assert_eq!((secure.authority.as_str(), secure.port, secure.tls), ("zot.example", 443, true));
        assert_eq!(Upstream::parse("http://[::1]:5001").unwrap().host, "::1");
    }

    #[test]
    fn an_upstream_url_that_cannot_be_used_is_refused_without_its_password() {
        let error = Upstream::parse("ftp://user:hunter2@host/").unwrap_err().to_string();
        assert!(error.contains("host") && !error.contains("hunter2"), "{error}");
    }
}
