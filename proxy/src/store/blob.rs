//! Blobs that are stored, looked at and deleted by one request each. Reading them is in `read.rs`, streaming them up in `upload.rs`.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;

use super::call::Call;
use super::retry::Repeat;
use super::{Inner, SessionEnd, Store, response, target};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// The one content type that Zot takes for blobs, to the letter.
pub(super) static OCTETS: [(HeaderName, HeaderValue); 1] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];

impl Store {
    /// Stores a body held in memory by one `POST ?digest=`; safe to repeat. A 202 is followed by PUT as the specification says.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry finds another digest or refuses.
    pub async fn put_blob(&self, repository: &str, digest: &Digest, body: Bytes) -> Result<()> {
        let store = &self.inner;
        if !store.single_post.load(Ordering::Relaxed) {
            let location = store.open_session("put_blob", repository).await?;
            return store.put_whole(&location, repository, digest, body).await;
        }
        let call = Call::new("put_blob", Method::POST, target::single_post(repository, digest)?, Repeat::Always)
            .headers(&OCTETS)
            .extra(store.time_for(body.len() as u64));
        let response = store.call(call.body(body.clone())).await?.response;
        match response.status() {
            StatusCode::CREATED => response::check_digest(response.headers(), digest),
            StatusCode::ACCEPTED => {
                // It knows no single POST and opened a session: from now on we do not send it the body in vain.
                store.single_post.store(false, Ordering::Relaxed);
                let location = store.location(&response)?;
                store.put_whole(&location, repository, digest, body).await
            }
            _ => Err(response::refused(response, "put_blob").await),
        }
    }

    /// A blob's size, `None` where it is not there.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn head_blob(&self, repository: &str, digest: &Digest) -> Result<Option<u64>> {
        self.inner.head_blob(repository, digest).await
    }

    /// Deletes a blob; whether it was there. After an error the registry may still delete it, even later: a request
    /// that it took in is carried out though nobody waits for it any more.
    /// # Errors
    /// `UpstreamUnavailable`, or `InternalError` where the registry refuses, as Zot does while a manifest lists the blob.
    pub async fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<bool> {
        let call = Call::new("delete_blob", Method::DELETE, target::blob(repository, digest)?, Repeat::IfUndone);
        self.inner.delete(call).await
    }
}

impl Inner {
    pub(super) async fn head_blob(&self, repository: &str, digest: &Digest) -> Result<Option<u64>> {
        let call = Call::new("head_blob", Method::HEAD, target::blob(repository, digest)?, Repeat::Always);
        let response = self.call(call).await?.response;
        match response.status() {
            StatusCode::OK => {
                response::check_digest(response.headers(), digest)?;
                let size = response::content_length(response.headers());
                size.map(Some).ok_or_else(|| Error::internal("head_blob: the registry does not say the size"))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(response::refused(response, "head_blob").await),
        }
    }

    /// Sends a DELETE; whether there was something to delete.
    pub(super) async fn delete(&self, call: Call<'_>) -> Result<bool> {
        let operation = call.operation;
        let reply = self.call(call).await?;
        match reply.response.status() {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => Ok(true),
            // An earlier attempt may have deleted it without our hearing of it.
            StatusCode::NOT_FOUND => Ok(reply.attempts > 1),
            status => {
                let text = response::text(reply.response).await;
                // Zot's way to say that there is no such repository.
                if status == StatusCode::BAD_REQUEST && text.contains("NAME_UNKNOWN") {
                    return Ok(reply.attempts > 1);
                }
                Err(Error::internal(format!("{operation}: the registry answers {status} {text}")))
            }
        }
    }

    /// Sends a whole body to a fresh session, which is cancelled when that fails.
    async fn put_whole(&self, location: &str, repository: &str, digest: &Digest, body: Bytes) -> Result<()> {
        let size = body.len() as u64;
        let result = self.finish(location, repository, digest, body, size).await;
        let is_to_cancel = match &result {
            Ok(end) => *end == SessionEnd::Unclear,
            Err(error) => error.code() != Code::UpstreamUnavailable,
        };
        if is_to_cancel && let Err(error) = self.cancel(location).await {
            tracing::debug!(error = error.for_log(), "an upload session stays behind until the registry drops it");
        }
        result.map(drop)
    }

    /// Finishes a session by PUT, with `body` as its last bytes. Where it stays unclear whether the registry has finished
    /// it, the blob itself is asked for.
    pub(super) async fn finish(
        &self,
        location: &str,
        repository: &str,
        digest: &Digest,
        body: Bytes,
        size: u64,
    ) -> Result<SessionEnd> {
        let call = Call::new("finish_upload", Method::PUT, target::finish(location, digest), Repeat::Always)
            .headers(&OCTETS)
            .body(body)
            .extra(self.time_for(size));
        let (unclear, end) = match self.call(call).await {
            Ok(reply) => match reply.response.status() {
                StatusCode::CREATED => {
                    response::check_digest(reply.response.headers(), digest)?;
                    return Ok(SessionEnd::Over);
                }
                // The session is gone: an earlier attempt may have finished it.
                StatusCode::NOT_FOUND => (response::refused(reply.response, "finish_upload").await, SessionEnd::Over),
                _ => return Err(response::refused(reply.response, "finish_upload").await),
            },
            Err(error) => (error, SessionEnd::Unclear),
        };
        match self.head_blob(repository, digest).await {
            Ok(Some(stored)) if stored == size => Ok(end),
            _ => Err(unclear),
        }
    }

    /// The session's place that an answer names.
    pub(super) fn location(&self, response: &Response<Incoming>) -> Result<String> {
        let location = response::header(response.headers(), http::header::LOCATION)
            .ok_or_else(|| Error::internal("the registry opened a session and does not say where"))?;
        self.client.origin().local(location)
    }
}
