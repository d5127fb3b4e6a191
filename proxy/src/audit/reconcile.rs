//! [`Reconciler`]: what became of changes to the registry whose process was gone before it could say so, or has heard no answer.
//!
//! An intent without an outcome is claimed by one replica at a time, which asks the registry for what the intent names and records
//! the answer as the intent's outcome: `found`, `absent`, or `unknown` where the registry cannot tell, as of an upload that was
//! not at its end. That something is there does not say who has put it there: of a tag the digest is recorded that it has now.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::keeper::SILENCE;
use super::{Reconciled, Record};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{Index, OpenIntent, ReferrerRef};
use crate::store::Store;

/// What an intent says that is about putting a manifest at the registry: the route is called so too.
pub const PUSH_MANIFEST: &str = "PushManifest";

/// What an intent says that is about removing a manifest from the registry: the route is called so too.
pub const DELETE_MANIFEST: &str = "DeleteManifest";

/// What an intent says that is about attaching something to an object: no route is called so.
pub const ATTACH_REFERRER: &str = "AttachReferrer";

/// How often intents are looked for.
const INTERVAL: Duration = Duration::from_secs(30);

/// Intents that are asked about in one round.
const ROUND: u32 = 100;

/// How long an intent is left to the replica that asks; longer than the registry is waited for.
const LEASE: Duration = Duration::from_secs(300);

/// Asks the registry about intents without an outcome.
#[derive(Debug)]
pub struct Reconciler {
    index: Index,
    store: Store,
    after: Duration,
}

/// What an intent is about.
enum Subject<'a> {
    /// At the registry, in this repository.
    Manifest(&'a str, &'a str),
    /// At the registry, in this repository.
    Blob(&'a str, Digest),
    /// In the index, of this bucket: there it is seen when all of it was done.
    Referrer(&'a str, Digest),
}

/// What the registry says, and the digest of what is there.
type Said = (Reconciled, Option<Digest>);

impl Reconciler {
    /// Of intents that have had no outcome for `after`.
    #[must_use]
    pub const fn new(index: Index, store: Store, after: Duration) -> Self {
        Self { index, store, after }
    }

    /// Looks now, and again and again until `stop`. What is being asked about then is left to whoever claims it next.
    pub async fn run(&self, stop: CancellationToken) {
        let pause = INTERVAL.min(self.after).max(Duration::from_secs(1));
        loop {
            tokio::select! {
                outcome = self.round() => if let Err(error) = outcome {
                    tracing::warn!("intents without an outcome wait: {}", error.for_log());
                },
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Asks about all that there are, a hundred at the most; how many were settled.
    /// # Errors
    /// `IndexUnavailable`, or `UpstreamUnavailable`: what was claimed is asked about later.
    pub async fn round(&self) -> Result<usize> {
        let mut settled = 0;
        for _ in 0..ROUND {
            let silence = SILENCE.min(self.after);
            let Some(intent) = self.index.claim_audit_intent(self.after, silence, LEASE).await? else { break };
            settled += usize::from(self.settle(&intent).await?);
        }
        Ok(settled)
    }

    async fn settle(&self, intent: &OpenIntent) -> Result<bool> {
        let record: Value = serde_json::from_str(&intent.record).map_err(Error::internal)?;
        let outcome = Record::outcome_of(&record).ok_or_else(|| Error::internal("an intent that is no record"))?;
        let (said, digest) = match self.ask(&record).await {
            Ok(said) => said,
            Err(error) if matches!(error.code(), Code::UpstreamUnavailable | Code::IndexUnavailable) => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(intent = %intent.id, "the registry cannot tell: {}", error.for_log());
                (Reconciled::Unknown, None)
            }
        };
        let outcome = match digest {
            Some(digest) => outcome.digest(digest),
            None => outcome,
        };
        let outcome = outcome.reconciled(said);
        let is_ours = self.index.settle_audit_intent(&outcome).await?;
        if is_ours {
            tracing::info!(intent = %intent.id, outcome = ?said, "an intent without an outcome was settled");
        }
        Ok(is_ours)
    }

    async fn ask(&self, record: &Value) -> Result<Said> {
        let Some(subject) = subject(record) else { return Ok((Reconciled::Unknown, None)) };
        let found = match subject {
            Subject::Manifest(repository, reference) => {
                self.store.get_manifest(repository, reference).await?.map(|manifest| manifest.digest)
            }
            Subject::Blob(repository, digest) => self.store.head_blob(repository, &digest).await?.map(|_| digest),
            Subject::Referrer(bucket, digest) => {
                self.index.referrer(bucket, ReferrerRef::Digest(&digest)).await?.map(|referrer| referrer.digest)
            }
        };
        Ok(match found {
            Some(digest) => (Reconciled::Found, Some(digest)),
            None => (Reconciled::Absent, None),
        })
    }
}

/// What is to be looked for; `None` where the intent names nothing that could be, or does not say where. The registry is asked in
/// the repository that the change was forwarded to: what is attached to objects is not where clients name it.
fn subject(record: &Value) -> Option<Subject<'_>> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let digest = |name: &str| text(name)?.parse::<Digest>().ok();
    // The operations' names are those of the routes (`oci/path.rs`), but for the last.
    match text("note")? {
        PUSH_MANIFEST | DELETE_MANIFEST => Some(Subject::Manifest(text("upstream")?, text("reference")?)),
        "DeleteBlob" => Some(Subject::Blob(text("upstream")?, digest("reference")?)),
        "StartUpload" | "FinishUpload" => Some(Subject::Blob(text("upstream")?, digest("digest")?)),
        ATTACH_REFERRER => Some(Subject::Referrer(text("resource")?, digest("digest")?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_intent_names_is_read_by_what_was_asked_for() {
        let digest = Digest::of(b"{}").to_string();
        let record = |note: &str| json!({"note": note, "resource": "a", "upstream": "team/app", "reference": "v1", "digest": digest});
        for note in ["PushManifest", "DeleteManifest"] {
            let record = record(note);
            assert!(matches!(subject(&record), Some(Subject::Manifest("team/app", "v1"))), "{note}");
        }
        for note in ["StartUpload", "FinishUpload"] {
            let record = record(note);
            assert!(matches!(subject(&record), Some(Subject::Blob("team/app", _))), "{note}");
        }
        assert!(matches!(subject(&record(ATTACH_REFERRER)), Some(Subject::Referrer("a", _))));
        for nothing in [
            record("UploadChunk"),
            record("DeleteBlob"),
            json!({"note": "StartUpload", "upstream": "a"}),
            json!({"note": "StartUpload", "resource": "a", "digest": digest}),
            json!({"note": "PushManifest", "resource": "a", "reference": "v1"}),
            json!({}),
        ] {
            assert!(subject(&nothing).is_none(), "{nothing}");
        }
    }
}
