//! The S3 API: one file an operation, named as S3 names it.
//!
//! A request passes `guard` (what must hold before a signature is looked at), `s3s` (signature, parsing), `access` (the
//! policy; makes the permit), `dispatch` (hands permit and input to the operation) and its operation. Whatever goes
//! wrong on the way is written by `answer`. Bytes are read by `body` alone. Browsers that ask before they ask are answered by `cors`,
//! and forms by `post_object`, past `s3s`.
//! What does not live here: names and versions (`index`), the life of bytes (`blobs`), connections (`listener`).

mod abort_multipart_upload;
mod access;
mod acl;
mod answer;
mod body;
mod budget;
mod call;
mod checksum;
pub mod compatibility;
mod complete_multipart_upload;
mod conditions;
mod configuration;
mod copy_object;
mod copy_source;
mod cors;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_bucket_cors;
mod delete_bucket_encryption;
mod delete_bucket_lifecycle;
mod delete_bucket_ownership_controls;
mod delete_bucket_policy;
mod delete_bucket_replication;
mod delete_bucket_tagging;
mod delete_bucket_website;
mod delete_object;
mod delete_object_tagging;
mod delete_objects;
mod delete_public_access_block;
mod dispatch;
mod encryption;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod gate;
mod get_bucket_accelerate_configuration;
mod get_bucket_acl;
mod get_bucket_analytics_configuration;
mod get_bucket_cors;
mod get_bucket_encryption;
mod get_bucket_intelligent_tiering_configuration;
mod get_bucket_inventory_configuration;
mod get_bucket_lifecycle_configuration;
mod get_bucket_location;
mod get_bucket_logging;
mod get_bucket_metrics_configuration;
mod get_bucket_notification_configuration;
mod get_bucket_ownership_controls;
mod get_bucket_policy;
mod get_bucket_policy_status;
mod get_bucket_replication;
mod get_bucket_request_payment;
mod get_bucket_tagging;
mod get_bucket_versioning;
mod get_bucket_website;
mod get_object;
mod get_object_acl;
mod get_object_attributes;
mod get_object_legal_hold;
mod get_object_lock_configuration;
mod get_object_retention;
mod get_object_tagging;
mod get_public_access_block;
mod guard;
mod head_bucket;
mod head_object;
mod headers;
mod host;
mod lifecycle;
mod list_bucket_analytics_configurations;
mod list_bucket_intelligent_tiering_configurations;
mod list_bucket_inventory_configurations;
mod list_bucket_metrics_configurations;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_objects_v2;
mod list_parts;
mod listing;
mod multipart;
mod names;
mod notification;
pub(crate) mod object_bytes;
mod object_lock;
mod operation;
mod owner;
mod post_object;
mod put_bucket_accelerate_configuration;
mod put_bucket_acl;
mod put_bucket_cors;
mod put_bucket_encryption;
mod put_bucket_lifecycle_configuration;
mod put_bucket_logging;
mod put_bucket_notification_configuration;
mod put_bucket_ownership_controls;
mod put_bucket_policy;
mod put_bucket_request_payment;
mod put_bucket_tagging;
mod put_bucket_versioning;
mod put_object;
mod put_object_acl;
mod put_object_legal_hold;
mod put_object_lock_configuration;
mod put_object_retention;
mod put_object_tagging;
mod put_public_access_block;
pub(crate) mod range;
mod rename_object;
mod room;
mod signer;
mod tags;
#[cfg(test)]
mod testing;
mod unsupported;
mod upload_part;
mod upload_part_copy;
mod version_id;
mod wanted;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::app::App;
use crate::audit::Kind;
use crate::config;
use crate::error::{Code, Error, RequestId, Result};
use crate::gateway::{Body, RequestContext};
use answer::Asked;
use body::RawBody;
use call::Call;
use operation::Operation;

/// What STS checks its requests with.
pub(crate) mod signature {
    pub(crate) use super::answer::error_of_s3s;
    pub(crate) use super::guard::Service;
    pub(crate) use super::signer::{Asker, Secrets, asker};
}

pub use budget::{Budget, Taken};
pub(crate) use copy_source::{CopySourceName, copy_source};
pub(crate) use host::Domains;
pub(crate) use names::is_bucket_name;
pub use post_object::{check_post_form, check_post_policy};
pub(crate) use put_bucket_policy::{check_reach, put_policy, refuse_public};
pub use room::FullBuckets;

/// The name of every operation that exists here.
pub fn operations() -> impl Iterator<Item = &'static str> {
    Operation::ALL.iter().map(|operation| operation.name())
}

/// What an S3 answer's extensions say about the request, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationName(pub &'static str);

/// The S3 API as a function of a request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    inner: S3Service,
    app: Arc<App>,
    domains: Arc<Domains>,
}

/// Builds the S3 API.
#[must_use]
pub fn service(app: Arc<App>) -> Service {
    let mut builder = S3ServiceBuilder::new(dispatch::Dispatch(Arc::clone(&app)));
    builder.set_auth(signer::Secrets);
    builder.set_access(access::Access(Arc::clone(&app)));
    builder.set_validation(names::BucketNames);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(settings(&app.config.limits)))));
    if !app.config.s3.domains.is_empty() {
        builder.set_host(host::Domains::new(&app.config.s3.domains));
    }
    let domains = Arc::new(Domains::new(&app.config.s3.domains));
    Service { inner: builder.build(), app, domains }
}

fn settings(limits: &config::Limits) -> S3Config {
    let mut settings = S3Config::default();
    settings.xml_max_body_size = usize::try_from(limits.document_bytes.as_u64()).unwrap_or(usize::MAX);
    settings
}

