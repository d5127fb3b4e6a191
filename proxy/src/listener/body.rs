//! A request's body: fed from a pingora session on one side, read as an [`http_body::Body`] on the other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use pingora_core::protocols::http::ServerSession;
use pingora_core::{Error, ErrorType};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout_at;

use super::meter::Meter;
use crate::error::Code;
use crate::gateway::Body;

/// Chunks between the session and the service; pingora reads up to 64 KiB at a time.
const CHUNKS: usize = 2;

/// pingora's own error types, by the names that it gives them and does not export.
const INVALID_CHUNK: ErrorType = ErrorType::new("InvalidChunk");
const INVALID_TRAILER_END: ErrorType = ErrorType::new("InvalidTrailerEnd");
pub(super) const PREMATURE_BODY_END: ErrorType = ErrorType::new("PrematureBodyEnd");

/// Why a request's body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than its route allows.
    #[error("the body is larger than the {limit} bytes that are allowed here")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The client stood still for too long.
    #[error("the client sent its body too slowly")]
    Stalled,
    /// The client left.
    #[error("the client left before the end of its body")]
    ClientGone,
    /// The client ended it before the length that it had declared.
    #[error("the body is shorter than its Content-Length")]
    Truncated,
    /// Its chunks cannot be read.
    #[error("the body's transfer coding is malformed")]
    Malformed,
}

impl BodyError {
    /// The table's code.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::EntityTooLarge,
            Self::Stalled => Code::RequestTimeout,
            Self::ClientGone => Code::ClientGone,
            Self::Truncated => Code::IncompleteBody,
            Self::Malformed => Code::InvalidRequest,
        }
    }

    /// The body's error behind another error, however deep.
    #[must_use]
    pub fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            cause = error.source();
        }
        None
    }

    /// What a failed read says of the body. A client that ends its side early may still be reading: it gets an answer.
    pub(super) fn of_read(error: &Error) -> Self {
        match error.etype() {
            ErrorType::ReadTimedout => Self::Stalled,
            etype if *etype == INVALID_CHUNK || *etype == INVALID_TRAILER_END => Self::Malformed,
            etype if matches!(etype, ErrorType::ConnectionClosed) || *etype == PREMATURE_BODY_END => Self::Truncated,
            _ => Self::ClientGone,
        }
    }
}

/// An item on its way to the service.
enum Item {
    Data(Bytes),
    End,
    Failed(BodyError),
}

