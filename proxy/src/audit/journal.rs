//! [`Journal`]: the way of every record that belongs to no change of the index: denials, logins, tokens, reads, and what
//! is done to the registry.
//!
//! A bounded queue, emptied in batches by one task. Nothing is dropped in silence: where the queue is full callers wait,
//! then the request is refused, and what could not be written is counted and written as a gap as soon as that is possible.
//! Beside the queue there is what can wait for a few seconds: intents in doubt, and refusals that are counted (`excess.rs`).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zas_policy::Principal;

use super::excess::Excess;
use super::{Kind, Record};
use crate::config::{Audit, AuditReads};
use crate::error::{Code, Error, Result};
use crate::index::Index;
use crate::telemetry::names;

/// Most records in one statement.
const BATCH: usize = 500;

/// How long a record waits for others to share a statement with.
const GATHER: Duration = Duration::from_millis(20);

/// How long the rest of the queue may take when the process ends.
const DRAIN: Duration = Duration::from_secs(8);

/// Pauses between attempts while Postgres is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often what waits beside the queue is looked at.
const ASIDE: Duration = Duration::from_secs(5);

/// Intents in doubt that are remembered until they are marked. One more is found when it is a day old.
const DOUBTS: usize = 10_000;

/// The queue. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    index: Index,
    enabled: bool,
    strict: bool,
    patience: Duration,
    sender: Sender<Entry>,
    /// Whoever runs the journal holds it.
    receiver: Mutex<Receiver<Entry>>,
    lost: AtomicU64,
    /// Intents that were forwarded and not answered.
    doubts: Lock<Vec<Uuid>>,
    excess: Excess,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// Told when the record is committed; dropped where it was refused.
    done: Option<oneshot::Sender<()>>,
}

/// What became of records that were to be written.
enum Appended {
    Committed,
    /// Postgres cannot hold them, however often it is asked.
    Refused(Error),
    /// The process ends, and Postgres was away until then.
    TooLate,
}

/// Counts a record as lost unless it got into the queue: also where its request is given up while it waits.
struct Waiting<'a>(Option<&'a Inner>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            inner.lose(1);
        }
    }
}

impl Journal {
    /// A journal of this index; nothing is written until [`run`](Self::run).
    #[must_use]
    pub fn new(index: Index, config: &Audit) -> Self {
        let (sender, receiver) = mpsc::channel(usize::try_from(config.queue.max(1)).unwrap_or(usize::MAX));
        Self(Arc::new(Inner {
            index,
            enabled: config.enabled,
            strict: config.reads == AuditReads::Strict,
            patience: config.queue_timeout,
            sender,
            receiver: Mutex::new(receiver),
            lost: AtomicU64::new(0),
            doubts: Lock::default(),
            excess: Excess::default(),
        }))
    }

    /// Whether there are records at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Records a denial, a login, a token or a read. Waits for room in the queue, and in strict mode until it is committed.
    /// # Errors
    /// `SlowDown` where that takes too long: the request must be refused then.
    pub async fn record(&self, record: Record) -> Result<()> {
        self.put(record, self.0.strict).await
    }

    /// Records that a change is about to be forwarded; when it returns the record is committed.
    /// # Errors
    /// `SlowDown` where that takes too long: the change must not be forwarded then. Where the intent is committed all the same, an
    /// outcome follows that says so.
    pub async fn intent(&self, record: Record) -> Result<()> {
        self.put(record, true).await
    }

    /// Records what became of an intent. Waits for room in the queue.
    /// # Errors
    /// `SlowDown` where that takes too long; the loss is on record, and the intent is shown as of unknown outcome.
    pub async fn outcome(&self, record: Record) -> Result<()> {
        self.put(record, false).await
    }

    /// Records without waiting, where nobody can wait or be refused any more; whether there was room. A loss is on record.
    pub fn offer(&self, record: Record) -> bool {
        if !self.0.enabled {
            return true;
        }
        let is_in = self.0.sender.try_send(Entry { record, done: None }).is_ok();
        if !is_in {
            self.0.lose(1);
        }
        is_in
    }

