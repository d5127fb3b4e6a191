//! The phases of a request, as pingora calls them: route, serve or forward, account.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Version, request};
use ipnet::IpNet;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::http::ServerSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error as PingoraError, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::{BodyError, Feed};
use super::bridge::{Bridge, declared_length, expects_continue, parts_of};
use super::client::client;
use super::connection::LINGER;
use super::contract::{Ending, Forward, Gateway, Routed, Summary, UpstreamOutcome};
use super::exchange::{EXCHANGE, Exchange};
use super::forward::{BAD_ANSWER, Names, Patience, TOO_LARGE, peer, prepare_request, prepare_response};
use super::meter::Meter;
use super::respond::render;
use super::sanity;
use crate::error::{Code, Error, RequestId};
use crate::gateway::RequestContext;

/// Paths that are answered however busy we are: a probe that fails under load would have the process killed for it.
const PROBES: [&str; 2] = ["/-/livez", "/-/readyz"];
/// What a request is called before its route is known.
const UNROUTED: &str = "unrouted";

/// What all requests share.
pub(super) struct Front {
    pub(super) gateway: Arc<dyn Gateway>,
    pub(super) stall_timeout: Duration,
    pub(super) patience: Patience,
    pub(super) requests: Arc<Semaphore>,
    /// Networks whose word is taken for who the client is.
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) draining: CancellationToken,
    pub(super) names: Names,
}

/// One request.
pub(super) struct Ctx {
    gateway: Arc<dyn Gateway>,
    exchange: Option<Arc<Exchange>>,
    began: Instant,
    id: RequestId,
    method: Method,
    path: String,
    version: Version,
    label: &'static str,
    /// Set by whoever finds out while the request is served; more precise than `label`.
    operation: Arc<OnceLock<&'static str>>,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    ending: Ending,
    forwarding: Option<Box<Forwarding>>,
    permit: Option<OwnedSemaphorePermit>,
    counted: bool,
}

/// A forwarded request's progress.
struct Forwarding {
    plan: Forward,
    has_body: bool,
    declared: Option<u64>,
    received: u64,
    meter: Meter,
    began: Option<Instant>,
    outcome: UpstreamOutcome,
    /// The upstream closed a connection that it had kept idle, which says nothing about its health.
    idle_closed: bool,
}

impl Forwarding {
    /// The upstream failed.
    fn fail(&mut self) {
        self.outcome.failed = true;
        if let Some(answer) = self.plan.answer.as_ref().filter(|_| self.outcome.status.is_none() && !self.idle_closed) {
            answer.missed();
        }
    }
}

impl Drop for Ctx {
    /// Reports the request, also where its task was dropped in the middle of it.
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take().filter(|_| self.counted) else { return };
        let summary = Summary {
            request_id: self.id.clone(),
            peer: exchange.client.peer,
            secure: exchange.client.secure,
            version: self.version,
            method: self.method.clone(),
            path: std::mem::take(&mut self.path),
            label: self.operation.get().copied().unwrap_or(self.label),
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration: self.began.elapsed(),
            ending: self.ending,
            upstream: self.forwarding.as_ref().map(|forwarding| forwarding.outcome),
        };
        if let Some(answer) = self.forwarding.as_ref().and_then(|forwarding| forwarding.plan.answer.as_ref()) {
            answer.ended(&summary);
        }
        self.gateway.ended(&summary);
    }
}

impl Front {
    /// Answers with an error of the table.
    async fn refuse(&self, session: &mut ServerSession, ctx: &Ctx, error: &Error, undecided: bool) -> Result<()> {
        error.log(ctx.id.as_str(), ctx.label);
        let Some(exchange) = &ctx.exchange else { return Ok(()) };
        let response = render(error, &ctx.path, &ctx.id);
        Bridge { session, exchange, id: &ctx.id }.respond(response, undecided).await
    }

    async fn serve(&self, session: &mut ServerSession, ctx: &Ctx, parts: request::Parts, limit: u64) -> Result<()> {
        let Some(exchange) = &ctx.exchange else { return Ok(()) };
        let empty = session.is_body_empty();
        let declared = declared_length(&parts.headers);
        if !empty && declared.is_some_and(|declared| declared > limit) {
            let undecided = expects_continue(&parts);
            return self.refuse(session, ctx, &Error::from(Code::EntityTooLarge), undecided).await;
        }
        let meter = Meter::new(self.stall_timeout);
        let (feed, body) = Feed::new(empty, declared, limit, meter, expects_continue(&parts));
        let failed = || {
            let error = Error::internal("the handler of a request panicked");
            error.log(ctx.id.as_str(), ctx.label);
            render(&error, &ctx.path, &ctx.id)
        };
        let request = Request::from_parts(parts, body);
        Bridge { session, exchange, id: &ctx.id }.serve(self.gateway.as_ref(), request, feed, failed).await
    }

