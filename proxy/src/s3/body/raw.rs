//! A request's body on its way through `s3s`, which reads it as late as it can: operations that take bytes take the
//! body out again before `s3s` has touched it, so that each byte is hashed once.
//!
//! Errors are kept here as well, for `s3s` would turn every one of them into an internal error.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame, SizeHint};

use super::Hashes;
use super::framing::Framing;
use crate::error::{Code, Error};
use crate::gateway::{self, BoxError};
use crate::listener::BodyError;
use crate::s3::checksum::Expected;

/// The body of one request. Cheap to clone; clones share it.
#[derive(Clone)]
pub(in crate::s3) struct RawBody(Arc<Mutex<Inner>>);

struct Inner {
    body: Option<gateway::Body>,
    error: Option<Error>,
    framing: Option<Framing>,
    /// Content-Length, where there is one.
    length: Option<u64>,
    document: Option<Document>,
}

/// A body that `s3s` reads whole, as XML.
struct Document {
    expected: Expected,
    hashes: Hashes,
    limit: u64,
}

impl RawBody {
    /// Wraps a body.
    pub(in crate::s3) fn new(body: gateway::Body, headers: &HeaderMap) -> Self {
        let framing = streaming(headers).map(Framing::new);
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self(Arc::new(Mutex::new(Inner { body: Some(body), error: None, framing, length, document: None })))
    }

    /// Checks the body against `expected` and `limit` while `s3s` reads it: for documents, whose bytes no operation sees.
    pub(in crate::s3) fn check_document(&self, expected: Expected, limit: u64) {
        let hashes = Hashes::for_document(&expected);
        self.lock().document = Some(Document { expected, hashes, limit });
    }

    /// Takes the body out; `None` where it was taken before, or where `s3s` must decode its chunks.
    pub(super) fn take(&self) -> Option<gateway::Body> {
        let mut inner = self.lock();
        if inner.framing.is_some() { None } else { inner.body.take() }
    }

    /// What went wrong while the body was read.
    pub(in crate::s3) fn take_error(&self) -> Option<Error> {
        self.lock().error.take()
    }

    /// The body as `s3s` takes it.
    pub(in crate::s3) fn for_s3s(&self) -> s3s::Body {
        s3s::Body::http_body_unsync(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http_body::Body for RawBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut inner = self.lock();
        Poll::Ready(match ready!(inner.poll(cx)) {
            Some(Ok(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Err(error)) => {
                // s3s gets a note, the caller the error itself.
                let note = error.to_string();
                inner.error.get_or_insert(error);
                inner.body = None;
                Some(Err(note.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.lock().body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.lock();
        match (&inner.body, &inner.framing) {
            (None, _) => SizeHint::with_exact(0),
            (Some(body), None) => body.size_hint(),
            (Some(_), Some(_)) => SizeHint::default(),
        }
    }
}

impl Inner {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(body_error(error)))),
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    if let Err(error) = self.check(&bytes) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    let Some(framing) = &mut self.framing else { return Poll::Ready(Some(Ok(bytes))) };
                    let mut out = BytesMut::new();
                    if let Err(error) = framing.feed(bytes, &mut out) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    if !out.is_empty() {
                        return Poll::Ready(Some(Ok(out.freeze())));
                    }
                }
                None => {
                    self.body = None;
                    return Poll::Ready(self.finish().err().map(Err));
                }
            }
        }
    }

    fn finish(&mut self) -> Result<(), Error> {
        if let Some(framing) = &self.framing {
            framing.end()?;
        }
        match (self.document.take(), self.length) {
            (Some(document), Some(length)) if document.hashes.size < length => Err(Code::IncompleteBody.into()),
            (Some(document), _) => document.finish(),
            (None, _) => Ok(()),
        }
    }

    /// Hashes a document's bytes, and says with the last of them whether they are the right ones: `s3s` checks the
    /// signed hash and the size as well, and would call what it finds an internal error.
    fn check(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(document) = &mut self.document else { return Ok(()) };
        document.hashes.update(bytes);
        if document.hashes.size > document.limit {
            return Err(Error::from(Code::MaxMessageLengthExceeded).with("MaxMessageLengthBytes", document.limit));
        }
        match self.document.take_if(|document| self.length == Some(document.hashes.size)) {
            Some(document) => document.finish(),
            None => Ok(()),
        }
    }
}

impl Document {
    fn finish(self) -> Result<(), Error> {
        self.hashes.finish(&self.expected, None).map(drop)
    }
}

/// Whether a body is in chunks, and if so, whether they are signed.
pub(super) fn streaming(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-amz-content-sha256")?.to_str().ok()? {
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(false),
        value if value.starts_with("STREAMING-") => Some(true),
        _ => None,
    }
}

/// What a failed body means: the listener says what happened to the connection.
pub(in crate::s3) fn body_error(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::from(BodyError::find(&*error).map_or(Code::ClientGone, BodyError::code)).source(error),
    }
}
