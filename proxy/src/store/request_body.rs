//! Bodies on their way to the registry: bytes at hand, or a stream that is watched.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use super::ByteStream;
use super::connect::BoxError;
use crate::error::{Code, Error};

/// The body of a request.
pub(super) enum RequestBody {
    /// Bytes at hand; they can be sent again.
    Bytes(Bytes),
    /// A stream; it cannot.
    Stream(Watched),
}

/// How the stream ended: the number of bytes that went out, or its own error.
pub(super) type End = Result<u64, Error>;

/// A stream that reports its end, gives up when it stands still, and ends when nobody waits for its request any more.
pub(super) struct Watched {
    source: ByteStream,
    sent: u64,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    end: Option<oneshot::Sender<End>>,
    lifeline: oneshot::Receiver<()>,
}

/// The other end of a [`Watched`] stream; dropping it ends the stream.
pub(super) struct Watch {
    pub(super) end: oneshot::Receiver<End>,
    _lifeline: oneshot::Sender<()>,
}

impl Watched {
    pub(super) fn new(source: ByteStream, stall: Duration) -> (Self, Watch) {
        let (end, ended) = oneshot::channel();
        let (rope, lifeline) = oneshot::channel();
        let watched = Self { source, sent: 0, stall, timer: None, end: Some(end), lifeline };
        (watched, Watch { end: ended, _lifeline: rope })
    }

    fn finish(&mut self, end: End) {
        if let Some(sender) = self.end.take() {
            // Nobody listens where the request has been given up.
            drop(sender.send(end));
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.finish(Err(error));
        Poll::Ready(Some(Err("the stream to be sent has failed".into())))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.end.is_none() {
            return Poll::Ready(None);
        }
        if Pin::new(&mut self.lifeline).poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the request was given up".into())));
        }
        match self.source.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.timer = None;
                self.sent += bytes.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(error))) => self.fail(error),
            Poll::Ready(None) => {
                self.finish(Ok(self.sent));
                Poll::Ready(None)
            }
            Poll::Pending => {
                let limit = self.stall;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
                match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        self.fail(Error::from(Code::RequestTimeout).detail("no bytes to send came in time"))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(watched) => watched.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Stream(watched) => watched.end.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
