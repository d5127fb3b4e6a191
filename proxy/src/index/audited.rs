//! Statements that leave an audit record: the change and the record commit together, by one statement and one round trip.
//!
//! A `SELECT` of a `WITH` query is computed once, because it is materialised, and only as far as it is asked for: the outer
//! query looks at what `audited` gives, so that it is always asked for (PostgreSQL manual, "WITH Queries"). Where the
//! function of the change answers with another status than `ok` there is no row to record. Whoever asks was refused then,
//! and that goes another way: through the journal.

use super::Index;
use crate::audit::Record;
use crate::telemetry::names;

/// Wraps a statement that gives a `status`; `$place` is the number of the parameter that takes the records.
macro_rules! audited {
    ($place:literal, $statement:literal) => {
        audited!($place, $statement, "done.status = 'ok'")
    };
    ($place:literal, $statement:literal, $condition:literal) => {
        concat!(
            "WITH done AS MATERIALIZED (",
            $statement,
            "), audited AS MATERIALIZED (SELECT audit_append($",
            $place,
            ") AS written FROM done WHERE ",
            $condition,
            ") SELECT done.* FROM done LEFT JOIN audited ON true WHERE audited.written IS NULL OR audited.written >= 0"
        )
    };
}
pub(super) use audited;

impl Index {
    /// The records' canonical bytes, as of this process.
    pub(super) fn canonical(&self, records: &[Record]) -> Vec<String> {
        Self::counted(records);
        self.texts(records)
    }

    /// Counts records that are written.
    pub(super) fn counted(records: &[Record]) {
        for record in records {
            metrics::counter!(names::AUDIT_RECORDS, "kind" => record.kind().as_str()).increment(1);
        }
    }

    /// As [`Self::canonical`], for records that were counted.
    pub(super) fn texts(&self, records: &[Record]) -> Vec<String> {
        records.iter().map(|record| record.canonical(self.writer)).collect()
    }
}
