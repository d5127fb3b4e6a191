//! [`Judging`]: the part that costs. Signatures are checked and documents are read, on a thread of their own, a few at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::evidence::{Judgement, entry};
use super::inputs;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::collect::{Collected, Content, Document};
use crate::supply_chain::legacy::Repository;
use crate::supply_chain::rules::{
    Carrier, Judged as Word, Piece, Subject, Verdict, VerificationPolicy, evaluate, judge,
};
use crate::supply_chain::sbom::carried;
use crate::supply_chain::statement::SLSA_VSA_V1;
use crate::supply_chain::trust::TrustSnapshot;
use crate::supply_chain::verify::{Accept, Evidence, Expected, Outcome, Refusal, SignerName, Verified};

/// Everything that it takes; it is moved to the thread.
pub(super) struct Judging {
    pub(super) collected: Collected,
    /// Whether all is collected that may be of consequence.
    pub(super) is_whole: bool,
    pub(super) artifact: Artifact,
    pub(super) snapshot: Arc<TrustSnapshot>,
    /// The host at which clients find it; unset: no legacy signature counts.
    pub(super) host: Option<String>,
    pub(super) verdict_key: Option<String>,
    pub(super) policy: Option<Arc<VerificationPolicy>>,
    pub(super) before: Option<Before>,
    pub(super) now: OffsetDateTime,
}

/// The verdict before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It is the verdict still where it was made of this.
    Of(Digest),
    /// It is not, whatever it was made of.
    None,
}

/// What came of it.
pub(super) struct Judged {
    /// Each piece of evidence.
    pub(super) evidence: Vec<Judgement>,
    /// The digest of all that a verdict is made of.
    pub(super) inputs: Digest,
    /// The evidence among that: the manifest that holds it, and its own digest.
    pub(super) counted: BTreeSet<(Digest, Digest)>,
    /// Whether the verdict before is the verdict still.
    pub(super) is_as_before: bool,
    /// The verdict, where it is not, and there is a policy.
    pub(super) verdict: Option<Verdict>,
}

impl Judging {
    /// Judges, when it is one's turn. Whoever no longer waits leaves the work to its end, and its turn until then.
    pub(super) async fn run(self, turns: &Arc<Semaphore>) -> Result<Judged> {
        let turn = Arc::clone(turns).acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let judged = self.judge();
            drop(turn);
            judged
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }

