//! The pin queue: many writers, one round trip.
//!
//! While one batch is on its way to the index the next one gathers; nobody waits for a batch to fill. The queue is bounded,
//! a writer waits for a place and an answer no longer than its deadline, and one that leaves is dropped from the queue. A pin
//! that was made for a writer that has left lapses by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Error, Result};
use crate::index::{Index, PinRequest, PinnedBlob};

/// Writers that may wait for a batch; the next ones wait for a place.
const QUEUE_LENGTH: usize = 1024;

/// Requests in one round trip.
const BATCH_LENGTH: usize = 128;

/// Batches on their way at once: with a second one the database always has work while an answer travels.
const WORKERS: usize = 2;

/// How long a writer waits for its pin.
const PATIENCE: Duration = Duration::from_secs(15);

/// What pins many blobs in one round trip: the index, or a stand-in in tests.
pub(super) trait PinBlobs: Send + Sync + 'static {
    /// As [`Index::pin_blobs`].
    fn pin_blobs(
        &self,
        requests: &[PinRequest],
        ttl: Duration,
    ) -> impl Future<Output = Result<Vec<Result<PinnedBlob>>>> + Send;
}

impl PinBlobs for Index {
    async fn pin_blobs(&self, requests: &[PinRequest], ttl: Duration) -> Result<Vec<Result<PinnedBlob>>> {
        Self::pin_blobs(self, requests, ttl).await
    }
}

/// A writer in the queue.
#[derive(Debug)]
struct Waiter {
    request: PinRequest,
    answer: oneshot::Sender<Result<PinnedBlob>>,
    deadline: Instant,
}

/// The queue's entrance. Clones share the queue; its tasks end with the last clone.
#[derive(Debug, Clone)]
pub(super) struct PinQueue {
    waiters: mpsc::Sender<Waiter>,
    patience: Duration,
}

impl PinQueue {
    /// Starts the queue; must be called within a tokio runtime.
    pub(super) fn start(pinner: impl PinBlobs, ttl: Duration) -> Self {
        Self::with_patience(pinner, ttl, PATIENCE)
    }

    fn with_patience(pinner: impl PinBlobs, ttl: Duration, patience: Duration) -> Self {
        let (waiters, queue) = mpsc::channel(QUEUE_LENGTH);
        let (pinner, queue) = (Arc::new(pinner), Arc::new(Mutex::new(queue)));
        for _ in 0..WORKERS {
            tokio::spawn(work(Arc::clone(&pinner), Arc::clone(&queue), ttl));
        }
        Self { waiters, patience }
    }

