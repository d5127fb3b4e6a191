//! Reading: segments one after the other, as one stream.
//!
//! Near the end of one segment the next is asked for, so that its first byte does not cost a pause. Not earlier: an answer
//! that nobody reads for long is cut by the registry. If that happens all the same, the segment is asked for once more.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};

use crate::error::{Error, Result};
use crate::index::{Index, Segment, Segments};
use crate::store::{ByteStream, Store};

/// How many bytes before the end of a segment the next one is asked for.
const AHEAD_BYTES: u64 = 1 << 20;

/// What gives a segment's bytes: index and store, or a stand-in in tests.
pub(super) trait OpenSegment: Clone + Send + Unpin + 'static {
    /// Asks for a segment's bytes.
    fn open(&self, segment: Segment) -> BoxFuture<'static, Result<ByteStream>>;
}

/// Index and store.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) index: Index,
    pub(super) store: Store,
}

impl OpenSegment for Source {
    fn open(&self, segment: Segment) -> BoxFuture<'static, Result<ByteStream>> {
        let Self { index, store } = self.clone();
        Box::pin(async move {
            let repository = index.repository(segment.blob.repository_id).await?;
            let end = segment.blob_offset.saturating_add(segment.size);
            let range = segment.blob_offset..end;
            store.get_blob(&repository.name, &segment.blob.digest, segment.blob_size, range).await
        })
    }
}

/// The bytes of all segments. After an error it ends.
pub(super) fn read(source: impl OpenSegment, segments: Segments) -> ByteStream {
    let mut rest = segments.into_iter();
    let current = rest.next().map(|segment| Part::new(&source, segment));
    Box::pin(Reader { source, current, next: None, rest })
}

struct Reader<S> {
    source: S,
    current: Option<Part>,
    next: Option<Part>,
    rest: std::vec::IntoIter<Segment>,
}

/// A segment that was asked for.
struct Part {
    segment: Segment,
    state: State,
    /// Bytes that have not come yet.
    left: u64,
    /// Whether it was asked for before its turn, so that a failure may only mean that it was not read in time.
    is_ahead: bool,
}

enum State {
    Opening(BoxFuture<'static, Result<ByteStream>>),
    Flowing(ByteStream),
    Failed(Option<Error>),
}

impl Part {
    fn new(source: &impl OpenSegment, segment: Segment) -> Self {
        let left = segment.size;
        let state = State::Opening(source.open(segment.clone()));
        Self { segment, state, left, is_ahead: false }
    }

    fn ahead(source: &impl OpenSegment, segment: Segment) -> Self {
        Self { is_ahead: true, ..Self::new(source, segment) }
    }

    /// Brings the request forward without taking any of its bytes.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let State::Opening(opening) = &mut self.state {
            self.state = match futures::ready!(opening.poll_unpin(context)) {
                Ok(stream) => State::Flowing(stream),
                Err(error) => State::Failed(Some(error)),
            };
        }
        Poll::Ready(())
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        futures::ready!(self.poll_open(context));
        let item = match &mut self.state {
            State::Flowing(stream) => futures::ready!(stream.as_mut().poll_next(context)),
            State::Failed(error) => error.take().map(Err),
            // poll_open has just left this state.
            State::Opening(_) => return Poll::Pending,
        };
        Poll::Ready(self.checked(item))
    }

    /// Counts, and makes an error of an end that comes too early or too late.
    fn checked(&mut self, item: Option<Result<Bytes>>) -> Option<Result<Bytes>> {
        match item {
            Some(Ok(bytes)) => match self.left.checked_sub(bytes.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Some(Ok(bytes))
                }
                None => Some(Err(Error::internal(format!("{}: more bytes than asked for", self.segment.blob.digest)))),
            },
            None if self.left > 0 => {
                let detail = format!("{}: {} bytes fewer than asked for", self.segment.blob.digest, self.left);
                Some(Err(Error::internal(detail)))
            }
            other => other,
        }
    }

    const fn is_untouched(&self) -> bool {
        self.left == self.segment.size
    }
}