    fn judge(&self) -> Judged {
        let outcomes = self.outcomes();
        let documents = || self.collected.documents.iter().zip(&outcomes);
        let evidence = documents().map(|(document, outcome)| Judgement::new(document, outcome.as_ref())).collect();
        let pieces: Vec<(&Document, Piece<'_>)> = documents()
            .filter(|(_, outcome)| !self.is_own(outcome.as_ref()))
            .map(|(document, outcome)| (document, self.piece(document, outcome.as_ref())))
            .collect();
        let inputs = self.inputs(&pieces);
        let counted = pieces.iter().filter(|(_, piece)| counts(piece));
        let counted = counted.map(|(document, _)| (document.carrier.digest, document.digest)).collect();
        let is_as_before = self.before == Some(Before::Of(inputs));
        let verdict = self.policy.as_ref().filter(|_| !is_as_before).map(|policy| {
            let subject = Subject { name: inputs::name(&self.artifact), digests: self.artifact.digests() };
            let pieces: Vec<Piece<'_>> = pieces.into_iter().map(|(_, piece)| piece).collect();
            evaluate(policy, &subject, &pieces, self.is_whole, &self.snapshot.verifier.names(), self.now)
        });
        Judged { evidence, inputs, counted, is_as_before, verdict }
    }

    /// What came of each document; nothing of those that nobody says to have signed.
    fn outcomes(&self) -> Vec<Option<Outcome>> {
        let signed: Vec<&Evidence> = self.collected.evidence().map(|(_, evidence)| evidence).collect();
        let (digests, names) = (self.artifact.digests(), inputs::repositories(&self.artifact));
        let hosts: Vec<String> = self.host.iter().cloned().collect();
        // Where nobody has said at which host clients find it, a legacy signature names no place that is known to be this one.
        let known: &[String] = if hosts.is_empty() { &[] } else { &names };
        let repositories: Vec<Repository<'_>> = known.iter().map(|name| Repository { name, hosts: &hosts }).collect();
        let expected =
            Expected { artifacts: &digests, accept: Accept::Anything, repository: None, bytes: None, now: self.now };
        let mut outcomes = judge(&self.snapshot.verifier, &signed, &expected, &repositories).into_iter();
        let outcome = |document: &Document| match document.content {
            Content::Evidence(_) => {
                let outcome = outcomes.next();
                outcome.map(|outcome| outcome.and_then(|verified| document.attached_as_said(verified)))
            }
            Content::Statement(_) | Content::Other(_) => None,
        };
        self.collected.documents.iter().map(outcome).collect()
    }

    /// Whether it is a verdict of this service: that is no evidence for another one.
    fn is_own(&self, outcome: Option<&Outcome>) -> bool {
        let Some(Ok(verified)) = outcome else { return false };
        let is_key =
            matches!(&verified.signer, SignerName::SigningKey(name, _) if Some(name) == self.verdict_key.as_ref());
        is_key && verified.predicate_type() == Some(SLSA_VSA_V1)
    }

    fn piece<'a>(&self, document: &'a Document, outcome: Option<&Outcome>) -> Piece<'a> {
        let takes_unsigned = self.policy.as_ref().is_some_and(|policy| policy.takes_unsigned());
        let judged = match outcome {
            None => Word::Unsigned,
            Some(Ok(verified)) => Word::Signed(Box::new(verified.clone())),
            Some(Err(refusal)) => Word::Refused(refusal.clone()),
        };
        Piece {
            digest: document.digest,
            judged,
            stands_until: outcome.and_then(|outcome| self.snapshot.verifier.stands_until(outcome)),
            carrier: takes_unsigned.then(|| carrier(document, &self.artifact)).flatten(),
        }
    }

    /// The digest of what can be of consequence: what is signed by somebody who is believed, where the policy takes it, what may be a bill of
    /// materials, and whether that is all.
    fn inputs(&self, pieces: &[(&Document, Piece<'_>)]) -> Digest {
        let mut entries: Vec<String> = self.artifact.digests().iter().map(ToString::to_string).collect();
        let is_judged = |piece: &Piece<'_>| !matches!(piece.judged, Word::Refused(Refusal::TooMuchEvidence));
        if !self.is_whole || !pieces.iter().all(|(_, piece)| is_judged(piece)) {
            entries.push("not all".to_owned());
        }
        for (document, piece) in pieces {
            let verified: Option<&Verified> = match &piece.judged {
                Word::Signed(verified) => Some(verified),
                Word::Refused(_) | Word::Unsigned => None,
            };
            if counts(piece) {
                entries.push(entry(document, verified));
            }
        }
        inputs::digest(entries)
    }
}

impl Judged {
    /// The evidence that a verdict was made of, all of it: where it is, and its digest. What the verdict before said is none, and is
    /// removed when this one is kept.
    pub(super) fn inputs_of(&self, artifact: &Artifact) -> Vec<(String, Digest)> {
        let repository = artifact.repository();
        self.counted.iter().map(|(carrier, digest)| (format!("oci://{repository}@{carrier}"), *digest)).collect()
    }

    /// The manifests that hold what a verdict rests on.
    pub(super) fn carriers(&self, verdict: &Verdict) -> Vec<Digest> {
        let used: BTreeSet<Digest> =
            verdict.rules.iter().flat_map(|rule| rule.evidence.iter().map(|used| used.digest)).collect();
        let carriers = self.evidence.iter().filter(|piece| used.contains(&piece.digest)).map(|piece| piece.carrier);
        carriers.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Whether a piece can be of consequence: somebody who is believed has signed it, or the policy takes a bill of materials that nobody has.
fn counts(piece: &Piece<'_>) -> bool {
    matches!(piece.judged, Word::Signed(_)) || piece.carrier.is_some()
}

/// A document as a carrier of a bill of materials, where it may be one.
fn carrier<'a>(document: &'a Document, artifact: &Artifact) -> Option<Carrier<'a>> {
    let layer = carried::Layer {
        media_type: &document.media_type,
        artifact_type: document.carrier.artifact_type.as_deref().unwrap_or_default(),
        predicate_type: document.said_predicate_type(),
    };
    carried::manner(&layer)?;
    let refers_to_artifact = document.carrier.subject == artifact.digest;
    Some(Carrier { bytes: document.bytes(), layer, refers_to_artifact })
}