    /// Plans a forward; whether it was refused instead.
    async fn plan_forward(
        &self,
        session: &mut ServerSession,
        ctx: &mut Ctx,
        parts: &request::Parts,
        plan: Box<Forward>,
    ) -> Result<bool> {
        let has_body = !session.is_body_empty();
        let declared = declared_length(&parts.headers).filter(|_| has_body);
        ctx.label = plan.label;
        if declared.is_some_and(|declared| declared > plan.body_limit) {
            let error = Error::from(plan.too_large);
            self.refuse(session, ctx, &error, expects_continue(parts)).await?;
            return Ok(true);
        }
        let mut meter = Meter::new(self.stall_timeout);
        if let Some(exchange) = ctx.exchange.as_ref().filter(|_| has_body) {
            exchange.watchdog.set(Some(meter.deadline()));
        }
        ctx.forwarding = Some(Box::new(Forwarding {
            plan: *plan,
            has_body,
            declared,
            received: 0,
            meter,
            began: None,
            outcome: UpstreamOutcome { sent: false, status: None, latency: None, failed: false },
            idle_closed: false,
        }));
        Ok(false)
    }
}

/// What to answer where pingora gave up; `None`: there is nobody to answer, or an answer has begun.
fn code_of(error: &PingoraError, ctx: &Ctx) -> Option<Code> {
    match (error.etype(), error.esource()) {
        (etype, _) if *etype == TOO_LARGE => {
            Some(ctx.forwarding.as_ref().map_or(Code::EntityTooLarge, |forwarding| forwarding.plan.too_large))
        }
        (ErrorType::InvalidHTTPHeader, ErrorSource::Downstream) => Some(Code::InvalidRequest),
        (ErrorType::ConnectionClosed, ErrorSource::Downstream) => None,
        (_, ErrorSource::Downstream) => match BodyError::of_read(error) {
            BodyError::ClientGone => None,
            body => Some(body.code()),
        },
        (_, ErrorSource::Upstream) => Some(Code::UpstreamUnavailable),
        (_, ErrorSource::Internal | ErrorSource::Unset) => Some(Code::InternalError),
    }
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            gateway: Arc::clone(&self.gateway),
            exchange: EXCHANGE.try_with(Arc::clone).ok(),
            began: Instant::now(),
            id: RequestId::generate(),
            method: Method::GET,
            path: String::new(),
            version: Version::HTTP_11,
            label: UNROUTED,
            operation: Arc::default(),
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            ending: Ending::Cut,
            forwarding: None,
            permit: None,
            counted: false,
        }
    }

    /// No modules: nothing recompresses what has a digest.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let session = session.as_downstream_mut();
        session.set_read_timeout(Some(self.stall_timeout));
        session.set_write_timeout(Some(self.stall_timeout));
        // The rest of a small unread body: a connection that is given up for it is cut.
        session.set_total_drain_timeout(Some(LINGER));
        let mut parts = parts_of(session.req_header());
        ctx.method = parts.method.clone();
        ctx.path = parts.uri.path().to_owned();
        ctx.version = parts.version;
        ctx.counted = true;
        let Some(exchange) = ctx.exchange.clone() else {
            return PingoraError::e_explain(ErrorType::InternalError, "a request outside of its connection");
        };
        if self.draining.is_cancelled() {
            session.set_keepalive(None);
        }
        let undecided = expects_continue(&parts);
        if let Err(malformed) = sanity::check_fields(&parts.headers) {
            let error = Error::new(Code::InvalidRequest, malformed.0);
            self.refuse(session, ctx, &error, true).await?;
            return Ok(true);
        }
        ctx.permit = Arc::clone(&self.requests).try_acquire_owned().ok();
        if ctx.permit.is_none() && !PROBES.contains(&ctx.path.as_str()) {
            self.refuse(session, ctx, &Error::from(Code::SlowDown), undecided).await?;
            return Ok(true);
        }
        let (peer, secure) =
            client(&self.trusted_proxies, exchange.client.peer, exchange.client.secure, &parts.headers);
        let context = RequestContext {
            request_id: ctx.id.clone(),
            peer: Some(peer),
            secure,
            operation: Arc::clone(&ctx.operation),
        };
        match self.gateway.route(&parts, &context).await {
            Routed::Respond { response, label } => {
                ctx.label = label;
                Bridge { session, exchange: &exchange, id: &ctx.id }.respond(*response, undecided).await?;
            }
            Routed::Serve { body_limit, label } => {
                ctx.label = label;
                parts.extensions.insert(context);
                Box::pin(self.serve(session, ctx, parts, body_limit)).await?;
            }
            Routed::Forward(plan) => return self.plan_forward(session, ctx, &parts, plan).await,
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let Some(forwarding) = &mut ctx.forwarding else {
            return PingoraError::e_explain(ErrorType::InternalError, "a request that nobody routed");
        };
        forwarding.began = Some(Instant::now());
        forwarding.idle_closed = false;
        peer(&forwarding.plan, &self.names, &self.patience, forwarding.has_body, forwarding.declared).await
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let Some(forwarding) = &mut ctx.forwarding else { return Ok(()) };
        prepare_request(&forwarding.plan, upstream_request)?;
        forwarding.outcome.sent = true;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let Some(forwarding) = &mut ctx.forwarding else { return Ok(()) };
        let read = body.as_ref().map_or(0, Bytes::len);
        forwarding.received = forwarding.received.saturating_add(read as u64);
        if forwarding.received > forwarding.plan.body_limit {
            return Err(PingoraError::new_down(TOO_LARGE));
        }
        if let Some(exchange) = &ctx.exchange {
            forwarding.meter.moved(read);
            exchange.watchdog.set((!end_of_stream).then(|| forwarding.meter.deadline()));
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        upstream_response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if upstream_response.status.is_informational() && upstream_response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        let Some(forwarding) = &mut ctx.forwarding else { return Ok(()) };
        forwarding.outcome.status = Some(upstream_response.status.as_u16());
        forwarding.outcome.latency = forwarding.began.map(|began| began.elapsed());
        if upstream_response.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(PingoraError::new_up(BAD_ANSWER));
        }
        prepare_response(&forwarding.plan, &ctx.id, upstream_response)?;
        if self.draining.is_cancelled() {
            session.set_keepalive(None);
        }
        if let Some(exchange) = ctx.exchange.as_ref().filter(|_| !session.is_body_done()) {
            exchange.leave_unread();
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<PingoraError>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<PingoraError> {
        // A connection that the upstream closed while it was idle: only a request that had no effect is sent again.
        let untouched = ctx.forwarding.as_ref().is_some_and(|forwarding| !forwarding.has_body);
        let harmless = ctx.method == Method::GET || ctx.method == Method::HEAD;
        if let Some(forwarding) = &mut ctx.forwarding {
            let silent = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout);
            forwarding.idle_closed = reused && !silent;
        }
        error.set_retry(reused && untouched && harmless && session.response_written().is_none());
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &PingoraError, ctx: &mut Ctx) -> FailToProxy {
        let begun = session.response_written().is_some_and(|head| !head.status.is_informational());
        let code = code_of(error, ctx);
        if let Some(forwarding) = &mut ctx.forwarding
            && code == Some(Code::UpstreamUnavailable)
        {
            forwarding.fail();
        }
        ctx.ending = if code.is_none() { Ending::ClientGone } else { Ending::Cut };
        let session = session.as_downstream_mut();
        if let Some(code) = code {
            let failure = Error::from(code).detail(error);
            if begun {
                failure.log(ctx.id.as_str(), ctx.label);
            } else if self.refuse(session, ctx, &failure, true).await.is_ok() {
                ctx.ending = Ending::Complete;
            }
        }
        if ctx.ending == Ending::Complete {
            // Lingers where the client is still sending; over HTTP/2 the stream has been ended already.
            if !session.is_http2() {
                session.shutdown().await;
            }
        } else if session.is_http2() {
            session.shutdown().await;
        }
        let error_code = session.response_written().map_or(0, |head| head.status.as_u16());
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&PingoraError>, ctx: &mut Ctx) {
        ctx.status = session.response_written().map_or(0, |head| head.status.as_u16());
        ctx.bytes_in = session.body_bytes_read() as u64;
        ctx.bytes_out = session.body_bytes_sent() as u64;
        if error.is_none() {
            ctx.ending = Ending::Complete;
        }
    }

    /// Errors are logged where they are answered, once, by the table's rule; pingora would call a client's mistake an error.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &PingoraError) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Ctx,
        _error: &PingoraError,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