    /// Pins a blob.
    /// # Errors
    /// The index's answer for this blob, or `IndexUnavailable` where none came in time.
    pub(super) async fn pin(&self, request: PinRequest) -> Result<PinnedBlob> {
        let deadline = Instant::now() + self.patience;
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter { request, answer, deadline };
        let round = async {
            self.waiters.send(waiter).await.map_err(|_| ended())?;
            answered.await.map_err(|_| ended())?
        };
        timeout_at(deadline, round).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Takes batches off the queue until its last entrance is closed.
async fn work<P: PinBlobs>(pinner: Arc<P>, queue: Arc<Mutex<mpsc::Receiver<Waiter>>>, ttl: Duration) {
    let mut batch = Vec::with_capacity(BATCH_LENGTH);
    loop {
        // Taking is cheap and never waits while there is anything: the other worker waits here only for work.
        if queue.lock().await.recv_many(&mut batch, BATCH_LENGTH).await == 0 {
            return;
        }
        batch.retain(|waiter| !waiter.answer.is_closed());
        // Whoever waits in the first place has the nearest deadline; later there is nobody left to answer it.
        let Some(deadline) = batch.iter().map(|waiter| waiter.deadline).max() else { continue };
        let (requests, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|w| (w.request, w.answer)).unzip();
        let answer = timeout_at(deadline, pinner.pin_blobs(&requests, ttl)).await.unwrap_or_else(|_| Err(late()));
        deliver(answer, answers);
    }
}

/// Gives each writer its own answer. One that has left does not take it.
fn deliver(answer: Result<Vec<Result<PinnedBlob>>>, waiters: Vec<oneshot::Sender<Result<PinnedBlob>>>) {
    match answer {
        Ok(answers) => {
            let missing = std::iter::repeat_with(|| Err(Error::internal("the index left a pin unanswered")));
            for (waiter, answer) in waiters.into_iter().zip(answers.into_iter().chain(missing)) {
                drop(waiter.send(answer));
            }
        }
        Err(error) => {
            for waiter in waiters {
                drop(waiter.send(Err(for_each_of_many(&error))));
            }
        }
    }
}

/// One error for each of many waiters.
fn for_each_of_many(error: &Error) -> Error {
    let copy = Error::from(error.code()).detail(error.for_log());
    match error.retry_after_seconds() {
        Some(seconds) => copy.retry_after(Duration::from_secs(seconds)),
        None => copy,
    }
}

/// The queue's tasks live as long as the runtime: without them the process is about to end.
fn ended() -> Error {
    Error::from(Code::ShuttingDown).detail("the pin queue has ended")
}

fn late() -> Error {
    Error::from(Code::IndexUnavailable).detail("no pin in time")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::digest::Digest;
    use crate::index::{BlobRef, Repository};

    /// Notes the batches, and answers one for each permit.
    struct Fake {
        batches: Arc<Lock<Vec<usize>>>,
        permits: Arc<Semaphore>,
        fail: bool,
    }

    impl PinBlobs for Fake {
        async fn pin_blobs(&self, requests: &[PinRequest], _: Duration) -> Result<Vec<Result<PinnedBlob>>> {
            self.batches.lock().unwrap().push(requests.len());
            self.permits.acquire().await.unwrap().forget();
            if self.fail {
                return Err(Error::from(Code::IndexUnavailable).retry_after(Duration::from_secs(7)));
            }
            Ok(requests.iter().map(answer).collect())
        }
    }

    fn answer(request: &PinRequest) -> Result<PinnedBlob> {
        if request.bucket == "gone" {
            return Err(Code::NoSuchBucket.into());
        }
        let repository = Repository { id: 1, store: "s".to_owned(), name: "r".to_owned() };
        let blob = BlobRef { repository_id: 1, digest: request.digest };
        Ok(PinnedBlob { blob, size: request.size, pin_id: 1, repository })
    }

    fn request(bucket: &str, number: u64) -> PinRequest {
        let digest = Digest::of(&number.to_be_bytes());
        PinRequest { bucket: bucket.to_owned(), digest, size: number, shard: None }
    }

    struct Setup {
        queue: PinQueue,
        batches: Arc<Lock<Vec<usize>>>,
        permits: Arc<Semaphore>,
    }

    fn setup(permits: usize, fail: bool) -> Setup {
        let (batches, permits) = (Arc::new(Lock::default()), Arc::new(Semaphore::new(permits)));
        let fake = Fake { batches: Arc::clone(&batches), permits: Arc::clone(&permits), fail };
        Setup { queue: PinQueue::start(fake, Duration::from_secs(1)), batches, permits }
    }

    #[tokio::test(start_paused = true)]
    async fn each_writer_gets_the_answer_to_its_own_request() {
        let setup = setup(1000, false);
        let pins = (0..300).map(|i| setup.queue.pin(request(if i % 7 == 0 { "gone" } else { "b" }, i)));
        for (i, answer) in join_all(pins).await.into_iter().enumerate() {
            match answer {
                Ok(pinned) => assert_eq!((pinned.size, i % 7 == 0), (i as u64, false)),
                Err(error) => assert_eq!((error.code(), i % 7), (Code::NoSuchBucket, 0)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_gather_while_batches_are_on_their_way() {
        let setup = setup(0, false);
        let pins = tokio::spawn({
            let queue = setup.queue.clone();
            async move { join_all((0..100).map(|i| queue.pin(request("b", i)))).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        setup.permits.add_permits(1000);
        assert!(pins.await.unwrap().iter().all(Result::is_ok));
        let batches = setup.batches.lock().unwrap().clone();
        assert_eq!(batches.iter().sum::<usize>(), 100);
        assert!(batches.len() <= 4, "{batches:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_never_longer_than_its_limit() {
        let setup = setup(1000, false);
        join_all((0..1000).map(|i| setup.queue.pin(request("b", i)))).await;
        assert!(setup.batches.lock().unwrap().iter().all(|length| *length <= BATCH_LENGTH));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_index_reaches_every_writer_of_the_batch() {
        let setup = setup(1000, true);
        for answer in join_all((0..10).map(|i| setup.queue.pin(request("b", i)))).await {
            let error = answer.unwrap_err();
            assert_eq!((error.code(), error.retry_after_seconds()), (Code::IndexUnavailable, Some(7)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_index_that_does_not_answer_costs_a_writer_its_patience_and_no_more() {
        let setup = setup(0, false);
        let begun = Instant::now();
        let answers = join_all((0..2000).map(|i| setup.queue.pin(request("b", i)))).await;
        assert!(answers.iter().all(|a| a.as_ref().is_err_and(|e| e.code() == Code::IndexUnavailable)));
        assert!(begun.elapsed() <= PATIENCE + Duration::from_secs(1));
        setup.permits.add_permits(10_000);
        assert!(setup.queue.pin(request("b", 1)).await.is_ok(), "the queue works again when the index does");
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_has_left_is_not_asked_for() {
        let setup = setup(0, false);
        let mut busy = Vec::new();
        for i in 0..WORKERS {
            let queue = setup.queue.clone();
            busy.push(tokio::spawn(async move { queue.pin(request("b", i as u64)).await }));
            // Each worker must be held up by a batch of its own.
            while setup.batches.lock().unwrap().len() <= i {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let leaving = setup.queue.pin(request("b", 99));
        assert!(tokio::time::timeout(Duration::from_millis(5), leaving).await.is_err());
        setup.permits.add_permits(1000);
        for pin in busy {
            pin.await.unwrap().unwrap();
        }
        setup.queue.pin(request("b", 100)).await.unwrap();
        assert_eq!(setup.batches.lock().unwrap().iter().sum::<usize>(), WORKERS + 1);
    }
}
