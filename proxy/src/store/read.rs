//! Reading blobs: whole or one range, as chunks that are passed on without a copy.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_RANGE, HeaderName, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::breaker::Permit;
use super::call::Call;
use super::retry::Repeat;
use super::{ByteStream, Inner, Store, response, target};
use crate::digest::{Digest, Hasher};
use crate::error::{Code, Error, Result};

impl Store {
    /// Streams `range` of a blob of `size` bytes. A body that ends early or stands still is an error at the end of the
    /// stream, never a short success. Whole-blob reads up to `store.verify_reads` are checked against the digest as they
    /// pass; the last chunk is held back until it has matched. Nothing is asked of the registry for an empty range.
    /// # Errors
    /// `BlobUnknown`, `UpstreamUnavailable`; `InternalError` where the registry's blob has another size.
    pub async fn get_blob(
        &self,
        repository: &str,
        digest: &Digest,
        size: u64,
        range: Range<u64>,
    ) -> Result<ByteStream> {
        if range.start > range.end || range.end > size {
            return Err(Error::internal(format!("range {range:?} of a blob of {size} bytes")));
        }
        if range.is_empty() {
            return Ok(Box::pin(futures::stream::empty()));
        }
        let wanted = Wanted { digest: *digest, size, range };
        let response = self.inner.open_blob(repository, &wanted).await?;
        Ok(Box::pin(self.inner.reader(response, &wanted)?))
    }
}

/// What is to be read.
struct Wanted {
    digest: Digest,
    size: u64,
    range: Range<u64>,
}

impl Wanted {
    const fn is_whole(&self) -> bool {
        self.range.start == 0 && self.range.end == self.size
    }

    const fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The one spelling of a range that every registry reads alike.
    fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        if self.is_whole() {
            return Ok(None);
        }
        let value = format!("bytes={}-{}", self.range.start, self.range.end - 1);
        let value = HeaderValue::try_from(value).map_err(|e| Error::internal("a range header").source(e))?;
        Ok(Some((RANGE, value)))
    }
}

impl Inner {
    async fn open_blob(&self, repository: &str, wanted: &Wanted) -> Result<Response<Incoming>> {
        let target = target::blob(repository, &wanted.digest)?;
        let header = wanted.header()?;
        let call = Call::new("get_blob", Method::GET, target, Repeat::Always).headers(header.as_slice());
        let response = self.call(call).await?.response;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::NOT_FOUND => Err(Error::from(Code::BlobUnknown).with("digest", wanted.digest)),
            _ => Err(response::refused(response, "get_blob").await),
        }
    }

    fn reader(&self, response: Response<Incoming>, wanted: &Wanted) -> Result<Reader> {
        let headers = response.headers();
        let is_range = response.status() == StatusCode::PARTIAL_CONTENT;
        let comes = if is_range {
            check_range(headers, wanted)?;
            wanted.length()
        } else {
            response::check_digest(headers, &wanted.digest)?;
            wanted.size
        };
        if let Some(declared) = response::content_length(headers).filter(|declared| *declared != comes) {
            return Err(Error::internal(format!("{}: {declared} bytes come, not {comes}", wanted.digest)));
        }
        let is_checked = wanted.is_whole() && wanted.size <= self.config.verify_reads.as_u64();
        Ok(Reader {
            body: Some(response.into_body()),
            // A registry that knows no ranges sends everything.
            skip: if is_range { 0 } else { wanted.range.start },
            left: wanted.length(),
            exact: is_range || wanted.is_whole(),
            check: is_checked.then(|| (Hasher::default(), wanted.digest)),
            stall: self.config.stall_timeout,
            timer: None,
            permit: self.breaker.admit_continuation().ok(),
        })
    }
}

/// Refuses a 206 that is about other bytes than those asked for.
fn check_range(headers: &HeaderMap, wanted: &Wanted) -> Result<()> {
    let found = response::header(headers, CONTENT_RANGE).unwrap_or_default();
    let (first, last, size) = (wanted.range.start, wanted.range.end - 1, wanted.size);
    if found == format!("bytes {first}-{last}/{size}") || found == format!("bytes {first}-{last}/*") {
        return Ok(());
    }
    Err(Error::internal(format!(
        "{}: asked for bytes {first}-{last}/{size}, the registry sends {found:?}",
        wanted.digest
    )))
}

/// The bytes on their way.
struct Reader {
    body: Option<Incoming>,
    skip: u64,
    left: u64,
    /// Nothing may follow what is wanted.
    exact: bool,
    check: Option<(Hasher, Digest)>,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    permit: Option<Permit>,
}

impl Reader {
    /// Ends the stream by an error that speaks against the registry's health.
    fn break_off(&mut self, detail: &'static str, source: Option<hyper::Error>) -> Error {
        self.body = None;
        if let Some(permit) = self.permit.take() {
            permit.fail();
        }
        let error =
            Error::from(Code::UpstreamUnavailable).detail(format!("{detail}, {} bytes before its end", self.left));
        match source {
            Some(source) => error.source(source),
            None => error,
        }
    }

    /// What of a chunk is wanted; empty where it lies before the range.
    fn take(&mut self, mut chunk: Bytes) -> Result<Bytes> {
        let before = usize::try_from(self.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
        self.skip -= before as u64;
        drop(chunk.split_to(before));
        if self.exact && chunk.len() as u64 > self.left {
            self.body = None;
            return Err(Error::internal("the registry sends more of a blob than there is"));
        }
        chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= chunk.len() as u64;
        if let Some((hasher, _)) = &mut self.check {
            hasher.update(&chunk);
        }
        if self.left == 0 && !chunk.is_empty() {
            self.compare()?;
        }
        Ok(chunk)
    }

    fn compare(&mut self) -> Result<()> {
        let Some((hasher, expected)) = self.check.take() else { return Ok(()) };
        let found = hasher.finish();
        if found == expected {
            return Ok(());
        }
        self.body = None;
        Err(Error::internal(format!("the registry sends bytes of {found} as {expected}")))
    }
}

impl Stream for Reader {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let chunk = match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(error))) if self.left > 0 => {
                    return Poll::Ready(Some(Err(self.break_off("the connection was cut in a blob", Some(error)))));
                }
                Poll::Ready(None) if self.left > 0 => {
                    return Poll::Ready(Some(Err(self.break_off("a blob ended early", None))));
                }
                // Everything wanted has been passed on.
                Poll::Ready(_) => {
                    self.body = None;
                    return Poll::Ready(None);
                }
                Poll::Pending if self.left == 0 => {
                    // Only the end of the framing is missing, or bytes behind the range: not worth waiting for.
                    self.body = None;
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let stall = self.stall;
                    let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
                    return match timer.as_mut().poll(cx) {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(()) => Poll::Ready(Some(Err(self.break_off("a blob stood still", None)))),
                    };
                }
            };
            self.timer = None;
            if self.left == 0 {
                self.body = None;
                return Poll::Ready(None);
            }
            let chunk = self.take(chunk);
            if !matches!(&chunk, Ok(bytes) if bytes.is_empty()) {
                return Poll::Ready(Some(chunk));
            }
        }
    }
}
