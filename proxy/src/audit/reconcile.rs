//! [`Reconciler`]: what became of changes to the registry whose process was gone before it could say so.
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
use crate::index::{Index, OpenIntent};
use crate::store::Store;

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

/// What an intent names at the registry.
enum Subject<'a> {
    Manifest(&'a str),
    Blob(Digest),
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
            Err(error) if error.code() == Code::UpstreamUnavailable => return Err(error),
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
        let Some((repository, subject)) = subject(record) else { return Ok((Reconciled::Unknown, None)) };
        let found = match subject {
            Subject::Manifest(reference) => {
                self.store.get_manifest(repository, reference).await?.map(|manifest| manifest.digest)
            }
            Subject::Blob(digest) => self.store.head_blob(repository, &digest).await?.map(|_| digest),
        };
        Ok(match found {
            Some(digest) => (Reconciled::Found, Some(digest)),
            None => (Reconciled::Absent, None),
        })
    }
}

/// What is to be looked for, and in which repository; `None` where the intent names nothing that could be.
fn subject(record: &Value) -> Option<(&str, Subject<'_>)> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let digest = |name: &str| text(name)?.parse().ok().map(Subject::Blob);
    // The operations' names are those of the routes (`oci/path.rs`).
    let subject = match text("note")? {
        "PushManifest" | "DeleteManifest" => Subject::Manifest(text("reference")?),
        "DeleteBlob" => digest("reference")?,
        "StartUpload" | "FinishUpload" => digest("digest")?,
        _ => return None,
    };
    Some((text("resource")?, subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_intent_names_is_read_by_what_was_asked_for() {
        let digest = Digest::of(b"{}").to_string();
        let record = |note: &str| json!({"note": note, "resource": "team/app", "reference": "v1", "digest": digest});
        for note in ["PushManifest", "DeleteManifest"] {
            let record = record(note);
            assert!(matches!(subject(&record), Some(("team/app", Subject::Manifest("v1")))), "{note}");
        }
        for note in ["StartUpload", "FinishUpload"] {
            let record = record(note);
            assert!(matches!(subject(&record), Some(("team/app", Subject::Blob(_)))), "{note}");
        }
        for nothing in
            [record("UploadChunk"), record("DeleteBlob"), json!({"note": "StartUpload", "resource": "a"}), json!({})]
        {
            assert!(subject(&nothing).is_none(), "{nothing}");
        }
    }
}
