//! Faults that tests inject, and counts of what reached the registry.
//!
//! A fault matches requests by route and method, may let some pass first, and is used up after some. Delays add up;
//! of the other kinds the one that was injected first wins.

mod broken_body;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body as _;
use http_body_util::BodyExt;

use self::broken_body::{BrokenBody, Damage};
use crate::{
    body::{self, Body},
    digest::{Algorithm, Digest},
    error::{ApiError, Code},
    response::{DOCKER_CONTENT_DIGEST, header_value},
    route::Route,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request is served, but later.
    Delay(Duration),
    /// The request is not served; it is answered with this status. A number that is no status becomes 500.
    Status(u16),
    /// The request is served, then the connection is closed when this many bytes of the response body have been sent;
    /// with 0, before the response's head. So a write has happened that the client was not told of.
    CutConnection {
        /// Bytes of the response body that still arrive.
        after_bytes: u64,
    },
    /// The connection is closed when this many bytes of the request body have been read, or at its end. Nothing is
    /// committed and nothing is answered.
    CutUpload {
        /// Bytes of the request body that are read.
        after_bytes: u64,
    },
    /// The response body ends after this many bytes, and `Content-Length` agrees with it: correct HTTP, wrong content.
    ShortBody {
        /// Bytes of the body that are sent.
        bytes: u64,
    },
    /// The header `Docker-Content-Digest` names other content than the body holds.
    WrongDigest,
    /// The first byte of the response body is changed; every header is as it should be.
    CorruptBody,
}

/// A fault and the requests that it meets.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Requests to this route; `None` for every route.
    pub route: Option<Route>,
    /// Requests with this method; `None` for every method.
    pub method: Option<Method>,
    /// How many matching requests pass unharmed first.
    pub skip: u32,
    /// How many matching requests are then met; `None` for all that follow.
    pub times: Option<u32>,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault for every request to a route.
    pub fn on(route: Route, kind: FaultKind) -> Self {
        Self { route: Some(route), ..Self::everywhere(kind) }
    }

    /// A fault for every request.
    pub fn everywhere(kind: FaultKind) -> Self {
        Self { route: None, method: None, skip: 0, times: None, kind }
    }

    /// Only for requests with this method.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        Self { method: Some(method), ..self }
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Meets this many requests only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    fn matches(&self, route: Route, method: &Method) -> bool {
        self.route.is_none_or(|r| r == route) && self.method.as_ref().is_none_or(|m| m == method)
    }
}

/// An injected fault, to ask how often it struck.
#[derive(Debug, Clone)]
pub struct Injected(Arc<AtomicU32>);

impl Injected {
    /// How many requests the fault has met.
    pub fn hits(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    hits: Arc<AtomicU32>,
}

#[derive(Debug, Default)]
struct State {
    armed: Vec<Armed>,
    requests: BTreeMap<(Route, String), u64>,
}

/// The handle to a registry's faults and request counts. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// Adds a fault; it strikes from the next request on.
    pub fn inject(&self, fault: Fault) -> Injected {
        let hits = Arc::new(AtomicU32::new(0));
        self.state().armed.push(Armed { fault, hits: hits.clone() });
        Injected(hits)
    }

    /// Removes every fault. Counts stay.
    pub fn clear(&self) {
        self.state().armed.clear();
    }

    /// Requests that reached the registry by this route since the last reset, faulty ones included.
    pub fn requests(&self, route: Route) -> u64 {
        self.state().requests.iter().filter(|((r, _), _)| *r == route).map(|(_, count)| count).sum()
    }

    /// Requests by this route with this method.
    pub fn requests_with(&self, route: Route, method: &Method) -> u64 {
        self.state().requests.get(&(route, method.to_string())).copied().unwrap_or(0)
    }

    /// All requests that reached the registry since the last reset.
    pub fn total_requests(&self) -> u64 {
        self.state().requests.values().sum()
    }

    /// Sets the counts back to zero.
    pub fn reset_requests(&self) {
        self.state().requests.clear();
    }