    /// Takes note that a change was forwarded and that nobody knows what became of it: its intent stays open, and the registry is
    /// asked, as where the process has died. Does not wait.
    pub fn doubt(&self, intent: Uuid) {
        if !self.0.enabled {
            return;
        }
        let mut doubts = self.0.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        if doubts.len() < DOUBTS {
            doubts.push(intent);
        }
    }

    /// Counts a refusal of somebody who is refused too often for records of their own: one record a minute says how often it
    /// was. Does not wait.
    pub fn denied_too_often(&self, principal: &Principal, address: Option<IpAddr>) {
        if self.0.enabled {
            self.0.excess.count(principal, address);
        }
    }

    /// Records that could not be written and are not in a gap record yet.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    async fn put(&self, record: Record, until_committed: bool) -> Result<()> {
        if !self.0.enabled {
            return Ok(());
        }
        let deadline = Instant::now() + self.0.patience;
        let mut waiting = Waiting(Some(&self.0));
        let Ok(Ok(room)) = timeout_at(deadline, self.0.sender.reserve()).await else {
            return Err(Error::from(Code::SlowDown).detail("the audit queue is full"));
        };
        waiting.0 = None;
        if !until_committed {
            room.send(Entry { record, done: None });
            return Ok(());
        }
        let (done, committed) = oneshot::channel();
        room.send(Entry { record, done: Some(done) });
        match timeout_at(deadline, committed).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Error::from(Code::SlowDown).detail("the audit record was not committed in time")),
        }
    }

    /// Writes what comes until `stop`, and then what is left, within eight seconds.
    pub async fn run(&self, stop: CancellationToken) {
        let mut receiver = self.0.receiver.lock().await;
        let mut until = None;
        let mut aside = Instant::now() + ASIDE;
        loop {
            if until.is_some() {
                // Also where the end came while a batch was being written: nothing more is waited for then.
                receiver.close();
            }
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                count = receiver.recv_many(&mut batch, BATCH) => if count == 0 {
                    break;
                },
                () = stop.cancelled(), if until.is_none() => {
                    until = Some(Instant::now() + DRAIN);
                    continue;
                }
                () = sleep_until(aside), if until.is_none() => {}
            }
            if until.is_none() && !batch.is_empty() {
                gather(&mut receiver, &mut batch).await;
            }
            gauge!(names::AUDIT_QUEUE).set(u32::try_from(receiver.len() + batch.len()).unwrap_or(u32::MAX));
            self.0.write(batch, &stop, &mut until).await;
            // Also where the queue is never empty.
            if Instant::now() >= aside {
                self.0.mark_doubts().await;
                self.0.write(entries(self.0.excess.take_due(Instant::now())), &stop, &mut until).await;
                aside = Instant::now() + ASIDE;
            }
        }
        self.0.write(entries(self.0.excess.take()), &stop, &mut until).await;
        self.0.mark_doubts().await;
        self.0.write_gap().await;
        let lost = self.lost();
        if lost > 0 {
            tracing::error!(lost, "audit records are lost: they could not be written before the process ended");
        }
    }
}

