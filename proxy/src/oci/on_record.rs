//! What is on record: of a forwarded request a change's intent before it is forwarded, and what became of it; a read when it
//! has been answered. Of what is answered here, the answer before the client hears of it.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use uuid::Uuid;

use super::path::Route;
use super::query;
use crate::audit::{Journal, Kind, Record};
use crate::authz::Permit;
use crate::error::{Result, status_elsewhere};
use crate::failpoint::Failpoint;
use crate::listener::Summary;

/// One request's records.
#[derive(Debug)]
pub(super) struct OnRecord {
    journal: Journal,
    permit: Permit,
    what: Option<String>,
    /// Set beside the digest that `what` is.
    tags: Vec<String>,
    /// The bytes that an upload is to end as, where the request says so.
    digest: Option<String>,
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
        parts: &Parts,
    ) -> Result<Self> {
        let digest = query::named_digest(route, parts.uri.query().unwrap_or_default());
        let mut on_record = Self {
            journal: journal.clone(),
            permit: permit.clone(),
            what: what(route),
            tags: if route.digest().is_some() { tags } else { Vec::new() },
            digest: digest.map(|digest| digest.to_string()),
            stage: Stage::Nothing,
        };
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_read {
            Failpoint::OciAuthorized.reached();
            if let Some(intent) = on_record.record(Kind::Intent) {
                // What was asked for, closer than the right that it needs: for whoever must find out later whether it was done.
                let operation = route.operation(&parts.method).map_or("Unknown", |operation| operation.label);
                let intent = intent.note(operation.to_owned());
                let id = intent.id();
                journal.intent(intent).await?;
                on_record.stage = Stage::Intended(id);
            }
            Failpoint::OciIntended.reached();
        } else if journal.is_strict()
            && let Some(read) = on_record.record(Kind::Operation)
        {
            journal.record(read).await?;
            on_record.stage = Stage::Written;
        }
        Ok(on_record)
    }

    /// Whether it is a change.
    pub(super) const fn is_change(&self) -> bool {
        matches!(self.stage, Stage::Intended(_))
    }

    /// Writes how it went. Nobody waits for it: what finds no room in the queue is counted, and on record as a gap.
    pub(super) fn ended(&self, summary: &Summary) {
        if self.is_change() {
            Failpoint::OciUnrecorded.reached();
        }
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
        let record = match &self.what {
            Some(what) => record.reference(what),
            None => record,
        };
        Some(match &self.digest {
            Some(digest) => record.digest(digest),
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
