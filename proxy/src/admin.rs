//! The management API, `/-/api/v1`: JSON, one file a resource, described by an OpenAPI document that is made from the code.
//!
//! Every handler takes a [`Permitted`], so that none runs before the policy was asked; errors are those of the one table, in our
//! own JSON. What does not live here: probes and metrics (`rest`), and what is done with artifacts (`crate::supply_chain`).

mod access_key;
mod access_keys;
mod answer;
mod audit;
mod bucket_policy;
mod buckets;
mod caller;
mod configuration;
mod dead_events;
mod etag;
mod event_targets;
mod explain;
mod explain_token;
mod idempotency;
mod lifecycle;
mod my_access_keys;
mod name;
mod on_record;
mod openapi;
mod page;
mod policies;
mod policy_attachments;
mod quotas;
mod refusal;
mod roles;
mod sessions;
mod supply_chain;
mod text;
mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::config::Config;
use crate::error::{Code, Error, RequestId, our_json};
use crate::gateway::{Body, BoxError, RequestContext, full};
use crate::s3::Taken;
use crate::telemetry;

pub use caller::{Asks, Permitted};
pub use idempotency::{Answers, forget_answers};
use on_record::Reads;
pub use openapi::document;
pub use refusal::Refusal;
pub use supply_chain::carry_out_verifications;

/// Where the API begins.
const BASE: &str = "/-/api/v1";

/// Where its description is.
const OPENAPI: &str = "/-/api/openapi.json";

/// Where what is said of artifacts begins: its bodies may be large.
const ARTIFACTS: &str = "/-/api/v1/artifacts/";

/// Where bills of materials are validated: as large.
const VALIDATION: &str = "/-/api/v1/sbom/validate";

/// How often a large body is in memory while it is worked on: as it came, as it was read, as it is written.
const COPIES: u64 = 3;

/// The management API as a function of a request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    app: Arc<App>,
    router: Router,
}

impl Api {
    /// All of it.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let bytes = |path: &str| usize::try_from(Self::body_limit(path, &app.config)).unwrap_or(usize::MAX);
        let (limit, of_artifacts) = (bytes(BASE), bytes(ARTIFACTS));
        let (router, _) = described(of_artifacts).split_for_parts();
        let router = router
            .route(OPENAPI, get(openapi::openapi))
            .fallback(|| async { Refusal::from(Code::NotFound) })
            .method_not_allowed_fallback(|| async { Refusal::from(Code::MethodNotAllowed) })
            .layer(DefaultBodyLimit::max(limit))
            .with_state(app.clone());
        Self { app, router }
    }

    /// Whether a path is of this API.
    #[must_use]
    pub fn owns(path: &str) -> bool {
        path.starts_with("/-/api/")
    }

    /// How long a body may be, in bytes.
    #[must_use]
    pub fn body_limit(path: &str, config: &Config) -> u64 {
        let bytes =
            if takes_documents(path) { config.supply_chain.document_bytes } else { config.limits.document_bytes };
        bytes.as_u64()
    }

    /// Memory for a large body, held until its request is answered. What is small needs none of its own.
    ///
    /// # Errors
    /// `SlowDown` where others have it.
    fn room(&self, request: &Request<Body>) -> Result<Option<Taken>, Error> {
        let (path, method) = (request.uri().path(), request.method());
        if !takes_documents(path) || matches!(*method, Method::GET | Method::HEAD | Method::DELETE) {
            return Ok(None);
        }
        let declared =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = declared.unwrap_or(u64::MAX).min(Self::body_limit(path, &self.app.config));
        if bytes <= self.app.config.limits.document_bytes.as_u64() {
            return Ok(None);
        }
        let room = self.app.documents.take(bytes.saturating_mul(COPIES));
        room.map(Some)
            .ok_or_else(|| Error::from(Code::SlowDown).detail("supply_chain.memory is in use by other requests"))
    }

    /// Answers a request. An error is written with the request's id, and logged, here; and what was read is on record by then.
    pub async fn call(&self, mut request: Request<Body>) -> Response<Body> {
        let context = request.extensions().get::<RequestContext>().cloned();
        let request_id = context.as_ref().map_or_else(RequestId::generate, |context| context.request_id.clone());
        let _room = match self.room(&request) {
            Ok(room) => room,
            Err(error) => {
                error.log(request_id.as_str(), "Unknown");
                telemetry::error(error.code());
                return our_json(&error, &request_id).map(full);
            }
        };
        let reads = Reads::default();
        request.extensions_mut().insert(reads.clone());
        let Ok(response) = self.router.clone().oneshot(received(request)).await;
        let refusal = response.extensions().get::<Refusal>().cloned();
        // Not borrowed while the records are waited for.
        let (status, code) = (response.status().as_u16(), refusal.as_ref().map(|refusal| refusal.error().code()));
        let refusal = match reads.answered(&self.app.journal, status, code).await {
            Ok(()) => refusal,
            Err(error) => Some(error.into()),
        };
        match refusal {
            None => sent(response),
            Some(refusal) => {
                let operation = context.as_ref().and_then(|context| context.operation.get()).unwrap_or(&"Unknown");
                let error = refusal.error();
                error.log(request_id.as_str(), operation);
                telemetry::error(error.code());
                let mut answer = our_json(error, &request_id).map(full);
                // What may be asked for instead.
                if let Some(allow) = response.headers().get(header::ALLOW) {
                    answer.headers_mut().insert(header::ALLOW, allow.clone());
                }
                answer.extensions_mut().insert(error.code());
                answer
            }
        }
    }
}