/// Waits a little for more, unless somebody waits for what is there.
async fn gather(receiver: &mut Receiver<Entry>, batch: &mut Vec<Entry>) {
    let deadline = Instant::now() + GATHER;
    while batch.len() < BATCH && batch.iter().all(|entry| entry.done.is_none()) {
        match timeout_at(deadline, receiver.recv_many(batch, BATCH.saturating_sub(batch.len()))).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
}

impl Inner {
    fn lose(&self, records: u64) {
        counter!(names::AUDIT_LOST).increment(records);
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    /// Writes a batch, and then what is owed to it.
    async fn write(&self, batch: Vec<Entry>, stop: &CancellationToken, until: &mut Option<Instant>) {
        let mut batch = batch;
        while !batch.is_empty() {
            batch = entries(self.write_batch(batch, stop, until).await);
        }
    }

    /// Writes a batch, however long Postgres is away; after `stop` only until `until`. The outcomes of intents that nobody waited
    /// for any longer.
    async fn write_batch(
        &self,
        batch: Vec<Entry>,
        stop: &CancellationToken,
        until: &mut Option<Instant>,
    ) -> Vec<Record> {
        let (mut records, waiting): (Vec<Record>, Vec<_>) =
            batch.into_iter().map(|entry| (entry.record, entry.done)).unzip();
        let gap = self.take_gap();
        records.extend(gap.clone().map(|(record, _)| record));
        match self.append(&records, stop, until).await {
            Appended::Committed => {
                count(&records);
                records.iter().zip(waiting).filter_map(|(record, done)| committed(record, done)).collect()
            }
            Appended::Refused(error) => {
                tracing::error!("Postgres refuses a batch of audit records: {}", error.for_log());
                self.write_singly(records, waiting, stop, until).await
            }
            Appended::TooLate => {
                self.lose(records.len().try_into().unwrap_or(u64::MAX));
                Vec::new()
            }
        }
    }

    /// Writes records by one statement, and again while Postgres is away.
    async fn append(&self, records: &[Record], stop: &CancellationToken, until: &mut Option<Instant>) -> Appended {
        let mut pause = PAUSES.0;
        loop {
            match self.index.append_audit(records).await {
                Ok(_) => return Appended::Committed,
                Err(error) if !is_passing(&error) => return Appended::Refused(error),
                Err(error) => tracing::warn!("audit records wait: {}", error.for_log()),
            }
            if stop.is_cancelled() && until.is_none() {
                *until = Some(Instant::now() + DRAIN);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Appended::TooLate;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// One record that Postgres cannot hold must not keep the others out. Each waits while Postgres is away, as a batch does: only what
    /// is refused for its own sake is lost.
    async fn write_singly(
        &self,
        records: Vec<Record>,
        waiting: Vec<Option<oneshot::Sender<()>>>,
        stop: &CancellationToken,
        until: &mut Option<Instant>,
    ) -> Vec<Record> {
        let mut waiting = waiting.into_iter();
        let mut owed = Vec::new();
        for record in records {
            let done = waiting.next().flatten();
            match self.append(std::slice::from_ref(&record), stop, until).await {
                Appended::Committed => {
                    count(std::slice::from_ref(&record));
                    owed.extend(committed(&record, done));
                }
                Appended::Refused(error) => {
                    tracing::error!(record = %record.id(), "an audit record is lost: {}", error.for_log());
                    self.lose(1);
                }
                Appended::TooLate => self.lose(1),
            }
        }
        owed
    }

    /// Marks the intents that are in doubt; what cannot be marked now is marked later.
    async fn mark_doubts(&self) {
        let taken = std::mem::take(&mut *self.doubts.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.is_empty() {
            return;
        }
        let marked = timeout(PAUSES.1, self.index.doubt_audit_intents(&taken)).await;
        if !matches!(marked, Ok(Ok(_))) {
            tracing::warn!(intents = taken.len(), "intents in doubt could not be marked so far");
            let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
            let room = DOUBTS.saturating_sub(doubts.len());
            doubts.extend(taken.into_iter().take(room));
        }
    }

    /// A record of what was lost since the last one.
    fn take_gap(&self) -> Option<(Record, u64)> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        (lost > 0).then(|| (Record::new(Kind::Gap).lost(lost), lost))
    }

    async fn write_gap(&self) {
        let Some((record, lost)) = self.take_gap() else { return };
        let written = timeout(PAUSES.1, self.index.append_audit(std::slice::from_ref(&record))).await;
        if !matches!(written, Ok(Ok(_))) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

fn entries(records: Vec<Record>) -> Vec<Entry> {
    records.into_iter().map(|record| Entry { record, done: None }).collect()
}

/// Tells whoever waits that its record is committed. Where nobody waits for an intent any longer its request was refused, so that
/// nothing was forwarded: its outcome.
fn committed(record: &Record, done: Option<oneshot::Sender<()>>) -> Option<Record> {
    let is_given_up = done?.send(()).is_err();
    let refused = || record.not_forwarded().answered(Code::SlowDown.row().status, Some(Code::SlowDown));
    (is_given_up && record.kind() == Kind::Intent).then(refused)
}

fn count(records: &[Record]) {
    for record in records {
        counter!(names::AUDIT_RECORDS, "kind" => record.kind().as_str()).increment(1);
    }
}

/// Whether the same records may be written later.
fn is_passing(error: &Error) -> bool {
    matches!(error.code(), Code::IndexUnavailable | Code::OperationAborted)
}
