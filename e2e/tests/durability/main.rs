//! What was acknowledged is there, whatever was killed, and is on record once; and what was started is gone when its parent is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test are tests too: they fail by panicking"
)]

mod pushes;
mod record;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use zas_e2e::{
    clients::pattern,
    harness::{DevServer, Options, Upstream, Zot, no_zot},
    s3::S3,
};

const WRITERS: u64 = 4;
/// Keys of one writer: few, so that most writes replace something.
const KEYS: u64 = 8;
/// Acknowledged writes before each kill.
const ENOUGH: u64 = 60;
/// Every so-manyth body is larger than what is held in memory, and streams.
const LARGE_EVERY: u64 = 9;

/// How long an intent of a killed process may be without an outcome before the registry is asked. Longer than it takes a living
/// process to give a sign of life, which is five seconds.
const RECONCILE_AFTER: &str = "8s";

/// What a key may hold after the kill: the last acknowledged content, or one whose answer never came.
#[derive(Debug, Default, Clone)]
struct Expected {
    acknowledged: Option<u64>,
    in_doubt: Vec<u64>,
}

/// One write, whatever became of it.
#[derive(Debug, Clone)]
struct Attempt {
    path: String,
    digest: String,
    acknowledged: bool,
}

/// What was written, by key, and every write that there ever was, by its seed.
#[derive(Debug, Default)]
struct Writes {
    keys: BTreeMap<String, Expected>,
    attempts: BTreeMap<u64, Attempt>,
}

type Ledger = Arc<Mutex<Writes>>;

impl Writes {
    fn begin(&mut self, seed: u64, attempt: &Attempt) {
        self.keys.entry(attempt.path.clone()).or_default().in_doubt.push(seed);
        self.attempts.insert(seed, attempt.clone());
    }

    /// One writer a key: what was in doubt before this answer is history.
    fn acknowledge(&mut self, seed: u64, attempt: Attempt) {
        self.keys.insert(attempt.path.clone(), Expected { acknowledged: Some(seed), in_doubt: vec![] });
        self.attempts.insert(seed, attempt);
    }
}

fn content(seed: u64) -> Bytes {
    let size = if seed.is_multiple_of(LARGE_EVERY) { 9_000_000 } else { 2_000 + usize::try_from(seed % 50).unwrap() };
    Bytes::from(pattern(size, seed))
}

fn write_until_stopped(s3: &S3, writer: u64, ledger: &Ledger, seeds: &AtomicU64, done: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let seed = seeds.fetch_add(1, Ordering::Relaxed);
        let path = format!("/durable/{writer}/{}", seed % KEYS);
        let body = content(seed);
        let mut attempt = Attempt { path: path.clone(), digest: record::digest(&body), acknowledged: false };
        ledger.lock().unwrap().begin(seed, &attempt);
        if s3.put(&path, body) {
            attempt.acknowledged = true;
            ledger.lock().unwrap().acknowledge(seed, attempt);
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_until_killed(
    server: &mut DevServer,
    ledger: &Ledger,
    pushes: &pushes::Pushes,
    seeds: &Arc<AtomicU64>,
) -> Result<()> {
    let s3 = S3::new(server.endpoint());
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (s3, ledger, seeds) = (s3.clone(), Arc::clone(ledger), Arc::clone(seeds));
            let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
            thread::spawn(move || write_until_stopped(&s3, writer, &ledger, &seeds, &done, &stop))
        })
        .collect();
    let pusher = pushes.push_until(server.endpoint(), &stop);
    let begun = Instant::now();
    while done.load(Ordering::Relaxed) < ENOUGH && begun.elapsed() < Duration::from_secs(120) {
        thread::sleep(Duration::from_millis(5));
    }
    server.crash()?;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    pusher.join().unwrap();
    ensure!(done.load(Ordering::Relaxed) >= ENOUGH, "the writers were too slow to test anything");
    Ok(())
}

fn check(server: &DevServer, ledger: &Ledger) -> Result<()> {
    let s3 = S3::new(server.endpoint());
    for (path, expected) in &mut ledger.lock().unwrap().keys {
        let answer = s3.send(Method::GET, path, Bytes::new())?;
        let candidates: Vec<u64> = expected.acknowledged.into_iter().chain(expected.in_doubt.clone()).collect();
        if answer.status == StatusCode::NOT_FOUND {
            ensure!(expected.acknowledged.is_none(), "{path} was acknowledged and is gone");
            continue;
        }
        ensure!(answer.status == StatusCode::OK, "{path}: {} {:?}", answer.status, answer.body);
        let found = candidates.iter().copied().find(|seed| content(*seed) == answer.body);
        let found = found.with_context(|| format!("{path} holds none of {candidates:?}"))?;
        *expected = Expected { acknowledged: Some(found), in_doubt: vec![] };
    }
    Ok(())
}

/// The programs whose command line names `folder`.
fn running_in(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&name) {
            found.push(line);
        }
    }
    found
}

fn wait_until_nothing_runs_in(folder: &Path) -> Result<()> {
    let begun = Instant::now();
    while !running_in(folder).is_empty() {
        ensure!(begun.elapsed() < Duration::from_secs(60), "still there: {:?}", running_in(folder));
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn acknowledged_writes_survive_kill_9(upstream: &Upstream) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        upstream: upstream.clone(),
        data_dir: Some(folder.path().to_owned()),
        environment: vec![("ZAS_AUDIT__RECONCILE_AFTER".to_owned(), RECONCILE_AFTER.to_owned())],
        ..Options::default()
    };
    let (ledger, pushes) = (Ledger::default(), pushes::Pushes::default());
    let seeds = Arc::new(AtomicU64::new(1));
    let mut server = DevServer::start(&options)?;
    ensure!(S3::new(server.endpoint()).put("/durable", Bytes::new()), "no bucket: {}", server.log_tail());
    pushes::prepare(server.endpoint())?;
    for round in 0..2 {
        write_until_killed(&mut server, &ledger, &pushes, &seeds)?;
        wait_until_nothing_runs_in(folder.path()).context("what a killed dev had started outlives it")?;
        // It tidies up behind itself, which must not meet what the next one starts.
        drop(server);
        server = DevServer::start(&options).context("the next start after a kill")?;
        check(&server, &ledger)
            .and_then(|()| record::check(&server, &ledger))
            .and_then(|()| pushes.check(&server))
            .with_context(|| format!("round {round}\n{}", server.log_tail()))?;
        server.verify_audit().with_context(|| format!("round {round}"))?;
    }
    server.stop()?;
    wait_until_nothing_runs_in(folder.path()).context("what a stopped dev had started outlives it")
}

#[test]
fn acknowledged_writes_survive_kill_9_on_the_embedded_registry() -> Result<()> {
    acknowledged_writes_survive_kill_9(&Upstream::Embedded)
}

#[test]
fn acknowledged_writes_survive_kill_9_on_a_stock_zot() -> Result<()> {
    match Zot::binary() {
        Some(zot) => acknowledged_writes_survive_kill_9(&Upstream::Zot(zot)),
        None => {
            no_zot("acknowledged_writes_survive_kill_9");
            Ok(())
        }
    }
}
