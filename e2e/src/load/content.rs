//! What is stored: bodies that all differ, that are made without copying, and whose bytes can be checked when they come back.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes at the start of a body that say which one it is.
const MARK: usize = 8;

/// The contents of one phase: the same bytes behind a mark of its own for each object.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    rest: Bytes,
    size: usize,
    round: u64,
}

impl Contents {
    pub(super) fn new(size: usize, round: u64) -> Self {
        let rest = crate::clients::pattern(size.saturating_sub(MARK), 1);
        Self { rest: rest.into(), size, round }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The first bytes of the object `index`.
    pub(super) fn mark(&self, index: u64) -> Bytes {
        let mark = (self.round << 40) ^ index;
        let mark = mark.to_le_bytes();
        Bytes::copy_from_slice(mark.get(..self.size.min(MARK)).unwrap_or(&mark))
    }

    pub(super) fn body(&self, index: u64) -> Payload {
        Payload { pieces: [self.mark(index), self.rest.clone()] }
    }

    /// The SHA-256 of the object `index`, in hexadecimal.
    pub(super) fn sha256(&self, index: u64) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.mark(index));
        hash.update(&self.rest);
        hex::encode(hash.finish())
    }
}

/// A request body of two pieces, neither of them copied.
#[derive(Debug)]
pub(super) struct Payload {
    pieces: [Bytes; 2],
}

impl Payload {
    pub(super) fn empty() -> Self {
        Self { pieces: [Bytes::new(), Bytes::new()] }
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.get_mut().pieces.iter_mut().find(|piece| !piece.is_empty());
        Poll::Ready(next.map(|piece| Ok(Frame::data(std::mem::take(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn bytes(contents: &Contents, index: u64) -> Bytes {
        contents.body(index).collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn every_object_of_every_round_differs_and_has_the_size_asked_for() {
        let (first, second) = (Contents::new(100, 0), Contents::new(100, 1));
        let all = [bytes(&first, 0).await, bytes(&first, 1).await, bytes(&second, 0).await, bytes(&second, 1).await];
        assert!(all.iter().all(|body| body.len() == 100));
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }

    #[tokio::test]
    async fn the_hash_is_that_of_the_body() {
        for size in [0, 3, 8, 9, 5000] {
            let contents = Contents::new(size, 2);
            let body = bytes(&contents, 7).await;
            assert_eq!(body.len(), size);
            assert_eq!(contents.sha256(7), hex::encode(digest::digest(&digest::SHA256, &body)));
            assert!(body.starts_with(&contents.mark(7)));
        }
    }
}
