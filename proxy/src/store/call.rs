//! One call: attempts through the breaker, tried again as `retry` says, measured.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Method, Response};
use hyper::body::Incoming;
use tracing::Instrument as _;

use super::Inner;
use super::breaker::Permit;
use super::client::Head;
use super::failure::Failure;
use super::request_body::RequestBody;
use super::retry::{Observer, Repeat};
use crate::error::{Error, Result};
use crate::telemetry::names;

/// A request whose body is at hand.
pub(super) struct Call<'a> {
    /// Its name in metrics, traces and logs.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    pub(super) body: Bytes,
    pub(super) repeat: Repeat,
    /// What the answer may take beyond the usual time.
    pub(super) extra: Duration,
}

/// The answer to a call.
pub(super) struct Reply {
    pub(super) response: Response<Incoming>,
    /// How often the request was sent; above one, an earlier attempt may have done its work unseen.
    pub(super) attempts: u32,
}

impl<'a> Call<'a> {
    pub(super) fn new(operation: &'static str, method: Method, target: String, repeat: Repeat) -> Self {
        Self { operation, method, target, headers: &[], body: Bytes::new(), repeat, extra: Duration::ZERO }
    }

    pub(super) fn headers(self, headers: &'a [(HeaderName, HeaderValue)]) -> Self {
        Self { headers, ..self }
    }

    pub(super) fn body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    pub(super) fn extra(self, extra: Duration) -> Self {
        Self { extra, ..self }
    }
}

impl Inner {
    /// Makes the call; the answer's status is below 500 and neither 408 nor 429.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply> {
        let observer = Told { store: self, operation: call.operation };
        let (result, attempts) =
            self.retry.run(call.repeat, call.extra, &observer, |left| self.attempt(&call, left)).await;
        match result {
            Ok(response) => Ok(Reply { response, attempts }),
            Err(failure) => Err(self.error(failure, call.operation, attempts)),
        }
    }

    async fn attempt(&self, call: &Call<'_>, left: Duration) -> Result<Response<Incoming>, Failure> {
        let permit = self.breaker.admit().map_err(|for_another| Failure::Open { for_another });
        let patience = left.min(self.config.response_timeout + call.extra);
        let head = Head { method: &call.method, target: &call.target, headers: call.headers };
        let sending = async { self.client.send(head, RequestBody::Bytes(call.body.clone()), patience).await };
        self.measured(call.operation, permit, sending).await
    }

    /// Runs one attempt within its span, and tells breaker and metrics how it ended.
    pub(super) async fn measured(
        &self,
        operation: &'static str,
        permit: Result<Permit, Failure>,
        sending: impl Future<Output = Result<Response<Incoming>, Failure>>,
    ) -> Result<Response<Incoming>, Failure> {
        let begun = Instant::now();
        let result = match permit {
            Err(refused) => Err(refused),
            Ok(permit) => {
                let span = tracing::info_span!("upstream", operation, otel.kind = "client");
                let result = sending.instrument(span).await;
                judge(permit, &result);
                result
            }
        };
        let outcome = match &result {
            Ok(response) if response.status().is_client_error() => "refused",
            Ok(_) => "ok",
            Err(failure) => failure.label(),
        };
        let store = self.config.name.clone();
        metrics::histogram!(names::UPSTREAM_SECONDS, "store" => store, "operation" => operation, "outcome" => outcome)
            .record(begun.elapsed().as_secs_f64());
        result
    }

    pub(super) fn error(&self, failure: Failure, operation: &str, attempts: u32) -> Error {
        failure.into_error(&self.config.name, operation, attempts)
    }

    /// What a registry may take for `bytes` bytes, at the slowest rate that is allowed.
    pub(super) fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_millis(bytes.saturating_mul(1000) / self.config.finalize_rate.as_u64().max(1))
    }
}

fn judge(permit: Permit, result: &Result<Response<Incoming>, Failure>) {
    match result {
        Ok(_) => permit.succeed(),
        Err(failure) if failure.counts_for_breaker() => permit.fail(),
        // It says "not now", but it says it: a registry that limits its rate is alive.
        Err(Failure::Status { .. }) => permit.succeed(),
        Err(_) => drop(permit),
    }
}

/// Tells log and metrics of retries.
struct Told<'a> {
    store: &'a Inner,
    operation: &'static str,
}

impl Observer for Told<'_> {
    fn retrying(&self, failure: &Failure, pause: Duration) {
        let (store, operation, why) = (self.store.config.name.as_str(), self.operation, failure.label());
        metrics::counter!(names::UPSTREAM_RETRIES, "store" => store.to_owned(), "operation" => operation, "reason" => why)
            .increment(1);
        let pause_ms = pause.as_millis();
        tracing::debug!(store, operation, why, pause_ms, "the registry failed us; trying again");
    }
}
