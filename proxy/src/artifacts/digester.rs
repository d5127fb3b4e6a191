//! [`Digester`]: reads objects that came in parts once from end to end, for their digest cannot be put together from those of
//! their parts (docs/adr/0008).
//!
//! In the background, off a queue in the index that all replicas share; and at once for an OCI client that asks for such an
//! object, who waits for a while and comes back. An object is read once at a time by each replica, however many ask for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use metrics::{counter, histogram};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::blobs::Blobs;
use crate::config;
use crate::digest::{Digest, Hasher};
use crate::error::{Code, Error, Result};
use crate::index::{Index, Object};
use crate::telemetry::names;

/// How long nobody else reads an object that somebody reads; it is prolonged meanwhile.
const LEASE: Duration = Duration::from_secs(120);

/// How often it is prolonged.
const HOLD: Duration = Duration::from_secs(30);

/// How long the background rests where there is nothing to do, or the index does not answer.
const REST: Duration = Duration::from_secs(5);

/// How long a client waits for the digest of an object.
const PATIENCE: Duration = Duration::from_secs(20);

/// When a client that has waited in vain should come back.
const COME_BACK: Duration = Duration::from_secs(10);

/// Objects that are read, or wait to be, at once.
const UNDER_WAY: usize = 1024;

/// Objects that are read at once because a client waits: those have readers of their own, so that none waits for the background.
const FOR_CLIENTS: usize = 2;

/// Finds digests. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Digester(Arc<Inner>);

struct Inner {
    index: Index,
    blobs: Blobs,
    config: config::Artifacts,
    for_clients: Semaphore,
    under_way: Mutex<HashMap<i64, watch::Receiver<Progress>>>,
}

/// For whom an object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Nobody waits.
    Background,
    /// A client waits.
    Client,
}

/// How far an object has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    UnderWay,
    Done,
    Failed(Code),
}

impl Digester {
    /// Reads objects of this index; nothing by itself until [`run`](Self::run).
    #[must_use]
    pub fn new(index: Index, blobs: Blobs, config: &config::Artifacts) -> Self {
        let (config, for_clients) = (config.clone(), Semaphore::new(FOR_CLIENTS));
        Self(Arc::new(Inner { index, blobs, config, for_clients, under_way: Mutex::default() }))
    }

    /// Finds the digest of a version, and waits for it for a while; it goes on when the caller does not wait any more.
    /// # Errors
    /// `DigestPending` where it takes longer; what the index or the store fail with.
    pub async fn find(&self, object_id: i64) -> Result<()> {
        match timeout(PATIENCE, self.read(object_id, Reader::Client)).await {
            Ok(end) => end,
            Err(_) => Err(Error::from(Code::DigestPending).retry_after(COME_BACK)),
        }
    }

    /// Works off the queue until `stop`. What has begun then is left to others.
    pub async fn run(&self, stop: CancellationToken) {
        if !self.0.config.digest_in_background {
            return;
        }
        let readers = (0..self.0.config.digest_readers.max(1)).map(|_| self.work_off(&stop));
        tokio::select! {
            _ = futures::future::join_all(readers) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn work_off(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.work_off_one().await {
                Ok(true) => {}
                Ok(false) => sleep(REST.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await,
                Err(error) => {
                    tracing::debug!("the queue of objects without a digest waits: {}", error.for_log());
                    sleep(REST).await;
                }
            }
        }
    }

    /// One object of the queue; whether there was one. One that fails comes again, later each time.
    async fn work_off_one(&self) -> Result<bool> {
        let Some(object_id) = self.0.index.claim_undigested(LEASE).await? else { return Ok(false) };
        self.read(object_id, Reader::Background).await?;
        Ok(true)
    }

    /// Reads an object to its end, or waits for whoever reads it already.
    async fn read(&self, object_id: i64, reader: Reader) -> Result<()> {
        let mut progress = self.start(object_id, reader)?;
        let end = progress.wait_for(|progress| *progress != Progress::UnderWay).await.map(|progress| *progress);
        match end {
            Ok(Progress::Failed(code)) => Err(Error::from(code).detail("the digest of an object could not be found")),
            Ok(Progress::Done | Progress::UnderWay) => Ok(()),
            // The reader has gone without a word: it panicked, or the process ends.
            Err(_) => Err(Error::internal(format!("object {object_id} was not read to its end"))),
        }
    }

    /// Begins to read an object, or joins those who wait for it already.
    fn start(&self, object_id: i64, reader: Reader) -> Result<watch::Receiver<Progress>> {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(progress) = under_way.get(&object_id) {
            return Ok(progress.clone());
        }
        if under_way.len() >= UNDER_WAY {
            return Err(Error::from(Code::SlowDown).detail("too many objects are read for their digests"));
        }
        let (told, progress) = watch::channel(Progress::UnderWay);
        under_way.insert(object_id, progress.clone());
        drop(under_way);
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let entry = Entry { inner: Arc::clone(&inner), object_id };
            let end = match inner.read_through(object_id, reader).await {
                Ok(()) => Progress::Done,
                Err(error) => {
                    tracing::warn!(object_id, "the digest of an object could not be found: {}", error.for_log());
                    Progress::Failed(error.code())
                }
            };
            // Whoever asks from now on looks into the index, or begins anew.
            drop(entry);
            told.send_replace(end);
        });
        Ok(progress)
    }
}

