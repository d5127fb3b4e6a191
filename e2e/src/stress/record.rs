//! What one client, or all of them, have done and been told.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::versions::Version;
use crate::linearizability::{Action, Operation};

/// Complaints that are kept; of one fault there may be thousands.
const COMPLAINTS: usize = 40;

/// Operations by key, versions that were acknowledged, and what is wrong by itself.
#[derive(Debug)]
pub(super) struct Record {
    clock: Instant,
    operations: Vec<(String, Operation)>,
    pub(super) versions: Vec<Version>,
    complaints: Vec<String>,
    counts: BTreeMap<String, u64>,
}

/// The moments between which something happened, or after which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) invoked: Duration,
    pub(super) returned: Option<Duration>,
}

impl Record {
    pub(super) fn new(clock: Instant) -> Self {
        Self { clock, operations: Vec::new(), versions: Vec::new(), complaints: Vec::new(), counts: BTreeMap::new() }
    }

    /// This moment.
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn add(&mut self, bucket: &str, key: &str, action: Action, interval: Interval, note: &str) {
        let Interval { invoked, returned } = interval;
        let operation = Operation { action, invoked, returned, note: note.to_owned() };
        self.operations.push((format!("{bucket}/{key}"), operation));
    }

    pub(super) fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    /// Keeps what no history needs to show wrong.
    pub(super) fn complain(&mut self, complaint: String) {
        self.count("complaints");
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(complaint);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.operations.extend(other.operations);
        self.versions.extend(other.versions);
        self.complaints.extend(other.complaints);
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(what, count)| (what.as_str(), *count))
    }

    pub(super) fn into_parts(self) -> (Vec<(String, Operation)>, Vec<String>) {
        (self.operations, self.complaints)
    }
}
