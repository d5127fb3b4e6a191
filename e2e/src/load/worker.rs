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
    phase::{Phase, Run},
    report::{Measured, Samples},
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
    let mut edges = None;
    let started = Instant::now();
    while samples.count() < LEAST_PAGES && samples.errors() == 0 {
        let mut token: Option<String> = None;
        let mut first = None;
        let mut items = 0;
        loop {
            let asked = Instant::now();
            let page = timeout(deadline, run.page(&mut connection, token.as_deref())).await;
            let took = asked.elapsed();
            match page.unwrap_or_else(|_| Err(anyhow!("no page within {deadline:?}"))) {
                Ok(page) => {
                    samples.succeeded(took, 0);
                    items += page.items;
                    first.get_or_insert(took);
                    token = page.next;
                }
                Err(error) => {
                    connection.close();
                    samples.failed(&error);
                    break;
                }
            }
            if token.is_none() {
                // The last full walk is kept: the first one may have warmed the server's caches.
                edges = Some((first.unwrap_or(took), took, items));
                break;
            }
        }
    }
    let mut measured = Measured::new(samples, started.elapsed());
    measured.listing = edges;
    measured
}
