//! What is on record: of a forwarded request a change's intent before it is forwarded, and what became of it; a read before it is
//! forwarded. Of what is answered here, the answer before the client hears of it.
//!
//! What became of a change is what the registry said, whatever the client has heard. Where the registry was told of it and has said
//! nothing, or that it failed, nobody knows: the intent stays open, and is asked about later (`audit/reconcile.rs`).

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, Response};
use uuid::Uuid;

use super::name::Name;
use super::path::Route;
use super::query;
use crate::audit::{Journal, Kind, Reconciled, Record};
use crate::authz::Permit;
use crate::error::{Result, status_elsewhere};
use crate::failpoint::Failpoint;
use crate::listener::{Summary, UpstreamOutcome};

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
    /// A change's intent, which is committed; none: it is a read, or nothing is to be recorded.
    intent: Option<Uuid>,
    /// Whether it was said what became of the intent.
    is_said: AtomicBool,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The repository at the registry.
    pub(super) home: &'a Name,
    /// What the registry is asked for.
    pub(super) path_and_query: &'a PathAndQuery,
}

/// What became of a change, as far as the registry has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    /// It was answered so: done, or refused.
    Answered(u16),
    /// The registry was never told of it.
    NotForwarded,
    /// It may have been done or not.
    InDoubt,
}

impl Became {
    const fn of(upstream: Option<UpstreamOutcome>) -> Self {
        match upstream {
            Some(UpstreamOutcome { sent: true, status: Some(status @ (200..=299 | 400..=499)), .. }) => {
                Self::Answered(status)
            }
            Some(UpstreamOutcome { sent: true, .. }) => Self::InDoubt,
            Some(UpstreamOutcome { sent: false, .. }) | None => Self::NotForwarded,
        }
    }
}

impl OnRecord {
    /// Writes what must be on record before the request is forwarded: a change's intent is committed when this returns, and a read
    /// is where reads are strict.
    /// # Errors
    /// `SlowDown` where that takes too long: the request must not be forwarded then.
    pub(super) async fn begin(
        journal: &Journal,
        permit: &Permit,
        route: &Route,
        tags: Vec<String>,
        method: &Method,
        target: Target<'_>,
    ) -> Result<Self> {
        // Of what the registry is asked for: a mount that is not allowed goes on as an upload of nobody knows what.
        let digest = query::named_digest(route, target.path_and_query.query().unwrap_or_default());
        let mut on_record = Self {
            journal: journal.clone(),
            permit: permit.clone(),
            what: what(route),
            tags: if route.digest().is_some() { tags } else { Vec::new() },
            digest: digest.map(|digest| digest.to_string()),
            intent: None,
            is_said: AtomicBool::new(false),
        };
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if !is_read {
            Failpoint::OciAuthorized.reached();
            if let Some(intent) = on_record.record(Kind::Intent) {
                // What was asked for, closer than the right that it needs: for whoever must find out later whether it was done.
                let operation = route.operation(method).map_or("Unknown", |operation| operation.label);
                let intent = intent.note(operation.to_owned()).upstream(target.home.as_str());
                let id = intent.id();
                journal.intent(intent).await?;
                on_record.intent = Some(id);
            }
            Failpoint::OciIntended.reached();
        } else if let Some(read) = on_record.record(Kind::Operation) {
            journal.record(read).await?;
        }
        Ok(on_record)
    }

    /// Whether it is a change.
    pub(super) const fn is_change(&self) -> bool {
        self.intent.is_some()
    }

    /// Writes what became of a change. Nobody waits for it: what finds no room in the queue is counted, and on record as a gap.
    pub(super) fn ended(&self, summary: &Summary) {
        if self.is_change() {
            Failpoint::OciUnrecorded.reached();
        }
        let bytes = (summary.bytes_in, summary.bytes_out);
        self.say(Became::of(summary.upstream), bytes);
    }

    fn say(&self, became: Became, (bytes_in, bytes_out): (u64, u64)) {
        let Some(intent) = self.intent else { return };
        if self.is_said.swap(true, Ordering::Relaxed) {
            return;
        }
        let outcome = self.record(Kind::Outcome).map(|record| record.of_intent(intent).bytes(bytes_in, bytes_out));
        match (became, outcome) {
            (Became::InDoubt, _) => self.journal.doubt(intent),
            (Became::Answered(status), Some(outcome)) => {
                self.journal.offer(outcome.answered(status, None));
            }
            (Became::NotForwarded, Some(outcome)) => {
                self.journal.offer(outcome.reconciled(Reconciled::NotForwarded));
            }
            (Became::Answered(_) | Became::NotForwarded, None) => {}
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

impl Drop for OnRecord {
    /// A request that ends before it is on its way is told to nobody else.
    fn drop(&mut self) {
        self.say(Became::NotForwarded, (0, 0));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_change_is_what_the_registry_said_and_in_doubt_where_it_has_not() {
        let of = |sent: bool, status: Option<u16>| {
            Became::of(Some(UpstreamOutcome { sent, status, latency: None, failed: status.is_none() }))
        };
        for status in [200, 201, 202, 204, 400, 401, 403, 404, 409, 413, 429] {
            assert_eq!(of(true, Some(status)), Became::Answered(status));
        }
        for status in [None, Some(101), Some(302), Some(307), Some(500), Some(502), Some(503), Some(504)] {
            assert_eq!(of(true, status), Became::InDoubt, "{status:?}");
        }
        assert_eq!(of(false, None), Became::NotForwarded);
        assert_eq!(Became::of(None), Became::NotForwarded);
    }
}