/// Takes an object off the list of those under way, however its reading ends.
struct Entry {
    inner: Arc<Inner>,
    object_id: i64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.inner.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.object_id);
    }
}

impl Inner {
    async fn read_through(&self, object_id: i64, reader: Reader) -> Result<()> {
        let _place = match reader {
            Reader::Client => Some(self.for_clients.acquire().await.map_err(Error::internal)?),
            Reader::Background => None,
        };
        let Some(object) = self.index.object_version(object_id).await? else { return Ok(()) };
        if object.content_digest.is_some() {
            return Ok(());
        }
        let begun = Instant::now();
        match self.hash(&object, reader).await {
            Ok(digest) => {
                self.index.settle_digest(object_id, &digest).await?;
                counter!(names::DIGEST_BYTES).increment(object.head.size);
                histogram!(names::DIGEST_SECONDS).record(begun.elapsed().as_secs_f64());
                Ok(())
            }
            // Replaced meanwhile, and its bytes are swept: nobody asks any more.
            Err(error) if error.code() == Code::BlobUnknown => match self.index.object_version(object_id).await? {
                None => Ok(()),
                Some(_) => Err(Error::internal(format!("bytes of object {object_id} are named and not at the store"))
                    .source(error)),
            },
            Err(error) => Err(error),
        }
    }

    /// SHA-256 of all bytes of an object; in the background no faster than configured.
    async fn hash(&self, object: &Object, reader: Reader) -> Result<Digest> {
        let segments = self.index.segments_of(object, 0..object.head.size).await?;
        let mut bytes = self.blobs.read(segments);
        let mut hasher = Hasher::default();
        let mut pace = (reader == Reader::Background).then(|| Pace::new(self.config.digest_rate.as_u64()));
        let mut held = Instant::now();
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            hasher.update(&chunk);
            if let Some(pace) = &mut pace {
                pace.wait(chunk.len() as u64).await;
            }
            if held.elapsed() >= HOLD {
                held = Instant::now();
                self.index.hold_undigested(object.head.id, LEASE).await?;
            }
        }
        Ok(hasher.finish())
    }
}

/// Keeps a reader to its rate.
struct Pace {
    begun: Instant,
    read: u64,
    rate: u64,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { begun: Instant::now(), read: 0, rate: rate.max(1) }
    }

    /// Waits until so many more bytes may have been read.
    async fn wait(&mut self, bytes: u64) {
        self.read = self.read.saturating_add(bytes);
        let micros = u128::from(self.read) * 1_000_000 / u128::from(self.rate);
        let due = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        if due > self.begun.elapsed() {
            sleep_until(self.begun + due).await;
        }
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").field("config", &self.0.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_kept_to_its_rate_and_a_slow_one_is_not_held_up() {
        let begun = Instant::now();
        let mut pace = Pace::new(1000);
        for _ in 0..10 {
            pace.wait(100).await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        sleep(Duration::from_secs(5)).await;
        pace.wait(1000).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_nothing_does_not_stop_the_arithmetic() {
        let mut pace = Pace::new(0);
        assert!(timeout(Duration::from_secs(2), pace.wait(1)).await.is_ok());
    }
}
