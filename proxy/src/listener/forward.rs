//! One forwarded request: the peer, the request that it sees, and what of its answer the client sees.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Uri, header};
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

use super::bridge::HOP_BY_HOP;
use super::contract::{Forward, Upstream};
use super::respond::{ID_HEADERS, id_value};
use crate::config::{Limits, Store};
use crate::error::RequestId;

/// How long an unused connection to the upstream is kept.
const UPSTREAM_IDLE: Duration = Duration::from_secs(60);
/// How long a resolved name is used.
const NAME_TTL: Duration = Duration::from_secs(10);
/// Names that are remembered at the most; there are as many as upstreams are configured.
const NAMES_MAX: usize = 256;
/// How much longer than the client's own stall timeout the upstream waits: a slow client is the client's fault.
const CLIENT_FIRST: Duration = Duration::from_secs(5);

/// A request body that is larger than its route allows.
pub(super) const TOO_LARGE: ErrorType = ErrorType::new("BodyTooLarge");
/// An answer of the upstream that cannot be passed on.
pub(super) const BAD_ANSWER: ErrorType = ErrorType::new("UpstreamAnswer");

/// How patient we are with upstreams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    connect: Duration,
    response: Duration,
    stall: Duration,
    finalize_rate: u64,
    client_stall: Duration,
}

impl Patience {
    pub(super) fn new(store: &Store, limits: &Limits) -> Self {
        Self {
            connect: store.connect_timeout,
            response: store.response_timeout,
            stall: store.stall_timeout,
            finalize_rate: store.finalize_rate.as_u64().max(1),
            client_stall: limits.body_stall_timeout,
        }
    }

    /// How long the upstream may say nothing. pingora has one timeout for the answer's head and for every read of its
    /// body, and it runs while a request body is still coming.
    fn read(&self, forward: &Forward, has_body: bool, declared: Option<u64>) -> Duration {
        let hashing = Duration::from_secs(declared.unwrap_or(0) / self.finalize_rate);
        let answer = forward.response_timeout.unwrap_or_else(|| self.response.saturating_add(hashing));
        let uploading = if has_body { self.client_stall.saturating_add(CLIENT_FIRST) } else { Duration::ZERO };
        answer.max(self.stall).max(uploading)
    }
}

/// Names of upstreams and their addresses.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Mutex<HashMap<(String, u16), (SocketAddr, Instant)>>,
}

impl Names {
    async fn resolve(&self, upstream: &Upstream, patience: Duration) -> Result<SocketAddr> {
        if let Ok(address) = upstream.host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, upstream.port));
        }
        let key = (upstream.host.clone(), upstream.port);
        if let Some((address, found)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && found.elapsed() < NAME_TTL
        {
            return Ok(*address);
        }
        let unresolved =
            || Error::explain(ErrorType::ConnectNoRoute, "the upstream's name cannot be resolved").into_up();
        let found = timeout(patience, lookup_host((upstream.host.as_str(), upstream.port))).await;
        let address =
            found.ok().and_then(std::result::Result::ok).and_then(|mut all| all.next()).ok_or_else(unresolved)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        known.insert(key, (address, Instant::now()));
        Ok(address)
    }
}

/// The peer of a forwarded request.
pub(super) async fn peer(
    forward: &Forward,
    names: &Names,
    patience: &Patience,
    has_body: bool,
    declared: Option<u64>,
) -> Result<Box<HttpPeer>> {
    let upstream = &forward.upstream;
    // pingora verifies no certificate at all when there is no name to verify it for.
    if upstream.tls && upstream.host.is_empty() {
        return Error::e_explain(ErrorType::InternalError, "an upstream over TLS needs a name");
    }
    let address = names.resolve(upstream, patience.connect).await?;
    let mut peer = HttpPeer::new(address, upstream.tls, upstream.host.clone());
    peer.options.connection_timeout = Some(patience.connect);
    peer.options.total_connection_timeout = Some(patience.connect.saturating_mul(2));
    peer.options.read_timeout = Some(patience.read(forward, has_body, declared));
    peer.options.write_timeout = Some(patience.stall);
    peer.options.idle_timeout = Some(UPSTREAM_IDLE);
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    Ok(Box::new(peer))
}

