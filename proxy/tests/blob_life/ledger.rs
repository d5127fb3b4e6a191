//! What clients were told, and what may therefore be read.
//!
//! Every write has a beginning and, once it is acknowledged, an end on one logical clock. A write whose outcome its client
//! never learnt may have happened at any time since, or never. So a read may see: any write that had begun before the read
//! ended, unless another write, acknowledged before the read began, had begun after the first one's end.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;

use crate::world::tag;

/// Bucket and key.
pub(crate) type Name = (&'static str, &'static str);

/// A write in the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteId(Name, usize);

#[derive(Debug)]
struct Write {
    /// The value's tag; `None` for a deletion.
    value: Option<String>,
    began: u64,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Unknown,
    Acknowledged(u64),
    /// The client was told that nothing has changed.
    Refused,
}

/// The ledger of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    clock: u64,
    writes: HashMap<Name, Vec<Write>>,
    values: HashMap<String, Bytes>,
    violations: Vec<String>,
    counts: HashMap<&'static str, u64>,
}

impl Books {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl Ledger {
    fn with<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// The clock, for the beginning of a read.
    pub(crate) fn now(&self) -> u64 {
        self.with(Books::tick)
    }

    /// Makes a value known; its tag.
    pub(crate) fn learn(&self, value: Bytes) -> String {
        let tag = tag(&value);
        self.with(|books| books.values.insert(tag.clone(), value));
        tag
    }

    /// The value of a tag.
    pub(crate) fn value(&self, tag: &str) -> Option<Bytes> {
        self.with(|books| books.values.get(tag).cloned())
    }

    /// A write begins.
    pub(crate) fn begin(&self, name: Name, value: Option<String>) -> WriteId {
        self.with(|books| {
            let began = books.tick();
            let writes = books.writes.entry(name).or_default();
            writes.push(Write { value, began, outcome: Outcome::Unknown });
            WriteId(name, writes.len() - 1)
        })
    }

    /// The client was told that the write has happened.
    pub(crate) fn acknowledge(&self, WriteId(name, at): WriteId) {
        self.with(|books| {
            let now = books.tick();
            books.writes.get_mut(&name).unwrap()[at].outcome = Outcome::Acknowledged(now);
        });
    }

    /// The client was told that the write has not happened.
    pub(crate) fn refuse(&self, WriteId(name, at): WriteId) {
        self.with(|books| books.writes.get_mut(&name).unwrap()[at].outcome = Outcome::Refused);
    }

    /// Checks what a read that began at `began` and has just ended found.
    pub(crate) fn check(&self, name: Name, found: Option<&str>, began: u64) {
        self.with(|books| {
            let ended = books.tick();
            let none = Vec::new();
            let writes = books.writes.get(&name).unwrap_or(&none);
            if !is_possible(writes, found, began, ended) {
                let course: Vec<_> = writes.iter().map(|write| format!("    {write:?}")).collect();
                let text = format!("{name:?}: {found:?} was read in {began}..{ended}, after\n{}", course.join("\n"));
                books.violations.push(text);
            }
        });
    }

    /// Notes a violation of another kind.
    pub(crate) fn violation(&self, text: String) {
        self.with(|books| books.violations.push(text));
    }

    /// The violations so far.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.with(|books| books.violations.clone())
    }

    /// Counts something for the report.
    pub(crate) fn count(&self, what: &'static str) {
        self.with(|books| *books.counts.entry(what).or_default() += 1);
    }

    /// The counts.
    pub(crate) fn counts(&self) -> String {
        self.with(|books| {
            let mut counts: Vec<_> = books.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
            counts.sort();
            counts.join(", ")
        })
    }
}

/// Whether a read between `began` and `ended` may find `found`; before all writes there is nothing.
fn is_possible(writes: &[Write], found: Option<&str>, began: u64, ended: u64) -> bool {
    let is_overwritten = |end: u64| {
        writes.iter().any(|other| match other.outcome {
            Outcome::Acknowledged(acknowledged) => other.began > end && acknowledged < began,
            _ => false,
        })
    };
    let is_candidate = |write: &Write| match write.outcome {
        Outcome::Refused => false,
        Outcome::Unknown => write.began < ended,
        Outcome::Acknowledged(end) => write.began < ended && !is_overwritten(end),
    };
    let found_a_write = writes.iter().any(|write| write.value.as_deref() == found && is_candidate(write));
    found_a_write || (found.is_none() && !is_overwritten(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = ("bucket", "key");

    fn put(ledger: &Ledger, value: &'static str) -> WriteId {
        let value = ledger.learn(Bytes::from(value));
        ledger.begin(NAME, Some(value))
    }

    fn reads(ledger: &Ledger, value: Option<&str>) -> bool {
        let before = ledger.violations().len();
        let began = ledger.now();
        ledger.check(NAME, value.map(|value| tag(value.as_bytes())).as_deref(), began);
        ledger.violations().len() == before
    }

    #[test]
    fn an_acknowledged_write_must_be_seen_until_another_one() {
        let ledger = Ledger::default();
        assert!(reads(&ledger, None));
        let one = put(&ledger, "one");
        assert!(reads(&ledger, None) && reads(&ledger, Some("one")));
        ledger.acknowledge(one);
        assert!(!reads(&ledger, None) && reads(&ledger, Some("one")));
        let two = put(&ledger, "two");
        assert!(reads(&ledger, Some("one")) && reads(&ledger, Some("two")));
        ledger.acknowledge(two);
        assert!(!reads(&ledger, Some("one")) && reads(&ledger, Some("two")));
    }

    #[test]
    fn of_two_concurrent_writes_either_may_be_the_last() {
        let ledger = Ledger::default();
        let (one, two) = (put(&ledger, "one"), put(&ledger, "two"));
        ledger.acknowledge(two);
        ledger.acknowledge(one);
        assert!(reads(&ledger, Some("one")) && reads(&ledger, Some("two")) && !reads(&ledger, None));
    }

    #[test]
    fn a_write_of_unknown_outcome_may_be_seen_and_a_refused_one_not() {
        let ledger = Ledger::default();
        let one = put(&ledger, "one");
        ledger.acknowledge(one);
        put(&ledger, "two");
        let three = put(&ledger, "three");
        ledger.refuse(three);
        assert!(reads(&ledger, Some("one")) && reads(&ledger, Some("two")) && !reads(&ledger, Some("three")));
    }

    #[test]
    fn a_read_that_began_earlier_may_see_what_was_then() {
        let ledger = Ledger::default();
        let one = put(&ledger, "one");
        ledger.acknowledge(one);
        let began = ledger.now();
        let two = put(&ledger, "two");
        ledger.acknowledge(two);
        ledger.check(NAME, Some(&tag(b"one")), began);
        assert!(ledger.violations().is_empty());
    }
}
