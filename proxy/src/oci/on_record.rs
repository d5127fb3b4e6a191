//! What is on record: of a forwarded request a change's intent before it is forwarded, and what became of it; a read when it
//! has been answered. Of what is answered here, the answer before the client hears of it.

use bytes::Bytes;
use http::{Method, Response};
use uuid::Uuid;

use super::path::Route;
use crate::audit::{Journal, Kind, Record};
use crate::authz::Permit;
use crate::error::{Result, status_elsewhere};
use crate::listener::Summary;

/// One request's records.
#[derive(Debug)]
pub(super) struct OnRecord {
    journal: Journal,
    permit: Permit,
    what: Option<String>,
    /// Set beside the digest that `what` is.
    tags: Vec<String>,
    stage: Stage,
}

/// How much has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A change's intent, of this id.
    Intended(Uuid),
    /// A read; its record is committed.
    Written,
    /// Nothing: it is a read, or nothing is to be recorded.
    Nothing,
}

impl OnRecord {
    /// Writes what must be on record before the request is forwarded.
    /// # Errors
    /// `SlowDown` where that takes too long: the request must not be forwarded then.
    pub(super) async fn begin(
        journal: &Journal,
        permit: &Permit,
        route: &Route,
        tags: Vec<String>,
        method: &Method,
    ) -> Result<Self> {
        let tags = if route.digest().is_some() { tags } else { Vec::new() };
        let mut on_record =
            Self { journal: journal.clone(), permit: permit.clone(), what: what(route), tags, stage: Stage::Nothing };
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if !is_read {
            if let Some(intent) = on_record.record(Kind::Intent) {
                let id = intent.id();
                journal.intent(intent).await?;
                on_record.stage = Stage::Intended(id);
            }
        } else if journal.is_strict()
            && let Some(read) = on_record.record(Kind::Operation)
        {
            journal.record(read).await?;
            on_record.stage = Stage::Written;
        }
        Ok(on_record)
    }

    /// Writes how it went. Nobody waits for it: what finds no room in the queue is counted, and on record as a gap.
    pub(super) fn ended(&self, summary: &Summary) {
        let record = match self.stage {
            Stage::Intended(intent) => self.record(Kind::Outcome).map(|record| record.of_intent(intent)),
            Stage::Nothing => self.record(Kind::Operation),
            Stage::Written => None,
        };
        if let Some(record) = record {
            self.journal.offer(record.answered(summary.status, None).bytes(summary.bytes_in, summary.bytes_out));
        }
    }

    fn record(&self, kind: Kind) -> Option<Record> {
        let record = self.permit.recorded(kind)?.tags(&self.tags);
        Some(match &self.what {
            Some(what) => record.reference(what),
            None => record,
        })
    }
}

/// Puts on record what is answered here: a login, or a read.
/// # Errors
/// `SlowDown` where that takes too long: the answer must not be given then.
pub(super) async fn answered(
    journal: &Journal,
    permit: &Permit,
    kind: Kind,
    answer: &Result<Response<Bytes>>,
) -> Result<()> {
    let Some(record) = permit.recorded(kind) else { return Ok(()) };
    let record = match answer {
        Ok(answer) => record.answered(answer.status().as_u16(), None),
        Err(error) => record.answered(status_elsewhere(error.code()), Some(error.code())),
    };
    journal.record(record).await
}

/// The tag or digest that a request is about.
pub(super) fn what(route: &Route) -> Option<String> {
    match route {
        Route::Manifest { reference, .. } => Some(reference.to_string()),
        Route::Blob { digest, .. } | Route::Referrers { digest, .. } => Some(digest.to_string()),
        Route::Upload { id, .. } => Some(id.clone()),
        Route::Base | Route::Catalog | Route::Tags { .. } | Route::Uploads { .. } => None,
    }
}
