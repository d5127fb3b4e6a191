//! `zas-proxy fsck`: compares the index with the registry, says what does not fit, and mends what is safe to mend (docs/fsck.md).
//!
//! A run goes through its phases one after the other, and through each by a key, page by page, so that memory stays flat. How far
//! it has come is saved every few seconds: one that was killed goes on from there, and looks at a little once more. What a writer
//! does meanwhile explains much of what is seen; so nothing is reported before the index was asked again (`blobs.rs`).
//! What does not live here: what is asked of the index (`index/fsck`), the life of blobs (`blobs`), the command line (`cli/fsck.rs`).

mod asked;
mod blobs;
mod buckets;
mod catalog;
mod files;
mod finding;
mod leftovers;
mod objects;
mod options;
mod pace;
mod phase;
mod referrers;
mod repositories;
mod restore;
mod tally;
#[cfg(test)]
mod tests;
mod uploads;
mod walk;

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use self::finding::{Finding, Kind, Repair};
pub use self::options::{Effort, Options};
use self::pace::Pace;
pub use self::phase::Phase;
pub use self::tally::Tally;
use self::walk::Walk;
use crate::blobs::Blobs;
use crate::config::{self, Config};
use crate::error::{Code, Error, Result};
use crate::index::Index;
use crate::index::fsck::HeldRun;
use crate::store::Store;

/// Told of each finding as it is made.
pub type Listener = Arc<dyn Fn(&Finding) + Send + Sync>;

/// A run that this process holds.
pub struct Fsck {
    context: Context,
    held: HeldRun,
    phase: Phase,
    place: Option<Value>,
    tally: Tally,
    was_ended: bool,
}

/// What every check needs.
struct Context {
    index: Index,
    store: Store,
    blobs: Blobs,
    config: config::Blobs,
    prefix: String,
    run: i64,
    options: Options,
    effort: Effort,
    requests: Pace,
    bytes: Arc<Pace>,
    listener: Listener,
    stop: CancellationToken,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// The run's number: what `--resume` takes.
    pub run: i64,
    /// What was counted, from the run's beginning on.
    pub tally: Tally,
    /// What was not looked at, in words.
    pub not_looked_at: Vec<String>,
    /// Why it did not come to its end; unset where it did.
    pub unfinished: Option<Error>,
}

impl Fsck {
    /// Begins a run.
    /// # Errors
    /// The configuration cannot be used, or `IndexUnavailable`.
    pub async fn begin(config: &Config, options: Options, effort: Effort, listener: Listener) -> Result<Self> {
        let index = index(config, &effort)?;
        let saved = serde_json::to_value(&options).map_err(Error::internal)?;
        let (held, _) = index.begin_fsck(&saved, Phase::FIRST.as_str()).await?;
        let context = Context::new(config, index, held.id(), options, effort, listener)?;
        Ok(Self { context, held, phase: Phase::FIRST, place: None, tally: Tally::default(), was_ended: false })
    }

    /// Takes up a run that was begun earlier, with the options that it was begun with.
    /// # Errors
    /// `NoSuchEntity`; `OperationAborted` where another process holds it; as [`begin`](Self::begin).
    pub async fn resume(config: &Config, run: i64, effort: Effort, listener: Listener) -> Result<Self> {
        let index = index(config, &effort)?;
        let (held, saved) = index.hold_fsck(run).await?;
        let unreadable =
            |error| Error::internal(format!("run {run} was saved by another version of fsck")).source(error);
        let options = serde_json::from_value(saved.options).map_err(unreadable)?;
        let tally = serde_json::from_value(saved.tally).map_err(unreadable)?;
        let phase = Phase::parse(&saved.phase)
            .ok_or_else(|| Error::internal(format!("run {run} is in the unknown phase {:?}", saved.phase)))?;
        let context = Context::new(config, index, held.id(), options, effort, listener)?;
        Ok(Self { context, held, phase, place: saved.place, tally, was_ended: saved.is_ended })
    }

    /// The run's number.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.context.run
    }

    /// Goes on until the end, until `stop`, or until the registry or the index was in trouble for longer than the effort allows.
    /// What it has found by then counts; the rest can be looked at by resuming it.
    pub async fn run(mut self, stop: CancellationToken) -> Report {
        self.context.stop = stop;
        let Self { context, held, phase, place, tally, was_ended } = self;
        let mut walk = Walk::new(&context, &held, phase, place, tally);
        let end = if was_ended { Ok(()) } else { walk.finish().await };
        let tally = walk.into_tally();
        // A blob that was being brought back when the run ended leaves no upload behind.
        let cleaned = tokio::time::timeout(context.effort.patience, context.blobs.wait_for_clean_ups()).await;
        if cleaned.is_err() {
            tracing::warn!("an upload session of fsck is left to the sweeper");
        }
        let not_looked_at = context.options.not_looked_at(&tally);
        Report { run: context.run, tally, not_looked_at, unfinished: end.err() }
    }
}

impl Report {
    /// Findings that were not mended.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.tally.left()
    }
}

impl Context {
    fn new(
        config: &Config,
        index: Index,
        run: i64,
        options: Options,
        effort: Effort,
        listener: Listener,
    ) -> Result<Self> {
        let store = Store::new(&store_config(&config.store))?;
        Ok(Self {
            blobs: Blobs::new(index.clone(), store.clone(), config.blobs.clone()),
            index,
            store,
            config: config.blobs.clone(),
            prefix: config.store.prefix.clone(),
            run,
            options,
            requests: Pace::new(effort.requests_per_second),
            bytes: Arc::new(Pace::new(effort.bytes_per_second)),
            effort,
            listener,
            stop: CancellationToken::new(),
        })
    }

    /// Whether a kind of repair is asked for.
    fn repairs(&self, repair: Repair) -> bool {
        self.options.repairs.contains(&repair)
    }

    fn stopped() -> Error {
        Error::from(Code::ShuttingDown).detail("fsck was asked to stop")
    }
}

/// Whole buckets are counted by one statement, which takes its time. One connection holds the run.
fn index(config: &Config, effort: &Effort) -> Result<Index> {
    let mut database = config.database.clone();
    database.statement_timeout = database.statement_timeout.max(effort.statement_timeout);
    database.max_connections = database.max_connections.max(4);
    Index::open(&database)
}

/// Fsck waits and asks again by itself (`asked.rs`), and reads blobs for their digest: a breaker would have one bad blob speak for
/// all others, and the store's own check would only say that something is wrong.
fn store_config(config: &config::Store) -> config::Store {
    let mut config = config.clone();
    config.breaker.failure_threshold = u32::MAX;
    config.verify_reads = bytesize::ByteSize::b(0);
    config
}
