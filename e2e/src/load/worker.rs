//! Runs one phase on one server: so many workers, each with a connection, until all operations are done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use tokio::{task::JoinSet, time::timeout};

use super::{
    Arguments,
    connection::Connection,
    phase::{Phase, Run},
    report::{Listing, Measured, Samples},
    target::Target,
};

/// A listing is repeated until so many pages have been read: few pages say little.
const LEAST_PAGES: usize = 20;

/// Runs the phase of this round and measures it.
pub(super) async fn run(target: &Target, phase: Phase, round: u64, arguments: &Arguments) -> Result<Measured> {
    let run = Arc::new(Run::new(target, phase, round, arguments));
    let deadline = arguments.deadline();
    if phase.is_listing() {
        return Ok(list(&run, deadline).await);
    }
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    let started = Instant::now();
    for _ in 0..arguments.concurrency.min(arguments.operations) {
        workers.spawn(work(Arc::clone(&run), Arc::clone(&next), arguments.operations, deadline));
    }
    let mut all = Samples::default();
    while let Some(samples) = workers.join_next().await {
        all.merge(samples?);
    }
    Ok(Measured::new(all, started.elapsed()))
}

async fn work(run: Arc<Run>, next: Arc<AtomicU64>, operations: u64, deadline: Duration) -> Samples {
    let mut connection = run.target.connection();
    let mut samples = Samples::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= operations {
            return samples;
        }
        let started = Instant::now();
        let done = timeout(deadline, run.operate(&mut connection, index)).await;
        match done.unwrap_or_else(|_| Err(anyhow!("no answer within {deadline:?}"))) {
            Ok(bytes) => samples.succeeded(started.elapsed(), bytes),
            Err(error) => {
                connection.close();
                samples.failed(&error);
            }
        }
    }
}

/// Goes through the listing of the round from its first page to its last, again and again until enough pages were read.
async fn list(run: &Run, deadline: Duration) -> Measured {
    let mut connection = run.target.connection();
    let mut samples = Samples::default();
    let mut walk = None;
    let started = Instant::now();
    while samples.count() < LEAST_PAGES && samples.errors() == 0 {
        // The last walk is kept: the first one may have warmed the server's caches.
        walk = self::walk(run, &mut connection, deadline, &mut samples).await;
    }
    let mut measured = Measured::new(samples, started.elapsed());
    measured.listing = walk;
    measured
}

/// One walk through all pages, or nothing where a page failed.
async fn walk(run: &Run, connection: &mut Connection, deadline: Duration, samples: &mut Samples) -> Option<Listing> {
    let mut token: Option<String> = None;
    let mut walk: Option<Listing> = None;
    loop {
        let asked = Instant::now();
        let page = timeout(deadline, run.page(connection, token.as_deref())).await;
        let took = asked.elapsed();
        match page.unwrap_or_else(|_| Err(anyhow!("no page within {deadline:?}"))) {
            Ok(page) => {
                samples.succeeded(took, 0);
                let walk = walk.get_or_insert(Listing { first: took, last: took, entries: 0 });
                walk.entries += page.items;
                // Some servers end with a page of nothing, which would flatter them.
                if page.items > 0 {
                    walk.last = took;
                }
                token = page.next;
            }
            Err(error) => {
                connection.close();
                samples.failed(&error);
                return None;
            }
        }
        if token.is_none() {
            return walk;
        }
    }
}
