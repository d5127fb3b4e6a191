//! What verification has found.

use std::fmt;

use uuid::Uuid;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    /// What.
    pub what: String,
    /// The record.
    pub record: Option<Uuid>,
    /// The chain.
    pub writer: Option<Uuid>,
    /// The seal.
    pub seal: Option<i64>,
    /// The checkpoint.
    pub checkpoint: Option<i64>,
}

impl Finding {
    pub(super) fn new(what: String) -> Self {
        Self { what, ..Self::default() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let places = [
            ("record", self.record.map(|id| id.to_string())),
            ("writer", self.writer.map(|id| id.to_string())),
            ("seal", self.seal.map(|number| number.to_string())),
            ("checkpoint", self.checkpoint.map(|number| number.to_string())),
        ];
        let places: Vec<String> =
            places.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        if places.is_empty() { Ok(()) } else { write!(f, " ({})", places.join(", ")) }
    }
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Records that agree with their seals.
    pub records: u64,
    /// Seals.
    pub seals: u64,
    /// Chains.
    pub writers: u64,
    /// Checkpoints of the database.
    pub checkpoints: u64,
    /// Checkpoints of the registry.
    pub published: u64,
    /// Days whose records are gone by their retention.
    pub retired_days: u64,
    /// What is wrong; the first is the first that was found. Of a chain only the first is told.
    pub findings: Vec<Finding>,
}
