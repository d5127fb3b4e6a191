//! A client: random operations one after the other, each noted in the ledger.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use zas_proxy::digest::Digest;
use zas_proxy::error::{Code, Error};
use zas_proxy::index::{
    Checksums, CopySource, CreatedBy, Headers, Metadata, NewLock, NewObject, Object, PinnedBlob, Tags, WriteConditions,
};
use zas_proxy::store::ByteStream;

use crate::ledger::{Name, WriteId};
use crate::world::{BUCKETS, GRACE, KEYS, PIN_TTL, Parts, World, new_bucket};
use crate::{multipart, reading};

/// Who does it, and with what.
pub(crate) struct Client {
    pub(crate) world: Arc<World>,
    pub(crate) parts: Parts,
    pub(crate) rng: StdRng,
}

/// Works until it is told to stop.
pub(crate) async fn run(world: Arc<World>, parts: Parts, rng: StdRng, stop: CancellationToken) {
    let mut client = Client { world, parts, rng };
    while !stop.is_cancelled() {
        if client.rng.random_bool(0.1) {
            // A client that leaves: the operation is dropped at one of the points where it waits.
            let polls = client.rng.random_range(1..40);
            client.world.ledger.count("left");
            Leaving { polls, operation: Box::pin(client.operation()) }.await;
        } else {
            client.operation().await;
        }
    }
}

/// Drops an operation after it was polled so many times.
struct Leaving<F> {
    polls: u32,
    operation: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Leaving<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.polls == 0 {
            return Poll::Ready(());
        }
        self.polls -= 1;
        self.operation.as_mut().poll(context)
    }
}

impl Client {
    async fn operation(&mut self) {
        match self.rng.random_range(0..100) {
            0..30 => self.put().await,
            30..42 => self.delete().await,
            42..57 => self.copy().await,
            57..72 => multipart::run(self).await,
            72..76 => self.passing_bucket().await,
            _ => reading::read(self).await,
        }
    }

    pub(crate) fn name(&mut self) -> Name {
        (BUCKETS[self.rng.random_range(0..BUCKETS.len())], KEYS[self.rng.random_range(0..KEYS.len())])
    }

    pub(crate) fn content(&mut self) -> Bytes {
        self.world.contents[self.rng.random_range(0..self.world.contents.len())].clone()
    }

    /// Stores bytes by one of the two ways; `None` where that failed, and then nothing can come of it.
    pub(crate) async fn store(&mut self, bucket: &str, content: &Bytes) -> Option<PinnedBlob> {
        let blobs = self.parts.blobs.clone();
        let stored = if self.rng.random_bool(0.5) {
            self.world.ledger.count("puts");
            blobs.put_bytes(bucket, content.clone(), Digest::of(content)).await
        } else {
            self.world.ledger.count("streams");
            let body = self.stream(content);
            let is_refused = self.rng.random_bool(0.05);
            let verify = move || if is_refused { Err(Error::from(Code::BadDigest)) } else { Ok(()) };
            blobs.put_stream(bucket, body, verify).await
        };
        let pinned = match stored {
            Ok(pinned) => pinned,
            Err(error) => {
                self.expect(&error, &[Code::NoSuchBucket, Code::BadDigest, Code::ClientGone, Code::OperationAborted]);
                return None;
            }
        };
        assert_eq!((pinned.blob.digest, pinned.size), (Digest::of(content), content.len() as u64));
        if self.rng.random_bool(0.02) {
            // So late that the pin has lapsed.
            self.world.ledger.count("lapses");
            tokio::time::sleep(PIN_TTL + Duration::from_millis(self.rng.random_range(0..300))).await;
        }
        Some(pinned)
    }

    /// Chunks of any size, with pauses, now and then cut short.
    fn stream(&mut self, content: &Bytes) -> ByteStream {
        let mut chunks = Vec::new();
        let mut rest = content.clone();
        while !rest.is_empty() {
            let size = self.rng.random_range(1..=rest.len().min(100_000));
            chunks.push(Ok(rest.split_to(size)));
        }
        if self.rng.random_bool(0.1) {
            chunks.truncate(self.rng.random_range(0..=chunks.len()));
            chunks.push(Err(Error::from(Code::ClientGone)));
        }
        let pause = Duration::from_millis(self.rng.random_range(0..4));
        Box::pin(futures::stream::iter(chunks).then(move |chunk| async move {
            tokio::time::sleep(pause).await;
            chunk
        }))
    }

    async fn put(&mut self) {
        let (name, content) = (self.name(), self.content());
        let Some(pinned) = self.store(name.0, &content).await else { return };
        let etag = self.world.ledger.learn(content);
        let absent = self.rng.random_bool(0.1);
        let write = self.world.ledger.begin(name, Some(etag.clone()));
        let committed = self.commit(name, &pinned, &etag, absent).await;
        self.settle(write, committed, &[Code::PreconditionFailed, Code::OperationAborted]);
    }

