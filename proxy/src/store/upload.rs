//! Upload sessions: POST opens one, PATCH streams into it, PUT finishes it, DELETE cancels it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::blob::OCTETS;
use super::call::Call;
use super::client::{self, Head};
use super::failure::Failure;
use super::request_body::{RequestBody, Watched};
use super::retry::Repeat;
use super::{ByteStream, Inner, Store, response, target};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// What has become of a session whose blob is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// There is none any more.
    Over,
    /// The blob is there, but the registry did not say that it came of this session: that may still be open, with its
    /// bytes. To be cancelled.
    Unclear,
}

/// An upload session that is open at the registry.
#[derive(Debug)]
pub struct UploadSession {
    store: Arc<Inner>,
    repository: String,
    location: String,
}

impl Store {
    /// Opens an upload session.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry refuses or sends us to another host.
    pub async fn start_upload(&self, repository: &str) -> Result<UploadSession> {
        let location = self.inner.open_session("start_upload", repository).await?;
        Ok(UploadSession { store: Arc::clone(&self.inner), repository: repository.to_owned(), location })
    }

    /// Cancels a session by its location; one that is gone counts as cancelled.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where it is no location, or the registry refuses.
    pub async fn cancel_upload(&self, location: &str) -> Result<()> {
        self.inner.cancel(location).await
    }
}

impl UploadSession {
    /// Path and query at the registry: what [`Store::cancel_upload`] takes. It may change with each [`append`](Self::append).
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Sends bytes as they come; how many it was. After an error the session cannot be used again.
    /// # Errors
    /// The stream's own error, `RequestTimeout` where the stream stands still, or `UpstreamUnavailable`.
    pub async fn append(&mut self, bytes: ByteStream) -> Result<u64> {
        let (response, sent) = self.store.patch(&self.location, bytes).await?;
        self.location = self.store.location(&response)?;
        Ok(sent)
    }

    /// Finishes the upload: when it returns the blob is durable. `size` is all that was appended. A session that may
    /// have outlived it is the caller's to cancel.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry finds another digest.
    pub async fn finish(self, digest: &Digest, size: u64) -> Result<SessionEnd> {
        self.store.finish(&self.location, &self.repository, digest, Bytes::new(), size).await
    }
}

impl Inner {
    /// Opens a session; where it is. A repetition would leave an empty session behind, so there is one only where the
    /// registry has surely opened none.
    pub(super) async fn open_session(&self, operation: &'static str, repository: &str) -> Result<String> {
        let call = Call::new(operation, Method::POST, target::uploads(repository)?, Repeat::IfUndone);
        let response = self.call(call).await?.response;
        match response.status() {
            StatusCode::ACCEPTED => self.location(&response),
            _ => Err(response::refused(response, operation).await),
        }
    }

    pub(super) async fn cancel(&self, location: &str) -> Result<()> {
        let target = self.client.origin().local(location)?;
        self.delete(Call::new("cancel_upload", Method::DELETE, target, Repeat::Always)).await.map(drop)
    }

    /// Streams into a session, once: a stream cannot be sent again, and Zot drops the session after an error anyway.
    async fn patch(&self, location: &str, bytes: ByteStream) -> Result<(Response<Incoming>, u64)> {
        let permit = self.breaker.admit_continuation().map_err(|for_another| Failure::Open { for_another });
        let mut sent = 0;
        let sending = async {
            let (response, length) = self.stream(location, bytes).await?;
            sent = length;
            Ok(response)
        };
        let response = self.measured("append", permit, sending).await.map_err(|f| self.error(f, "append", 1))?;
        match response.status() {
            StatusCode::ACCEPTED => Ok((response, sent)),
            _ => Err(response::refused(response, "append").await),
        }
    }

    /// Sends the stream without a length or a range, which every registry takes as "append"; the time-out for the answer
    /// begins when the last byte has left.
    async fn stream(&self, location: &str, bytes: ByteStream) -> Result<(Response<Incoming>, u64), Failure> {
        let (body, mut watch) = Watched::new(bytes, self.config.stall_timeout);
        let head = Head { method: &Method::PATCH, target: location, headers: &OCTETS };
        let mut answer = self.client.start(head, RequestBody::Stream(body))?;
        let (answer, end) = tokio::select! {
            // The end comes first where both are there, so that a stream's own error is not taken for the registry's.
            biased;
            end = &mut watch.end => {
                // No end, when the connection has been lost: then the answer says more.
                let end = end.ok().transpose().map_err(Failure::Ours)?;
                let patience = self.config.response_timeout + self.time_for(end.unwrap_or(0));
                let answer = timeout(patience, answer).await.map_err(|_| Failure::Timeout("no answer to an upload in time"))?;
                (answer, end)
            }
            answer = &mut answer => (answer, watch.end.try_recv().ok().transpose().map_err(Failure::Ours)?),
        };
        let response = client::classify(answer).await?;
        match end {
            Some(sent) => Ok((response, sent)),
            // It answered before it had everything: that can only be a refusal.
            None if response.status().is_success() => {
                Err(Failure::Ours(Error::internal("append: the registry took an upload that had not ended")))
            }
            None => Ok((response, 0)),
        }
    }
}