impl<S: OpenSegment> Stream for Reader<S> {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let Some(current) = &mut this.current else { return Poll::Ready(None) };
            if current.left <= AHEAD_BYTES && !matches!(current.state, State::Opening(_)) {
                if this.next.is_none() {
                    this.next = this.rest.next().map(|segment| Part::ahead(&this.source, segment));
                }
                if let Some(next) = &mut this.next {
                    // Only to bring it forward: its own turn comes.
                    let _ = next.poll_open(context);
                }
            }
            match futures::ready!(current.poll_bytes(context)) {
                Some(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Err(error)) => {
                    if current.is_ahead && current.is_untouched() {
                        tracing::debug!("asking for a segment again: {}", error.for_log());
                        *current = Part::new(&this.source, current.segment.clone());
                        continue;
                    }
                    this.current = None;
                    this.next = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    this.current =
                        this.next.take().or_else(|| this.rest.next().map(|segment| Part::new(&this.source, segment)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::{StreamExt, TryStreamExt};

    use super::*;
    use crate::digest::Digest;
    use crate::error::Code;
    use crate::index::BlobRef;

    /// What the fake answers to one request.
    #[derive(Clone, Copy)]
    enum Answer {
        Bytes,
        Short,
        Long,
        Refused,
        CutBeforeItsFirstByte,
    }

    /// A source whose bytes tell the segment and the place; `script` says how requests are answered, in order.
    #[derive(Clone)]
    struct Fake {
        script: Arc<Mutex<Vec<Answer>>>,
        asked: Arc<Mutex<Vec<i32>>>,
    }

    impl Fake {
        fn new(script: &[Answer]) -> Self {
            let script = script.iter().rev().copied().collect();
            Self { script: Arc::new(Mutex::new(script)), asked: Arc::default() }
        }
    }

    fn content(segment: &Segment, size: u64) -> Vec<Bytes> {
        let at = |i| (i + segment.blob_offset + 31 * u64::try_from(segment.part_number).unwrap()) as u8;
        (0..size).map(at).collect::<Vec<_>>().chunks(1 << 16).map(Bytes::copy_from_slice).collect()
    }

    impl OpenSegment for Fake {
        fn open(&self, segment: Segment) -> BoxFuture<'static, Result<ByteStream>> {
            self.asked.lock().unwrap().push(segment.part_number);
            let answer = self.script.lock().unwrap().pop().unwrap_or(Answer::Bytes);
            let size = match answer {
                Answer::Bytes | Answer::Refused => segment.size,
                Answer::Short => segment.size - 1,
                Answer::Long => segment.size + 1,
                Answer::CutBeforeItsFirstByte => 0,
            };
            let mut items: Vec<Result<Bytes>> = content(&segment, size).into_iter().map(Ok).collect();
            if matches!(answer, Answer::CutBeforeItsFirstByte) {
                items.push(Err(Code::UpstreamUnavailable.into()));
            }
            Box::pin(async move {
                // As a request does, it takes more than one poll.
                tokio::task::yield_now().await;
                match answer {
                    Answer::Refused => Err(Code::BlobUnknown.into()),
                    _ => Ok(Box::pin(futures::stream::iter(items)) as ByteStream),
                }
            })
        }
    }

    fn segments(sizes: &[u64]) -> Segments {
        let segment = |(i, size): (usize, &u64)| Segment {
            blob: BlobRef { repository_id: 1, digest: Digest::of(&[i as u8]) },
            blob_size: 1 << 40,
            blob_offset: 1000 * i as u64,
            size: *size,
            part_number: i32::try_from(i).unwrap() + 1,
        };
        sizes.iter().enumerate().map(segment).collect()
    }

    async fn collect(fake: &Fake, segments: &Segments) -> Result<Vec<u8>> {
        read(fake.clone(), segments.clone()).map_ok(|bytes| bytes.to_vec()).try_concat().await
    }

    #[tokio::test]
    async fn segments_come_whole_and_in_order() {
        for sizes in [&[][..], &[1], &[5, 1, 3], &[3 << 20, 1, 2 << 20, 70_000]] {
            let (fake, segments) = (Fake::new(&[]), segments(sizes));
            let expected: Vec<u8> = segments.iter().flat_map(|s| content(s, s.size).concat()).collect();
            assert!(collect(&fake, &segments).await.unwrap() == expected, "{sizes:?}");
        }
    }

    #[tokio::test]
    async fn the_next_segment_is_asked_for_near_the_end_of_the_last_one_and_not_earlier() {
        let fake = Fake::new(&[]);
        let mut stream = read(fake.clone(), segments(&[3 << 20, 10, 10]));
        let mut seen = 0;
        while seen < 2 << 20 {
            assert_eq!(*fake.asked.lock().unwrap(), [1], "after {seen} bytes");
            seen += stream.next().await.unwrap().unwrap().len();
        }
        stream.next().await.unwrap().unwrap();
        assert_eq!(*fake.asked.lock().unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn too_few_and_too_many_bytes_are_errors() {
        for script in [&[Answer::Short][..], &[Answer::Long], &[Answer::Bytes, Answer::Short]] {
            let error = collect(&Fake::new(script), &segments(&[100, 100])).await.unwrap_err();
            assert_eq!(error.code(), Code::InternalError);
        }
    }

    #[tokio::test]
    async fn nothing_follows_an_error() {
        let mut stream = read(Fake::new(&[Answer::Refused]), segments(&[10, 10]));
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::BlobUnknown);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_segment_that_was_asked_for_too_early_is_asked_for_once_more() {
        use Answer::{Bytes, CutBeforeItsFirstByte as Cut};
        let segments = segments(&[10, 20]);
        let expected: Vec<u8> = segments.iter().flat_map(|s| content(s, s.size).concat()).collect();
        assert_eq!(collect(&Fake::new(&[Bytes, Cut]), &segments).await.unwrap(), expected);
        assert!(collect(&Fake::new(&[Bytes, Cut, Cut]), &segments).await.is_err());
        assert!(collect(&Fake::new(&[Cut]), &segments).await.is_err(), "the first one is retried by the store already");
    }
}
