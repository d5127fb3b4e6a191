//! The operations of the distribution API, one file a resource. A handler gets checked names and turns storage into
//! answers; whatever touches the disk runs on a blocking thread.

mod blobs;
mod listing;
mod manifests;
mod referrers;
mod uploads;

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header::ALLOW, request};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use crate::{
    body::RequestBody,
    error::{ApiError, Code},
    name::RepositoryName,
    query::Query,
    registry::Inner,
    response::{self, Answer},
    route::Target,
    storage::repository::Repository,
};

/// How long a request waits for others that change manifests of the same repository.
const CHANGE_WAIT: Duration = Duration::from_secs(30);

/// A request on its way through a handler.
pub(crate) struct Call<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) parts: &'a request::Parts,
    pub(crate) query: Query,
    pub(crate) body: &'a mut RequestBody,
}

impl Call<'_> {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

/// Serves a request whose path has been understood.
pub(crate) async fn serve(target: Target, call: Call<'_>) -> Answer {
    let method = call.parts.method.clone();
    match (target, method.as_str()) {
        (Target::Base, "GET" | "HEAD") => response::json("application/json", &serde_json::Map::new()),
        (Target::Catalog, "GET") => listing::catalog(&call),
        (Target::Tags(name), "GET") => listing::tags(name, call).await,
        (Target::Manifest(name, reference), "GET" | "HEAD") => manifests::get(name, reference, call).await,
        (Target::Manifest(name, reference), "PUT") => manifests::put(name, reference, call).await,
        (Target::Manifest(name, reference), "DELETE") => manifests::delete(name, reference, call).await,
        (Target::Blob(name, digest), "GET" | "HEAD") => blobs::get(name, digest, call).await,
        (Target::Blob(name, digest), "DELETE") => blobs::delete(name, digest, call).await,
        (Target::UploadStart(name), "POST") => uploads::start(name, call).await,
        (Target::Upload(name, id), "GET") => uploads::status(&name, id, &call),
        (Target::Upload(name, id), "PATCH") => uploads::patch(name, id, call).await,
        (Target::Upload(name, id), "PUT") => uploads::finish(name, id, call).await,
        (Target::Upload(name, id), "DELETE") => uploads::cancel(name, id, call).await,
        (Target::Referrers(name, digest), "GET") => referrers::list(name, digest, call).await,
        (target, _) => Err(not_allowed(&target, &method)),
    }
}

fn not_allowed(target: &Target, method: &Method) -> ApiError {
    let allowed = match target {
        Target::Base => "GET, HEAD",
        Target::Catalog | Target::Tags(_) | Target::Referrers(..) => "GET",
        Target::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Target::Blob(..) => "GET, HEAD, DELETE",
        Target::UploadStart(_) => "POST",
        Target::Upload(..) => "GET, PATCH, PUT, DELETE",
    };
    ApiError::new(Code::Unsupported, format!("{method} is not supported here"))
        .header(ALLOW, HeaderValue::from_static(allowed))
}

/// Runs what touches the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}

fn repository(inner: &Inner, name: &RepositoryName) -> Result<Arc<Repository>, ApiError> {
    inner.storage.repository(name).ok_or_else(|| ApiError::new(Code::NameUnknown, "no such repository"))
}

/// Keeps others from changing the manifests of a repository.
async fn lock_manifests(repository: &Repository) -> Result<OwnedRwLockWriteGuard<()>, ApiError> {
    tokio::time::timeout(CHANGE_WAIT, repository.changes.clone().write_owned()).await.map_err(|_| busy())
}

/// Keeps a blob from becoming a manifest.
async fn lock_blobs(repository: &Repository) -> Result<OwnedRwLockReadGuard<()>, ApiError> {
    tokio::time::timeout(CHANGE_WAIT, repository.changes.clone().read_owned()).await.map_err(|_| busy())
}

fn busy() -> ApiError {
    ApiError::too_many("the repository is busy").status(StatusCode::SERVICE_UNAVAILABLE)
}

#[cfg(test)]
mod tests;
