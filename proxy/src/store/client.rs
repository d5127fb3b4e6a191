//! One request to the registry and the head of its answer: connection pool, credentials, trace context, time-out.
//! What does not live here: whether to try again (`retry`), and what an answer means.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::connect::{Connector, Used};
use super::credentials::Credentials;
use super::failure::Failure;
use super::origin::Origin;
use super::request_body::RequestBody;
use super::response;
use crate::config;
use crate::error::Result;
use crate::telemetry;

/// How long a connection is kept for the next request. Zot closes idle ones after 120 s; being well below it, we rarely
/// use one that is about to go.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// Idle connections kept at the most.
const POOL_SIZE: usize = 256;

/// Sends requests to one registry.
pub(super) struct Client {
    http: legacy::Client<Connector, RequestBody>,
    origin: Origin,
    credentials: Credentials,
}

/// What is to be sent, as often as it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
}

impl Client {
    pub(super) fn new(config: &config::Store) -> Result<Self> {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .build(Connector::new(config)?);
        Ok(Self { http, origin: Origin::parse(&config.url)?, credentials: Credentials::new(config)? })
    }

    pub(super) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Sends a request and waits for the head of the answer for `patience`. An answer that says "not now" is a failure.
    pub(super) async fn send(
        &self,
        head: Head<'_>,
        body: RequestBody,
        patience: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let response = match timeout(patience, self.start(head, body)?).await {
            Ok(response) => response,
            Err(_) => return Err(Failure::Timeout("no answer in time")),
        };
        classify(response).await
    }

    /// Starts a request; its answer is still to be read by [`classify`].
    pub(super) fn start(&self, head: Head<'_>, body: RequestBody) -> Result<legacy::ResponseFuture, Failure> {
        let uri = self.origin.at(head.target).map_err(Failure::Ours)?;
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        if let RequestBody::Bytes(bytes) = request.body()
            && (!bytes.is_empty() || matches!(*head.method, Method::POST | Method::PUT | Method::PATCH))
        {
            // Zot ignores the body of a PUT, and refuses a POST, that does not say its length, even if it is 0.
            let length = HeaderValue::from(bytes.len());
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        let headers = request.headers_mut();
        headers.extend(head.headers.iter().cloned());
        if let Some(authorization) = self.credentials.header(head.method, head.target).map_err(Failure::Ours)? {
            headers.insert(AUTHORIZATION, authorization);
        }
        telemetry::inject(&tracing::Span::current(), headers);
        Ok(self.http.request(request))
    }
}

/// Marks the connection as used and turns an answer that says "not now" into a failure.
pub(super) async fn classify(
    response: Result<Response<Incoming>, legacy::Error>,
) -> Result<Response<Incoming>, Failure> {
    let response = response.map_err(Failure::from_client)?;
    if let Some(used) = response.extensions().get::<Used>() {
        used.mark();
    }
    let status = response.status();
    if !status.is_server_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) {
        return Ok(response);
    }
    let retry_after = response::retry_after(response.headers());
    Err(Failure::Status { status, retry_after, text: response::text(response).await })
}
