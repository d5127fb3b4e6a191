//! Clients that meet on few keys, over several sidecars on one Postgres and one registry, while parts are killed and started
//! again: `cargo run --release -p zas-e2e --bin stress -- --help`, and for seconds in the tests.
//!
//! All that clients were answered is kept (`record.rs`) and checked at the end ([`crate::linearizability`]), with what is found
//! when everything is at rest (`rest.rs`). What is asked of the service, in which order and by whom follows from the seed;
//! how it meets, and when something is killed, from the machine too.

mod arguments;
mod ask;
mod client;
mod content;
mod faults;
mod multipart;
mod record;
mod rest;
mod versions;
mod xml;

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use http::Method;

use self::{ask::Doors, client::Client, record::Record};
use crate::{
    harness::Cluster,
    linearizability::{History, check},
    s3::Ask,
};

pub use self::arguments::{Arguments, Buckets, Victim};

/// Longest wait for one answer: longer than any wait that the sidecars of a cluster allow themselves.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long the clients meet on the same keys. Then they go on to others: each answer that never came doubles, at worst, what is
/// possible of a key from then on.
const EPOCH: Duration = Duration::from_secs(20);

/// A bucket that the clients meet in.
#[derive(Debug, Clone)]
struct Bucket {
    name: String,
    is_versioned: bool,
}

/// What all clients share.
#[derive(Debug)]
struct World {
    doors: Doors,
    buckets: Vec<Bucket>,
    keys: Vec<String>,
    /// How many of them are met on at a time.
    keys_at_a_time: usize,
    clock: Instant,
    stop: AtomicBool,
    /// Nothing is killed, so that every request has an answer, and none of them is that of a failure.
    is_undisturbed: bool,
    multipart: Mutex<Multipart>,
}

/// Uploads that are completed and given up at once.
#[derive(Debug, Default)]
struct Multipart {
    /// Bucket, key and id of uploads that somebody else may abort.
    offered: Vec<(String, String, String)>,
    /// Their ids, also of those that somebody has taken.
    ever_offered: BTreeSet<String>,
    aborted: BTreeSet<String>,
    completed: BTreeSet<String>,
}

/// Runs clients against a cluster of its own and checks what they were answered.
///
/// # Errors
/// When the cluster does not start, or anything was wrong: with all of it, the seed, and the ends of the logs.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let upstream = arguments.upstream();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    writeln!(out, "stress: seed {seed}, {} on {upstream:?}", arguments.describe())?;
    let mut cluster = Cluster::start(&upstream, arguments.sidecars)?;
    let outcome = run_on(&mut cluster, arguments, seed, out);
    outcome.map_err(|error| anyhow!("seed {seed}: {error:#}\n{}", cluster.log_tail()))
}

fn run_on(cluster: &mut Cluster, arguments: &Arguments, seed: u64, out: &mut dyn Write) -> Result<()> {
    let world = World::new(cluster, arguments);
    world.make_buckets()?;
    let mut record = thread::scope(|scope| -> Result<Record> {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|number| {
                let world = &world;
                scope.spawn(move || Client::new(world, seed, number)?.run())
            })
            .collect();
        let killed = faults::until(cluster, arguments, seed, out);
        // Whatever became of the faults, the clients end: the scope waits for them.
        world.stop.store(true, Ordering::Relaxed);
        let mut record = Record::new(world.clock);
        for client in clients {
            record.merge(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        killed?;
        Ok(record)
    })?;
    let took = world.clock.elapsed();
    cluster.restart_what_has_ended()?;
    rest::look(&world, &mut record).context("at rest")?;
    world.look_at_uploads(&mut record);
    // Index and registry agree.
    match cluster.run(&["fsck"]) {
        Ok(said) => writeln!(out, "fsck: {}", said.trim())?,
        Err(error) => record.complain(format!("fsck: {error:#}")),
    }
    conclude(record, took, out)
}

/// Tells what was done, and fails where anything was wrong.
fn conclude(record: Record, took: Duration, out: &mut dyn Write) -> Result<()> {
    for (what, count) in record.counts() {
        writeln!(out, "{count:>8}  {what}")?;
    }
    let mut history = History::default();
    let lacking = record.lacking();
    let (operations, mut complaints) = record.into_parts();
    complaints.extend(lacking);
    for (key, operation) in operations {
        history.add(&key, operation);
    }
    let begun = Instant::now();
    match check(&history) {
        Ok(report) => writeln!(
            out,
            "linearizable: {} operations on {} keys in {:.1} s, {} of them without an answer; searched in {:.1} s, at most {} possibilities at once",
            report.operations,
            report.keys,
            took.as_secs_f64(),
            report.unknown,
            begun.elapsed().as_secs_f64(),
            report.most_configurations,
        )?,
        Err(violation) => complaints.push(violation.to_string()),
    }
    if !complaints.is_empty() {
        bail!("{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    }
    Ok(())
}

impl World {
    fn new(cluster: &Cluster, arguments: &Arguments) -> Self {
        let buckets = arguments
            .buckets
            .iter()
            .map(|kind| Bucket { name: format!("stress-{}", kind.name()), is_versioned: *kind == Buckets::Versioned });
        let epochs = arguments.duration().as_secs() / EPOCH.as_secs();
        Self {
            doors: Doors::new(cluster.endpoints()),
            buckets: buckets.collect(),
            keys: (0..=epochs)
                .flat_map(|epoch| (0..arguments.keys).map(move |number| format!("few/{epoch:06}/key-{number:03}")))
                .collect(),
            keys_at_a_time: usize::try_from(arguments.keys).unwrap_or(usize::MAX),
            clock: Instant::now(),
            stop: AtomicBool::new(false),
            is_undisturbed: arguments.kill.is_empty(),
            multipart: Mutex::default(),
        }
    }

    fn make_buckets(&self) -> Result<()> {
        let sessions = self.doors.sessions(DEADLINE)?;
        let session = sessions.first().context("no sidecar")?;
        for bucket in &self.buckets {
            let path = format!("/{}", bucket.name);
            let made = session.send(&Ask { method: Method::PUT, path: &path, ..Ask::default() })?;
            ensure!(made.status.is_success(), "no bucket: {} {:?}", made.status, made.body);
            if bucket.is_versioned {
                let body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
                let query = vec![("versioning", "")];
                let enable = Ask { method: Method::PUT, path: &path, query, body: body.into(), ..Ask::default() };
                let enabled = session.send(&enable)?;
                ensure!(enabled.status.is_success(), "no versioning: {} {:?}", enabled.status, enabled.body);
            }
        }
        Ok(())
    }

    /// The keys that are met on now.
    fn keys_of_now(&self) -> &[String] {
        let epoch = usize::try_from(self.clock.elapsed().as_secs() / EPOCH.as_secs()).unwrap_or(usize::MAX);
        let mut epochs = self.keys.chunks(self.keys_at_a_time.max(1));
        // Who comes late stays with the last ones.
        let last = epochs.len().saturating_sub(1);
        epochs.nth(epoch.min(last)).unwrap_or_default()
    }

    fn has_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// An upload is either completed or given up.
    fn look_at_uploads(&self, record: &mut Record) {
        let multipart = self.multipart.lock().unwrap_or_else(PoisonError::into_inner);
        for upload in multipart.aborted.intersection(&multipart.completed) {
            record.complain(format!("upload {upload} was completed and aborted, and both were acknowledged"));
        }
    }
}