/// Whether a body may be a document about an artifact.
fn takes_documents(path: &str) -> bool {
    path.starts_with(ARTIFACTS) || path == VALIDATION
}

/// The request in the router's own type of body.
fn received(request: Request<Body>) -> Request<axum::body::Body> {
    request.map(axum::body::Body::new)
}

/// The answer in the gateway's type of body.
fn sent(response: Response<axum::body::Body>) -> Response<Body> {
    response.map(|body| body.map_err(|error| -> BoxError { Box::new(error) }).boxed_unsync())
}

/// Routes and their description, from one source. What is said of artifacts may be of `artifact_bytes`.
fn described(artifact_bytes: usize) -> OpenApiRouter<Arc<App>> {
    let api = OpenApiRouter::new()
        .routes(routes!(whoami::whoami))
        .routes(routes!(configuration::get_configuration))
        .routes(routes!(audit::query_audit))
        .routes(routes!(buckets::list_buckets, buckets::create_bucket))
        .routes(routes!(buckets::get_bucket, buckets::delete_bucket))
        .routes(routes!(
            bucket_policy::get_bucket_policy,
            bucket_policy::put_bucket_policy,
            bucket_policy::delete_bucket_policy
        ))
        .routes(routes!(bucket_policy::get_bucket_policy_history))
        .routes(routes!(quotas::list_quotas))
        .routes(routes!(quotas::get_quota, quotas::put_quota, quotas::delete_quota))
        .routes(routes!(quotas::recount_usage))
        .routes(routes!(lifecycle::get_lifecycle_status))
        .routes(routes!(policies::list_policies))
        .routes(routes!(policies::get_policy, policies::put_policy, policies::delete_policy))
        .routes(routes!(policies::get_policy_history))
        .routes(routes!(
            policy_attachments::list_attachments,
            policy_attachments::attach_policy,
            policy_attachments::detach_policy
        ))
        .routes(routes!(access_keys::list_access_keys, access_keys::create_access_key))
        .routes(routes!(access_keys::get_access_key, access_keys::change_access_key, access_keys::delete_access_key))
        .routes(routes!(access_keys::rotate_access_key))
        .routes(routes!(my_access_keys::list_my_access_keys, my_access_keys::create_my_access_key))
        .routes(routes!(
            my_access_keys::get_my_access_key,
            my_access_keys::change_my_access_key,
            my_access_keys::delete_my_access_key
        ))
        .routes(routes!(my_access_keys::rotate_my_access_key))
        .routes(routes!(roles::list_roles))
        .routes(routes!(roles::get_role, roles::put_role, roles::delete_role))
        .routes(routes!(roles::get_role_history))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::get_session, sessions::revoke_session))
        .routes(routes!(sessions::list_revocations, sessions::revoke))
        .routes(routes!(event_targets::list_event_targets))
        .routes(routes!(
            event_targets::get_event_target,
            event_targets::put_event_target,
            event_targets::delete_event_target
        ))
        .routes(routes!(dead_events::list_dead_events))
        .routes(routes!(dead_events::redeliver_events))
        .routes(routes!(explain::explain))
        .routes(routes!(explain::effective))
        .routes(routes!(explain_token::explain_token))
        .merge(supply_chain::routes())
        .merge(supply_chain::artifact_routes(artifact_bytes));
    let mut described = OpenApiRouter::with_openapi(openapi::head()).nest(BASE, api);
    openapi::complete(described.get_openapi_mut());
    described
}

#[cfg(test)]
mod tests;