/// Makes the client's request into the one that the upstream sees.
pub(super) fn prepare_request(forward: &Forward, request: &mut RequestHeader) -> Result<()> {
    request.set_uri(Uri::from(forward.path_and_query.clone()));
    for name in &forward.remove_request_headers {
        request.remove_header(name);
    }
    let host =
        HeaderValue::from_str(&forward.upstream.authority).or_err(ErrorType::InternalError, "the upstream's name")?;
    request.insert_header(header::HOST, host)?;
    for (name, value) in &forward.set_request_headers {
        request.insert_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Makes the upstream's answer into the one that the client sees.
pub(super) fn prepare_response(forward: &Forward, id: &RequestId, response: &mut ResponseHeader) -> Result<()> {
    for name in HOP_BY_HOP.iter().filter(|name| **name != header::TRANSFER_ENCODING) {
        response.remove_header(name);
    }
    for name in &forward.remove_response_headers {
        response.remove_header(name);
    }
    if let Some(answer) = &forward.answer {
        let changes = answer
            .changes(response.status, &response.headers)
            .map_err(|error| Error::explain(BAD_ANSWER, error.for_log()).into_up())?;
        for name in &changes.remove {
            response.remove_header(name);
        }
        for (name, value) in &changes.set {
            response.insert_header(name.clone(), value.clone())?;
        }
    }
    if let Some(location) = response.headers.get(header::LOCATION) {
        let location = local_location(forward, location)?;
        response.insert_header(header::LOCATION, location)?;
    }
    for name in ID_HEADERS {
        response.insert_header(name, id_value(id))?;
    }
    Ok(())
}

/// A `Location` without its authority. One that leads to another host would make the client send its credentials there.
fn local_location(forward: &Forward, location: &HeaderValue) -> Result<HeaderValue> {
    let foreign = || Error::explain(BAD_ANSWER, "the upstream's Location leads elsewhere").into_up();
    let uri = location.to_str().ok().and_then(|text| text.parse::<Uri>().ok()).ok_or_else(foreign)?;
    let named = forward.set_request_headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match uri.authority().map(http::uri::Authority::as_str) {
        None if uri.path().starts_with('/') && !uri.path().starts_with("//") => Ok(location.clone()),
        Some(authority) if authority == forward.upstream.authority || Some(authority) == named => {
            let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            HeaderValue::from_str(path).or_err(BAD_ANSWER, "the upstream's Location")
        }
        _ => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn forward() -> Forward {
        let upstream = Arc::new(Upstream::parse("http://zot:5000").unwrap());
        Forward::new(upstream, "/v2/a/blobs/uploads/?x=1".parse().unwrap(), 10, "test")
    }

    fn location(value: &'static str) -> Result<String> {
        let found = local_location(&forward(), &HeaderValue::from_static(value))?;
        Ok(found.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_location_leads_back_to_us_or_nowhere() {
        assert_eq!(location("/v2/a/blobs/uploads/1?s=2").unwrap(), "/v2/a/blobs/uploads/1?s=2");
        assert_eq!(location("http://zot:5000/v2/a?s=2").unwrap(), "/v2/a?s=2");
        for elsewhere in ["http://evil/v2/a", "//evil/v2", "http://zot:5001/", "evil"] {
            assert!(location(elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn the_upstream_sees_the_planned_request_only() {
        let mut forward = forward();
        forward.remove_request_headers.push(header::AUTHORIZATION);
        forward.set_request_headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let mut request = RequestHeader::build("PUT", b"/v2/other", None).unwrap();
        request.insert_header("authorization", "secret").unwrap();
        request.insert_header("host", "client").unwrap();
        prepare_request(&forward, &mut request).unwrap();
        assert_eq!(request.uri.to_string(), "/v2/a/blobs/uploads/?x=1");
        assert_eq!(request.headers["host"], "zot:5000");
        assert_eq!(request.headers["accept"], "*/*");
        assert!(!request.headers.contains_key("authorization"));
    }

    #[tokio::test]
    async fn an_upstream_over_tls_without_a_name_is_never_connected_to() {
        let mut forward = forward();
        forward.upstream = Arc::new(Upstream { host: String::new(), port: 1, tls: true, authority: String::new() });
        let patience = Patience::new(&Store::default(), &Limits::default());
        assert!(peer(&forward, &Names::default(), &patience, false, None).await.is_err());
    }

    #[test]
    fn an_upload_may_take_as_long_as_it_takes_to_hash() {
        let patience = Patience::new(&Store::default(), &Limits::default());
        let declared = Store::default().finalize_rate.as_u64() * 100;
        assert!(patience.read(&forward(), true, Some(declared)) >= Duration::from_secs(100));
        assert!(patience.read(&forward(), true, None) > Limits::default().body_stall_timeout);
    }
}