/// Answers one request. Every answer carries `x-amz-request-id`, and the operation's [`OperationName`] in its extensions.
/// A fault of ours is logged here, once; a client's mistake at debug level only.
pub async fn call(service: &Service, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        request_id: parts
            .extensions
            .get::<RequestContext>()
            .map_or_else(RequestId::generate, |cx| cx.request_id.clone()),
    };
    let policies = service.app.authority.policies();
    if parts.method == Method::OPTIONS {
        return answer_preflight(cors::preflight(policies, &service.domains, &parts), &asked);
    }
    let page = cors::Page::of(policies, &service.domains, &parts);
    parts.extensions.insert(asked.request_id.clone());
    let (operation, result) = match post_object::bucket(&service.domains, &parts) {
        Some(bucket) => {
            let taken = post_object::post_object(&service.app, &service.domains, &bucket, parts, body);
            let answer = Box::pin(taken).await.map(|mut answer| {
                answer::add_request_id(answer.headers_mut(), &asked.request_id);
                answer
            });
            (post_object::NAME, answer)
        }
        None => {
            let (call, result) = ask(service, parts, body).await;
            (call.operation(), result.map(|answer| success(answer, call.operation(), &asked)))
        }
    };
    let mut answer = result.map_or_else(
        |error| {
            error.log(asked.request_id.as_str(), operation);
            let mut answer = answer::failure(&error, &asked);
            answer.extensions_mut().insert(error.code());
            answer
        },
        |mut answer| {
            if service.app.config.s3.encryption_at_rest {
                encryption::tell(operation, answer.headers_mut());
            }
            answer
        },
    );
    if let Some(page) = page {
        page.tell(answer.headers_mut());
    }
    answer.extensions_mut().insert(OperationName(operation));
    answer
}

/// Asks `s3s` on behalf of whoever has signed the request.
async fn ask(service: &Service, mut parts: Parts, body: Body) -> (Call, Result<s3s::HttpResponse>) {
    let asker = signer::asker(&service.app, &mut parts, guard::Service::S3).await;
    let body = RawBody::new(body, &parts.headers);
    match asker {
        Ok(asker) => {
            let call = Call::new(body, asker.clone());
            parts.extensions.insert(call.clone());
            let request = Request::from_parts(parts, call.body().for_s3s());
            let answer = asker.scope(ask_s3s(service, request, &call)).await;
            let answer = record_read(&service.app, &call, answer).await;
            (call, answer)
        }
        Err(error) => (Call::new(body, signer::Asker::Nobody), Err(error)),
    }
}

async fn ask_s3s(service: &Service, request: Request<s3s::Body>, call: &Call) -> Result<s3s::HttpResponse> {
    let answer = service.inner.call(request).await.map_err(|error| {
        let cause: crate::gateway::BoxError = error.into();
        Error::internal("s3s could not write its answer").source(cause)
    })?;
    if answer.status().is_success() {
        return match Operation::parse(call.operation()) {
            Some(Operation::GetObjectAttributes) => answer::with_bare_etag(answer).await,
            _ => Ok(answer),
        };
    }
    match call.take_failure() {
        Some(error) => Err(error),
        None => Err(of_operation(answer::error_of_s3s(answer).await, call.operation())),
    }
}

/// S3 has a code of its own for lists that it cannot read.
fn of_operation(error: Error, operation: &str) -> Error {
    match (Operation::parse(operation), error.code()) {
        (Some(Operation::PutBucketAcl | Operation::PutObjectAcl), Code::MalformedXml) => Code::MalformedAcl.into(),
        _ => error,
    }
}

/// Puts a read on record, with how it was answered, before the client hears of it; a change has been recorded with itself.
async fn record_read(app: &App, call: &Call, answer: Result<s3s::HttpResponse>) -> Result<s3s::HttpResponse> {
    let is_read = Operation::parse(call.operation()).is_some_and(|operation| !operation.writes());
    let permit = if is_read { call.permit() } else { None };
    if let Some(record) = permit.and_then(|permit| permit.recorded(Kind::Operation)) {
        let record = match &answer {
            Ok(answer) => record.answered(answer.status().as_u16(), None),
            Err(error) => record.answered(error.row().status, Some(error.code())),
        };
        app.journal.record(record).await?;
    }
    answer
}

/// The answer to a browser that asks before it asks.
fn answer_preflight(allowed: Result<HeaderMap>, asked: &Asked) -> Response<Body> {
    let mut answer = match allowed {
        Ok(headers) => {
            let mut answer = Response::new(answer::empty());
            *answer.headers_mut() = headers;
            answer::add_request_id(answer.headers_mut(), &asked.request_id);
            answer
        }
        Err(error) => {
            error.log(asked.request_id.as_str(), cors::PREFLIGHT);
            let mut answer = answer::failure(&error, asked);
            answer.extensions_mut().insert(error.code());
            answer
        }
    };
    answer.extensions_mut().insert(OperationName(cors::PREFLIGHT));
    answer
}

fn success(answer: s3s::HttpResponse, operation: &str, asked: &Asked) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    answer::add_request_id(&mut parts.headers, &asked.request_id);
    // `s3s` says so for a GET, and forgets it for a HEAD.
    if parts.headers.contains_key(header::CONTENT_RANGE) {
        parts.status = StatusCode::PARTIAL_CONTENT;
    }
    // `s3s` says 200, S3 says that there is nothing to say (AWS, *PutBucketTagging*).
    if Operation::parse(operation) == Some(Operation::PutBucketTagging) {
        parts.status = StatusCode::NO_CONTENT;
    }
    // `s3s` leaves Content-Length to the server below it; a HEAD has the length of what a GET would send.
    let body = if asked.method == Method::HEAD { answer::empty() } else { body.boxed_unsync() };
    Response::from_parts(parts, body)
}