/// The service's end.
struct Incoming {
    items: mpsc::Receiver<Item>,
    wanted: Option<Arc<Notify>>,
    remaining: Option<u64>,
    ended: bool,
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(wanted) = this.wanted.take() {
            wanted.notify_one();
        }
        if this.ended {
            return Poll::Ready(None);
        }
        match ready!(this.items.poll_recv(cx)) {
            Some(Item::Data(bytes)) => {
                if let Some(remaining) = &mut this.remaining {
                    *remaining = remaining.saturating_sub(bytes.len() as u64);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Item::End) => {
                this.ended = true;
                Poll::Ready(None)
            }
            Some(Item::Failed(error)) => {
                this.ended = true;
                Poll::Ready(Some(Err(error)))
            }
            // The feed is gone without having said that this is the end: so it is not.
            None => {
                this.ended = true;
                Poll::Ready(Some(Err(BodyError::ClientGone)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Where a feed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The service has not asked for the body.
    Unwanted,
    /// `100 Continue` is being written.
    Continuing,
    /// The body is being read.
    Reading,
    /// The whole body was read; the connection is watched for the client's leaving.
    Whole,
    /// The body will not be read on.
    Stopped,
}

/// What a step of the feed found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that the caller must act on.
    Progress,
    /// The client is gone: nobody waits for an answer.
    ClientGone,
}

/// The session's end: moves the body from the client to the service, one step at a time.
pub(super) struct Feed {
    items: mpsc::Sender<Item>,
    wanted: Arc<Notify>,
    state: State,
    declared: Option<u64>,
    received: u64,
    limit: u64,
    meter: Meter,
    expects_continue: bool,
    reusable: bool,
}

impl Feed {
    /// A feed and the body that it feeds. `empty`: the request has no body at all.
    pub(super) fn new(
        empty: bool,
        declared: Option<u64>,
        limit: u64,
        meter: Meter,
        expects_continue: bool,
    ) -> (Self, Body) {
        let (sender, items) = mpsc::channel(CHUNKS);
        let wanted = Arc::new(Notify::new());
        let body = if empty {
            Body::new(Empty::new().map_err(|never| match never {}))
        } else {
            let wanted = Some(Arc::clone(&wanted));
            Body::new(Incoming { items, wanted, remaining: declared, ended: false }.map_err(Into::into))
        };
        let feed = Self {
            items: sender,
            wanted,
            state: if empty { State::Whole } else { State::Unwanted },
            declared,
            received: 0,
            limit,
            meter,
            expects_continue: expects_continue && !empty,
            reusable: true,
        };
        (feed, body)
    }

    /// Whether the connection can carry another request once the rest of the body is read.
    pub(super) fn is_reusable(&self) -> bool {
        // A client that was not told to continue may send its body or not: nobody can know where the next head begins.
        let undecided = self.expects_continue && self.state == State::Unwanted;
        self.reusable && !undecided
    }

    /// Whether a `100 Continue` was cut in two.
    pub(super) fn is_torn(&self) -> bool {
        self.state == State::Continuing
    }

    /// Does the next thing there is to do; safe to drop and to call again. Never returns when nothing is left.
    pub(super) async fn step(&mut self, session: &mut ServerSession) -> Step {
        match self.state {
            State::Unwanted => self.wait_for_demand(session).await,
            State::Reading => self.read(session).await,
            State::Whole => return self.watch(session).await,
            State::Stopped | State::Continuing => std::future::pending().await,
        }
        Step::Progress
    }

    async fn wait_for_demand(&mut self, session: &mut ServerSession) {
        tokio::select! {
            () = self.wanted.notified() => {}
            () = self.items.closed() => {
                self.state = State::Stopped;
                return;
            }
        }
        if self.expects_continue {
            self.state = State::Continuing;
            // The connection's own stall timeout bounds this write.
            if session.write_continue_response().await.is_err() {
                self.fail(BodyError::ClientGone).await;
                return;
            }
        }
        self.state = State::Reading;
    }

    async fn read(&mut self, session: &mut ServerSession) {
        let Ok(place) = self.items.reserve().await else {
            self.state = State::Stopped;
            return;
        };
        let read = timeout_at(self.meter.deadline(), session.read_request_body()).await;
        let failure = match read {
            Ok(Ok(Some(bytes))) => {
                self.meter.moved(bytes.len());
                self.received = self.received.saturating_add(bytes.len() as u64);
                if self.received <= self.limit {
                    if !bytes.is_empty() {
                        place.send(Item::Data(bytes));
                    }
                    return;
                }
                BodyError::TooLarge { limit: self.limit }
            }
            Ok(Ok(None)) if self.declared.is_none_or(|declared| declared == self.received) => {
                place.send(Item::End);
                self.state = State::Whole;
                return;
            }
            Ok(Ok(None)) => BodyError::Truncated,
            Ok(Err(error)) => BodyError::of_read(&error),
            Err(_) => BodyError::Stalled,
        };
        place.send(Item::Failed(failure));
        self.state = State::Stopped;
        self.reusable = false;
    }

    async fn fail(&mut self, error: BodyError) {
        self.state = State::Stopped;
        self.reusable = false;
        let _ = self.items.send(Item::Failed(error)).await;
    }

    async fn watch(&mut self, session: &mut ServerSession) -> Step {
        match session.read_body_or_idle(true).await {
            // The next request came early and a byte of it is lost; this one is none the worse for it.
            Err(error) if *error.etype() == ErrorType::ConnectError => {
                self.state = State::Stopped;
                self.reusable = false;
                Step::Progress
            }
            Err(_) => Step::ClientGone,
            Ok(_) => Step::Progress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;

    fn feed(empty: bool, declared: Option<u64>) -> (Feed, Body) {
        Feed::new(empty, declared, 100, Meter::new(std::time::Duration::from_secs(1)), false)
    }

    #[test]
    fn the_size_hint_says_what_is_known() {
        assert_eq!(feed(true, None).1.size_hint().exact(), Some(0));
        assert_eq!(feed(false, Some(7)).1.size_hint().exact(), Some(7));
        assert_eq!(feed(false, None).1.size_hint().exact(), None);
    }

    #[tokio::test]
    async fn a_body_whose_feed_is_dropped_does_not_end_cleanly() {
        let (feed, body) = feed(false, None);
        drop(feed);
        let error = body.collect().await.unwrap_err();
        assert_eq!(BodyError::find(error.as_ref()), Some(BodyError::ClientGone));
    }

    #[test]
    fn a_body_error_is_found_below_others() {
        let io = std::io::Error::other(BodyError::Truncated);
        // `io::Error::source` looks through to the source of what it holds, so a wrapper names its cause itself.
        assert_eq!(io.get_ref().and_then(|inner| BodyError::find(inner)), Some(BodyError::Truncated));
    }
}
