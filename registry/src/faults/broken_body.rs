//! A response body that breaks off, ends early or holds a wrong byte.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;

#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    Cut { after_bytes: u64 },
    Short { bytes: u64 },
    Corrupt,
}

pub(super) struct BrokenBody {
    inner: Body,
    damage: Damage,
    sent: u64,
    /// Whether the task was given back once before the cut, so that the bytes before it leave the server.
    yielded: bool,
}

impl BrokenBody {
    pub(super) fn new(inner: Body, damage: Damage) -> Self {
        Self { inner, damage, sent: 0, yielded: false }
    }

    /// How many bytes may still be sent.
    fn left(&self) -> u64 {
        match self.damage {
            Damage::Cut { after_bytes: limit } | Damage::Short { bytes: limit } => limit.saturating_sub(self.sent),
            Damage::Corrupt => u64::MAX,
        }
    }

    fn damaged(&mut self, mut data: Bytes) -> Bytes {
        data.truncate(usize::try_from(self.left()).unwrap_or(usize::MAX));
        if matches!(self.damage, Damage::Corrupt) && self.sent == 0 {
            let mut bytes = data.to_vec();
            if let Some(byte) = bytes.first_mut() {
                *byte = !*byte;
            }
            data = bytes.into();
        }
        self.sent += data.len() as u64;
        data
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "connection cut by an injected fault")
}

impl http_body::Body for BrokenBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left() > 0 {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    return Poll::Ready(Some(Ok(Frame::data(self.damaged(data)))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if matches!(self.damage, Damage::Cut { .. }) => {}
                None => return Poll::Ready(None),
            }
        }
        if matches!(self.damage, Damage::Short { .. }) {
            return Poll::Ready(None);
        }
        if !self.yielded {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(cut())))
    }

    fn is_end_stream(&self) -> bool {
        match self.damage {
            Damage::Cut { .. } => false,
            Damage::Short { .. } => self.left() == 0,
            Damage::Corrupt => self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.damage {
            Damage::Cut { .. } => SizeHint::default(),
            Damage::Short { .. } => SizeHint::with_exact(self.left()),
            Damage::Corrupt => self.inner.size_hint(),
        }
    }
}
