//! What one client, or all of them, have done and been told.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::versions::Version;
use crate::linearizability::{Action, Condition, Operation};

/// So many of each kind of change must have been acknowledged: a run in which less was done shows little.
const LEAST: u64 = 5;

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

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// PutObject without a condition.
    Put,
    /// PutObject or DeleteObject under a condition.
    Conditional,
    /// CompleteMultipartUpload, under any condition.
    Multipart,
    /// CopyObject.
    Copy,
    /// DeleteObject without a condition.
    Delete,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Put, Self::Conditional, Self::Multipart, Self::Copy, Self::Delete];

    /// Of a change that one request makes of one object.
    pub(super) const fn of(action: &Action) -> Self {
        match action {
            Action::Write(_, Condition::None) => Self::Put,
            Action::Delete(Condition::None) => Self::Delete,
            _ => Self::Conditional,
        }
    }

    /// What is counted.
    const fn acknowledged(self) -> &'static str {
        match self {
            Self::Put => "plain puts acknowledged",
            Self::Conditional => "conditional puts and deletes acknowledged",
            Self::Multipart => "multipart uploads acknowledged",
            Self::Copy => "copies acknowledged",
            Self::Delete => "plain deletes acknowledged",
        }
    }
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

    /// A change was acknowledged.
    pub(super) fn succeed(&mut self, kind: Kind) {
        self.count(kind.acknowledged());
    }

    /// Of which kinds of change too few were acknowledged for the run to show anything.
    pub(super) fn lacking(&self) -> Vec<String> {
        let count = |kind: Kind| self.counts.get(kind.acknowledged()).copied().unwrap_or_default();
        let few = Kind::ALL.into_iter().filter(|kind| count(*kind) < LEAST);
        few.map(|kind| format!("only {} {}: at least {LEAST} are asked for", count(kind), kind.acknowledged()))
            .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_lacks_each_kind_of_change_of_which_too_few_were_acknowledged() {
        let mut record = Record::new(Instant::now());
        assert_eq!(record.lacking().len(), Kind::ALL.len());
        for kind in Kind::ALL {
            (0..LEAST).for_each(|_| record.succeed(kind));
        }
        assert!(record.lacking().is_empty(), "{:?}", record.lacking());
        let mut others = Record::new(Instant::now());
        for kind in [Kind::Put, Kind::Conditional, Kind::Multipart, Kind::Delete] {
            (0..LEAST).for_each(|_| others.succeed(kind));
        }
        let lacking = others.lacking();
        assert!(lacking.len() == 1 && lacking[0].contains("copies"), "{lacking:?}");
        record.merge(others);
        assert!(record.lacking().is_empty());
    }
}
