//! Asking the registry: at the pace that was asked for, patiently where it is in trouble, and telling its trouble from that of one
//! blob.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, sleep};

use super::{Context, Kind, Tally};
use crate::digest::{Digest, Hasher};
use crate::error::{Code, Error, Result};

/// After so many failures the registry is asked whether it is there at all.
const FAILURES: u32 = 3;

/// The pause after a failure, at first; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What is wrong with a blob at the registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) detail: String,
}

/// A blob to be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) repository: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) size: u64,
    /// Whether its bytes are read and hashed.
    pub(super) is_read: bool,
}

impl Context {
    /// Asks until there is an answer. The inner error is one: the registry refuses, or fails on this alone while it answers
    /// otherwise.
    /// # Errors
    /// `UpstreamUnavailable` where the registry was in trouble for longer than the effort allows; `ShuttingDown`.
    pub(super) async fn ask<T>(&self, ask: impl AsyncFn() -> Result<T>) -> Result<Result<T>> {
        let until = Instant::now() + self.effort.patience;
        let (mut failures, mut was_up, mut pause) = (0, false, FIRST_PAUSE);
        loop {
            self.requests.take(1).await;
            let error = match ask().await {
                Err(error) if error.code() == Code::UpstreamUnavailable => error,
                answer => return Ok(answer),
            };
            failures += 1;
            // Up before this attempt and after it: then it is not the registry.
            let is_up = failures >= FAILURES && self.store.ping().await.is_ok();
            if is_up && was_up {
                return Ok(Err(error));
            }
            was_up = is_up;
            if Instant::now() + pause > until {
                return Err(error);
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => return Err(Self::stopped()),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A blob's size at the registry.
    pub(super) async fn head(&self, repository: &str, digest: &Digest) -> Result<Result<Option<u64>>> {
        self.ask(async || self.store.head_blob(repository, digest).await).await
    }

    /// What is wrong with a blob at the registry, if anything.
    pub(super) async fn fault(&self, wanted: Wanted<'_>, tally: &mut Tally) -> Result<Option<Fault>> {
        match self.head(wanted.repository, wanted.digest).await? {
            Ok(Some(size)) if size == wanted.size => {}
            Ok(Some(size)) => {
                let detail = format!("The registry has {size} bytes of it, the index says {}.", wanted.size);
                return Ok(Some(Fault { kind: Kind::WrongSize, detail }));
            }
            Ok(None) => return Ok(Some(missing())),
            Err(error) => return Ok(Some(unreadable(&error))),
        }
        if wanted.is_read { self.fault_of_bytes(wanted, tally).await } else { Ok(None) }
    }

    async fn fault_of_bytes(&self, wanted: Wanted<'_>, tally: &mut Tally) -> Result<Option<Fault>> {
        let read = self.hash(wanted).await?;
        tally.bytes_read = tally.bytes_read.saturating_add(wanted.size);
        Ok(match read {
            Ok(digest) if digest == *wanted.digest => None,
            Ok(digest) => {
                let detail = format!("The registry sends bytes of {digest} as this blob.");
                Some(Fault { kind: Kind::CorruptBlob, detail })
            }
            Err(error) if error.code() == Code::BlobUnknown => Some(missing()),
            Err(error) => Some(unreadable(&error)),
        })
    }

    async fn hash(&self, wanted: Wanted<'_>) -> Result<Result<Digest>> {
        let Wanted { repository, digest, size, .. } = wanted;
        self.ask(async || {
            let mut bytes = self.store.get_blob(repository, digest, size, 0..size).await?;
            let mut hasher = Hasher::default();
            while let Some(chunk) = bytes.next().await {
                let chunk = chunk?;
                hasher.update(&chunk);
                self.bytes.take(chunk.len() as u64).await;
            }
            Ok(hasher.finish())
        })
        .await
    }
}

fn missing() -> Fault {
    Fault { kind: Kind::MissingBlob, detail: "The registry does not have it.".to_owned() }
}

fn unreadable(error: &Error) -> Fault {
    Fault { kind: Kind::UnreadableBlob, detail: format!("It cannot be looked at: {}", error.for_log()) }
}
