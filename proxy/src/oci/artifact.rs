//! S3 objects as OCI artifacts: `HOST/s3/<bucket>/<folder>:<last part of the key>` where the key fits OCI's grammar, and always
//! `HOST/s3/<bucket>@sha256:…`.
//!
//! Manifests and layers are read from the index and from where S3 reads them. What refers to an object (a signature, an SBOM, an
//! attestation) is pushed here too, and kept in a repository of its own for each bucket. Nothing is ever forwarded under the
//! client's name, so that `s3/<bucket>` here and the registry's own `s3/<number>/<shard>` cannot be taken for each other.
//! What does not live here: what an object's manifest is (`migrations/0016_artifacts.sql`), and finding digests (`artifacts`).

mod attach;
mod blob;
mod detach;
mod folder;
mod layers;
mod manifest;
mod referrers;
mod tags;
mod unnamed;
mod upload;
mod visit;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tracing::Span;

use super::path::Route;
use super::request::BodyLimit;
use super::{API_VERSION, refusal};
use crate::app::App;
use crate::digest::Digest;
use crate::error::{Code, Error, RequestId, Result};
use crate::gateway::{Body, RequestContext, full};
use crate::listener::Routed;
use crate::telemetry;

use folder::Folder;
use visit::Visit;

pub(super) use folder::owns;
pub(super) use unnamed::Ahead;
pub use unnamed::Unnamed;

/// Docker's name for the digest of what is sent.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// What becomes of a request below `s3/`, before a byte of its body is read: blobs of referrers are forwarded to where they are
/// kept, everything else is served here.
///
/// # Errors
/// What the client did wrong, or may not.
pub(super) async fn route(
    app: &App,
    parts: &Parts,
    context: &RequestContext,
    route: &Route,
    span: Span,
) -> Result<Routed> {
    let operation = route
        .operation(&parts.method)
        .ok_or_else(|| Error::from(Code::MethodNotAllowed).with("allow", route.methods()))?;
    if matches!(route, Route::Uploads { .. } | Route::Upload { .. }) {
        return upload::route(app, parts, context, route, span).await;
    }
    let limit = BodyLimit::of(route, &parts.method, &app.config.limits);
    limit.check(&parts.headers)?;
    Ok(Routed::Serve { body_limit: limit.bytes, label: operation.label })
}

/// Answers a request that [`route`] has let through.
pub fn serve(app: Arc<App>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
    Box::pin(async move { respond(&app, request).await })
}

async fn respond(app: &App, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let Some(context) = parts.extensions.remove::<RequestContext>() else {
        let error = Error::internal("a request without its context");
        return super::oci_json(&error, &RequestId::generate()).map(full);
    };
    let mut response = match answer(app, &parts, body, &context).await {
        Ok(response) => response,
        Err(error) => {
            error.log(context.request_id.as_str(), super::operation(&parts));
            telemetry::error(error.code());
            let mut response = refusal(&app.config, &parts, &context, &error).map(full);
            response.extensions_mut().insert(error.code());
            response
        }
    };
    let (name, value) = API_VERSION;
    response.headers_mut().insert(name, value);
    response
}

async fn answer(app: &App, parts: &Parts, body: Body, context: &RequestContext) -> Result<Response<Body>> {
    let route = Route::parse(parts.uri.path())?;
    let visit = Visit::of(app, &route, parts, context).await?;
    let query = parts.uri.query().unwrap_or_default();
    match (&route, &parts.method) {
        (Route::Manifest { reference, .. }, &Method::PUT) => attach::put(&visit, reference, parts, body).await,
        (Route::Manifest { reference, .. }, &Method::DELETE) => detach::delete(&visit, reference).await,
        (Route::Manifest { reference, .. }, _) => manifest::get(&visit, reference).await,
        (Route::Blob { .. }, &Method::DELETE) => Err(Code::PutByS3.into()),
        (Route::Blob { digest, .. }, _) => blob::get(&visit, digest, parts).await,
        (Route::Tags { .. }, _) => tags::list(&visit, query).await,
        (Route::Referrers { digest, .. }, _) => referrers::list(&visit, digest, query).await,
        _ => Err(Code::NotFound.into()),
    }
}

/// A document that is known whole; for a HEAD the listener sends its length alone.
fn document(bytes: impl Into<Bytes>, media_type: &str, digest: Option<&Digest>) -> Result<Response<Body>> {
    let bytes = bytes.into();
    let length = bytes.len();
    let mut response = Response::new(full(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, value(media_type)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(digest) = digest {
        headers.insert(CONTENT_DIGEST, value(&digest.to_string())?);
    }
    Ok(response)
}

/// An answer of no body.
fn done(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(Error::internal)
}
