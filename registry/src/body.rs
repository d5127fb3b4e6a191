//! Bodies: of responses ([`Body`], with a file streamed in pieces) and of requests ([`RequestBody`], with a deadline
//! for every piece). No transfer holds more than two pieces of [`PIECE_BYTES`] in memory.

use std::{
    fs::File,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{
    BodyExt, Empty, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use tokio::task::JoinHandle;

use crate::error::{ApiError, Code};

/// The body of a response. It fails when a file cannot be read to its end, or when a fault was injected.
pub type Body = BoxBody<Bytes, io::Error>;

/// How much of a body is read or written in one go.
pub(crate) const PIECE_BYTES: u64 = 128 << 10;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Reads the next piece of a file; it is an error when the file ends before `length` bytes.
pub(crate) fn read_piece(file: &mut File, length: u64) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.take(length).read_to_end(&mut piece)?;
    if piece.len() as u64 == length { Ok(piece.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

type Reading = JoinHandle<(File, io::Result<Bytes>)>;

/// A part of a file, read ahead by one piece.
pub(crate) struct FileBody {
    /// Bytes that have not been handed out.
    remaining: u64,
    /// Bytes that no read was started for.
    unread: u64,
    ready: Option<Bytes>,
    reading: Option<Reading>,
}

impl FileBody {
    /// Streams `length` bytes, the first of which are in `first` already; the file stands after them.
    pub(crate) fn new(file: File, first: Bytes, length: u64) -> Self {
        let unread = length.saturating_sub(first.len() as u64);
        let mut body = Self { remaining: length, unread, ready: Some(first), reading: None };
        body.read_ahead(file);
        body
    }

    fn read_ahead(&mut self, mut file: File) {
        let length = self.unread.min(PIECE_BYTES);
        if length > 0 {
            self.unread -= length;
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let piece = read_piece(&mut file, length);
                (file, piece)
            }));
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(ready) = self.ready.take() {
            return Poll::Ready(Some(Ok(ready)));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(match outcome {
            Ok((file, Ok(piece))) => {
                self.read_ahead(file);
                Ok(piece)
            }
            Ok((_, Err(error))) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }))
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(piece.map(|piece| {
            piece.map(|piece| {
                self.remaining = self.remaining.saturating_sub(piece.len() as u64);
                Frame::data(piece)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
pub(crate) struct RequestBody {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    idle_timeout: Duration,
    /// Whether it was asked for anything: a client that waits for `100 Continue` gets it then.
    touched: bool,
    ended: bool,
    /// Bytes that may still be read before an injected fault cuts the connection.
    cut_after: Option<u64>,
}

impl RequestBody {
    pub(crate) fn new<B>(inner: B, idle_timeout: Duration, cut_after: Option<u64>) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let ended = inner.is_end_stream() && cut_after.is_none();
        Self { inner: inner.map_err(Into::into).boxed_unsync(), idle_timeout, touched: false, ended, cut_after }
    }

    /// Whether the last byte has been read.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether anything was read, or tried to be.
    pub(crate) fn is_touched(&self) -> bool {
        self.touched
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        while !self.ended {
            self.touched = true;
            if self.cut_after == Some(0) {
                self.ended = true;
                return Err(ApiError::cut());
            }
            let frame = tokio::time::timeout(self.idle_timeout, self.inner.frame()).await;
            let data = match frame {
                Err(_) => {
                    return Err(self.broken(StatusCode::REQUEST_TIMEOUT, "no more of the request body arrived in time"));
                }
                Ok(Some(Err(_))) => {
                    return Err(self.broken(StatusCode::BAD_REQUEST, "the request body ended too early"));
                }
                Ok(None) => None,
                Ok(Some(Ok(frame))) => Some(frame.into_data().unwrap_or_default()),
            };
            self.ended = self.cut_after.is_none() && (data.is_none() || self.inner.is_end_stream());
            match data {
                Some(data) if !data.is_empty() => return Ok(Some(self.until_cut(data))),
                Some(_) => {}
                // A cut that lies behind the end of the body comes at its end.
                None if self.cut_after.is_some() => self.cut_after = Some(0),
                None => {}
            }
        }
        Ok(None)
    }

    fn until_cut(&mut self, mut data: Bytes) -> Bytes {
        if let Some(left) = &mut self.cut_after {
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= data.len() as u64;
        }
        data
    }

    fn broken(&mut self, status: StatusCode, message: &'static str) -> ApiError {
        self.ended = true;
        ApiError::new(Code::BlobUploadInvalid, message).status(status).closing()
    }

    /// Collects bytes until there are about [`PIECE_BYTES`] or the body ends.
    pub(crate) async fn piece(&mut self) -> Result<Piece, ApiError> {
        let mut piece = Piece::default();
        while piece.length < PIECE_BYTES
            && let Some(data) = self.next().await?
        {
            piece.length += data.len() as u64;
            piece.parts.push(data);
        }
        Ok(piece)
    }

    /// The whole body in memory; `None` when it is longer than `limit` bytes.
    pub(crate) async fn collect(&mut self, limit: u64) -> Result<Option<Bytes>, ApiError> {
        let mut whole = Vec::new();
        while let Some(data) = self.next().await? {
            if whole.len() as u64 + data.len() as u64 > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Some(whole.into()))
    }

    /// Reads away what is left, up to `limit` bytes, so that the client comes to read the answer.
    pub(crate) async fn drain(&mut self, limit: u64) {
        let mut left = limit;
        while left > 0
            && let Ok(Some(data)) = self.next().await
        {
            left = left.saturating_sub(data.remaining() as u64);
        }
    }
}

/// Some consecutive bytes of a body, as they arrived.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) parts: Vec<Bytes>,
    pub(crate) length: u64,
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    fn request(bytes: &'static [u8], cut_after: Option<u64>) -> RequestBody {
        RequestBody::new(Full::new(Bytes::from_static(bytes)), Duration::from_secs(5), cut_after)
    }

    #[tokio::test]
    async fn a_file_is_streamed_whole_in_bounded_pieces() {
        let content: Vec<u8> = (0..PIECE_BYTES * 3 + 17).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let first = read_piece(&mut file, 1000).unwrap();
        let mut body = FileBody::new(file, first, content.len() as u64);
        let mut got = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() as u64 <= PIECE_BYTES);
            got.extend_from_slice(&data);
        }
        assert!(body.is_end_stream());
        assert_eq!(got, content);
    }

    #[tokio::test]
    async fn a_file_that_is_shorter_than_promised_ends_in_an_error() {
        let file = tempfile::tempfile().unwrap();
        let body = FileBody::new(file, Bytes::from_static(b"abc"), 10);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_not_collected() {
        assert_eq!(request(b"12345", None).collect(5).await.unwrap().unwrap(), "12345");
        assert!(request(b"12345", None).collect(4).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_cut_hands_out_the_bytes_before_it() {
        let mut body = request(b"12345", Some(3));
        assert_eq!(body.next().await.unwrap().unwrap(), "123");
        assert!(body.next().await.is_err());
    }

    #[tokio::test]
    async fn a_cut_behind_the_end_comes_at_the_end() {
        let mut body = request(b"12345", Some(9));
        assert_eq!(body.next().await.unwrap().unwrap(), "12345");
        assert!(body.next().await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up() {
        let stalled = http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, io::Error>>());
        let mut body = RequestBody::new(stalled, Duration::from_millis(20), None);
        let response = body.next().await.unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