    /// Counts a request and takes the faults that meet it.
    pub(crate) fn meet(&self, route: Route, method: &Method) -> Plan {
        let mut state = self.state();
        *state.requests.entry((route, method.to_string())).or_default() += 1;
        let mut plan = Plan::default();
        for armed in state.armed.iter_mut().filter(|armed| armed.fault.matches(route, method)) {
            if armed.fault.skip > 0 {
                armed.fault.skip -= 1;
            } else if armed.fault.times != Some(0) && plan.take(armed.fault.kind) {
                armed.fault.times = armed.fault.times.map(|times| times - 1);
                armed.hits.fetch_add(1, Ordering::SeqCst);
            }
        }
        plan
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Set on a response that must not be sent: the server closes the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

/// What happens to one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    kind: Option<FaultKind>,
}

impl Plan {
    /// Whether there was room for the fault.
    fn take(&mut self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::Delay(delay) => self.delay += delay,
            _ if self.kind.is_some() => return false,
            _ => self.kind = Some(kind),
        }
        true
    }

    /// After how many bytes of the request body the connection is cut.
    pub(crate) fn cut_upload(&self) -> Option<u64> {
        match self.kind {
            Some(FaultKind::CutUpload { after_bytes }) => Some(after_bytes),
            _ => None,
        }
    }

    /// The answer in place of serving the request.
    pub(crate) fn instead(&self) -> Option<Response<Body>> {
        let Some(FaultKind::Status(status)) = self.kind else { return None };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(ApiError::new(Code::Unknown, "injected fault").status(status).into_response())
    }

    /// Spoils the answer.
    pub(crate) fn spoil(&self, mut response: Response<Body>) -> Response<Body> {
        match self.kind {
            Some(FaultKind::CutConnection { after_bytes: 0 } | FaultKind::CutUpload { .. }) => {
                response.extensions_mut().insert(Cut);
                response
            }
            Some(FaultKind::CutConnection { after_bytes }) => damage(response, Damage::Cut { after_bytes }),
            Some(FaultKind::ShortBody { bytes }) => shorten(response, bytes),
            Some(FaultKind::CorruptBody) => damage(response, Damage::Corrupt),
            Some(FaultKind::WrongDigest) => {
                let other = Digest::of(Algorithm::Sha256, b"content that nobody asked for");
                if let Ok(value) = header_value(other) {
                    response.headers_mut().insert(DOCKER_CONTENT_DIGEST, value);
                }
                response
            }
            Some(FaultKind::Delay(_) | FaultKind::Status(_)) | None => response,
        }
    }
}

fn damage(response: Response<Body>, damage: Damage) -> Response<Body> {
    response.map(|body| BrokenBody::new(body, damage).boxed())
}

fn shorten(mut response: Response<Body>, bytes: u64) -> Response<Body> {
    let declared = response.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let length = declared.or(response.body().size_hint().exact()).unwrap_or(bytes).min(bytes);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if length == 0 {
        return response.map(|_| body::empty());
    }
    damage(response, Damage::Short { bytes: length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_strikes_and_is_used_up() {
        let faults = Faults::default();
        let injected =
            faults.inject(Fault::on(Route::Blob, FaultKind::Status(500)).method(Method::GET).skip(1).times(2));
        let struck: Vec<bool> = (0..5).map(|_| faults.meet(Route::Blob, &Method::GET).instead().is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(injected.hits(), 2);
        assert!(faults.meet(Route::Blob, &Method::HEAD).instead().is_none());
        assert!(faults.meet(Route::Manifest, &Method::GET).instead().is_none());
    }

    #[test]
    fn every_request_is_counted_by_route_and_method() {
        let faults = Faults::default();
        faults.meet(Route::Blob, &Method::GET);
        faults.meet(Route::Blob, &Method::HEAD);
        faults.meet(Route::Other, &Method::GET);
        assert_eq!((faults.requests(Route::Blob), faults.requests_with(Route::Blob, &Method::HEAD)), (2, 1));
        assert_eq!(faults.total_requests(), 3);
        faults.reset_requests();
        assert_eq!(faults.total_requests(), 0);
    }

    #[test]
    fn delays_add_up_and_the_first_other_fault_wins() {
        let faults = Faults::default();
        faults.inject(Fault::everywhere(FaultKind::Delay(Duration::from_millis(1))));
        faults.inject(Fault::everywhere(FaultKind::Delay(Duration::from_millis(2))));
        faults.inject(Fault::everywhere(FaultKind::Status(503)));
        let second = faults.inject(Fault::everywhere(FaultKind::Status(418)));
        let plan = faults.meet(Route::Base, &Method::GET);
        assert_eq!(plan.delay, Duration::from_millis(3));
        assert_eq!(plan.instead().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(second.hits(), 0);
        faults.clear();
        assert!(faults.meet(Route::Base, &Method::GET).instead().is_none());
    }
}