    async fn commit(
        &self,
        (bucket, key): (&str, &str),
        blob: &PinnedBlob,
        etag: &str,
        absent: bool,
    ) -> Result<(), Error> {
        let object = NewObject {
            bucket,
            key,
            blob: Some(blob),
            etag,
            checksums: &Checksums::new(),
            headers: &Headers::new(),
            metadata: &Metadata::new(),
            tags: &Tags::new(),
            storage_class: "STANDARD",
            owner: "model",
            conditions: WriteConditions { absent, etag: None },
            lock: NewLock::default(),
            by: CreatedBy::Put,
            grace: GRACE,
            audit: &[],
        };
        self.parts.index.commit_object(object).await.map(drop)
    }

    async fn delete(&mut self) {
        let (bucket, key) = self.name();
        let index = self.parts.index.clone();
        if self.rng.random_bool(0.7) {
            let write = self.world.ledger.begin((bucket, key), None);
            let deleted = index.delete_object(bucket, key, GRACE, &[]).await;
            return self.settle(write, deleted.map(drop), &[]);
        }
        let writes: Vec<_> = KEYS.iter().map(|key| self.world.ledger.begin((bucket, key), None)).collect();
        let deleted = index.delete_objects(bucket, &KEYS.map(str::to_owned), GRACE, &[]).await;
        let outcome = deleted.map(drop);
        for write in writes {
            let outcome = outcome.as_ref().copied().map_err(|error| Error::from(error.code()));
            self.settle(write, outcome, &[]);
        }
    }

    async fn copy(&mut self) {
        let (source, target) = (self.name(), self.name());
        let Ok(object) = self.parts.index.object(source.0, source.1).await else { return };
        self.world.ledger.count("copies");
        self.copy_object(object, target).await;
    }

    async fn copy_object(&mut self, object: Object, target: Name) {
        let write = self.world.ledger.begin(target, Some(object.head.etag));
        let copy = CopySource {
            content_digest: None,
            object_id: object.head.id,
            bucket: target.0,
            key: target.1,
            replace: None,
            tags: None,
            storage_class: "STANDARD",
            owner: "model",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            grace: GRACE,
            audit: &[],
        };
        let copied = self.parts.index.copy_object(copy).await;
        self.settle(write, copied.map(drop), &[Code::NoSuchKey, Code::OperationAborted]);
    }

    /// A bucket that comes and goes, its blobs copied elsewhere or not.
    async fn passing_bucket(&mut self) {
        let index = self.parts.index.clone();
        let bucket = format!("passing-{}", self.rng.random_range(0..2));
        match self.rng.random_range(0..3) {
            0 => drop(index.create_bucket(new_bucket(&bucket)).await),
            1 => {
                let content = self.content();
                let Some(pinned) = self.store(&bucket, &content).await else { return };
                let etag = self.world.ledger.learn(content);
                let committed = self.commit((&bucket, "k"), &pinned, &etag, false).await;
                if let Err(error) = committed {
                    self.expect(&error, &[Code::NoSuchBucket, Code::OperationAborted]);
                }
                if self.rng.random_bool(0.5)
                    && let Ok(object) = index.object(&bucket, "k").await
                {
                    let target = self.name();
                    self.copy_object(object, target).await;
                }
            }
            _ => {
                let empty = || index.empty_bucket(&bucket, 10, "root", GRACE, &[]);
                while empty().await.is_ok_and(|emptied| !emptied.is_nothing()) {}
                drop(index.delete_bucket(&bucket, &[]).await);
            }
        }
    }

    /// Notes how a write ended. An error of `refusals` says that nothing was changed; of others nobody knows.
    pub(crate) fn settle(&self, write: WriteId, outcome: Result<(), Error>, refusals: &[Code]) {
        match outcome {
            Ok(()) => self.world.ledger.acknowledge(write),
            Err(error) => {
                self.expect(&error, refusals);
                if refusals.contains(&error.code()) {
                    self.world.ledger.refuse(write);
                }
            }
        }
    }

    /// Notes an error that nothing in this world explains.
    pub(crate) fn expect(&self, error: &Error, expected: &[Code]) {
        let is_expected = expected.contains(&error.code())
            || matches!(error.code(), Code::UpstreamUnavailable | Code::IndexUnavailable | Code::RequestTimeout | Code::ShuttingDown)
            // The session has taken so long that a sweeper took it for abandoned.
            || error.for_log().contains("BLOB_UPLOAD_UNKNOWN");
        if is_expected {
            self.world.ledger.count("errors");
        } else {
            self.world.ledger.violation(format!("unexpected error {:?}: {}", error.code(), error.for_log()));
        }
    }
}
