//! What clients have done and been told, key by key.

use std::{collections::BTreeMap, fmt, time::Duration};

/// What a write or a delete asks of the key before it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// That it holds nothing (`If-None-Match: *`).
    Absent,
    /// That it holds this content (`If-Match`).
    Is(String),
}

/// What an answer says that the key held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// This content.
    Is(String),
    /// Nothing.
    Absent,
    /// Something: so is a write refused that was to create it.
    Present,
    /// Not this content: another, or none. So is a write or delete refused that was to replace it.
    IsNot(String),
}

/// What an operation did to the key, if it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It now holds this content, which is named by what no other content has, such as an `ETag`.
    Write(String, Condition),
    /// It now holds nothing.
    Delete(Condition),
    /// Nothing: it was looked at. A write or delete that was refused for its condition is a look.
    Observe(Observation),
}

/// One operation on one key. Times are of one clock that never goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What it did.
    pub action: Action,
    /// When the client had not sent it yet.
    pub invoked: Duration,
    /// When the client had its answer; `None` where it got none, or one that does not tell: it may have happened at any time
    /// since, or may yet, or never will. What was certainly not done is no operation of a history.
    pub returned: Option<Duration>,
    /// For whoever reads a violation: who did it, by which server, and what was answered.
    pub note: String,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:.6} … ", self.invoked.as_secs_f64())?;
        match self.returned {
            Some(returned) => write!(f, "{:.6}]", returned.as_secs_f64())?,
            None => write!(f, "unknown]")?,
        }
        write!(f, " {:?} {}", self.action, self.note)
    }
}

/// The operations on each key, in any order.
#[derive(Debug, Clone, Default)]
pub struct History {
    keys: BTreeMap<String, Vec<Operation>>,
}

impl History {
    /// Adds an operation on a key, whose name includes all that tells it from others, such as its bucket's.
    pub fn add(&mut self, key: &str, operation: Operation) {
        match self.keys.get_mut(key) {
            Some(operations) => operations.push(operation),
            None => drop(self.keys.insert(key.to_owned(), vec![operation])),
        }
    }

    /// Each key with its operations.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &[Operation])> {
        self.keys.iter().map(|(key, operations)| (key.as_str(), operations.as_slice()))
    }
}
