//! The registry as a function of a request.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::EXPECT};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    api::{self, Call},
    body::{Body, RequestBody},
    error::{ApiError, Code, Error},
    faults::{Faults, Plan},
    options::Options,
    query::Query,
    response::DOCKER_DISTRIBUTION_API_VERSION,
    route,
    storage::{Storage, session::Sessions},
};

/// How much of a body is read away after an error, so that the client can read the answer before the connection ends.
const DRAIN_BYTES: u64 = 256 << 10;

/// An OCI registry on a local folder. Clones share it; the folder is released when the last one is dropped.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) storage: Storage,
    pub(crate) sessions: Sessions,
    pub(crate) options: Options,
    faults: Faults,
    uploads: Arc<Semaphore>,
}

impl Inner {
    /// A place among the requests that write blob bytes.
    pub(crate) fn upload_slot(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.uploads.clone().try_acquire_owned().map_err(|_| ApiError::too_many("too many uploads at once"))
    }
}

impl Registry {
    /// Opens the folder, which is made when it is missing, takes up the upload sessions in it and removes what a crash
    /// has left. This reads every repository's folder, but no content.
    ///
    /// # Errors
    /// When the folder cannot be used, or another registry has it open.
    pub fn open(root: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let storage = Storage::open(root.as_ref())?;
        let uploads = storage.uploads();
        let sessions = Sessions::restore(uploads, options.max_upload_sessions, options.upload_expiry)
            .map_err(|source| Error::Folder { path: uploads.to_owned(), source })?;
        let uploads = Arc::new(Semaphore::new(options.max_concurrent_uploads.min(Semaphore::MAX_PERMITS)));
        Ok(Self(Arc::new(Inner { storage, sessions, options, faults: Faults::default(), uploads })))
    }

    /// The handle by which tests inject faults and count requests.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The limits that the registry was opened with.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Removes upload sessions that nothing was sent to for too long, and says how many. [`Server`](crate::Server)
    /// does it from time to time. Blocks on the disk.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn expire_uploads(&self) -> std::io::Result<usize> {
        self.0.sessions.expire()
    }

    /// Answers a request. Needs a tokio runtime, but no socket. Dropping the future is safe at any point: what has
    /// begun to be committed is committed, and nothing half-written becomes visible.
    pub async fn call<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let (route, target) = route::parse(parts.uri.path());
        let plan = self.0.faults.meet(route, &parts.method);
        let mut body = RequestBody::new(body, self.0.options.body_idle_timeout, plan.cut_upload());
        // The handlers' state is large; on the heap it does not grow the caller's future.
        let mut response = Box::pin(self.answer(&parts, target, &mut body, &plan)).await;
        if response.status().is_client_error() || response.status().is_server_error() {
            drain(&parts, &mut body).await;
        }
        response.headers_mut().insert(DOCKER_DISTRIBUTION_API_VERSION, HeaderValue::from_static("registry/2.0"));
        plan.spoil(response)
    }

    async fn answer(
        &self,
        parts: &http::request::Parts,
        target: Result<route::Target, ApiError>,
        body: &mut RequestBody,
        plan: &Plan,
    ) -> Response<Body> {
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        if let Some(response) = plan.instead() {
            return response;
        }
        let answer = match (target, Query::parse(parts.uri.query())) {
            (Ok(target), Some(query)) => api::serve(target, Call { inner: &self.0, parts, query, body }).await,
            (Err(error), _) => Err(error),
            (Ok(_), None) => {
                Err(ApiError::new(Code::Unsupported, "the query is not UTF-8").status(StatusCode::BAD_REQUEST))
            }
        };
        answer.unwrap_or_else(ApiError::into_response)
    }
}

/// A client that waits for `100 Continue` and never got it sends nothing, and must not be asked to now.
async fn drain(parts: &http::request::Parts, body: &mut RequestBody) {
    if body.is_touched() || !parts.headers.contains_key(EXPECT) {
        body.drain(DRAIN_BYTES).await;
    }
}
