//! Looking at an artifact: what refers to it, what of that was not read before, and what it says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use time::OffsetDateTime;

use super::subject::Found;
use super::{EvidenceIndex, Subject};
use crate::app::App;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::{BeforeLook, NewEvidence, NewSbom, ScopeKind};
use crate::supply_chain::checked::{By, count};
use crate::supply_chain::collect::{self, Budget, Document, Listed, WhyLeftOut};
use crate::supply_chain::facts::{About, Examined, Piece, Signed, examine};
use crate::supply_chain::referrer::Kind;
use crate::supply_chain::sbom::Limits;
use crate::supply_chain::trust::TrustSnapshot;
use crate::telemetry::names;

/// When an artifact is looked at again of which something could not be read in time.
const SOON: Duration = Duration::from_secs(60);

/// The same, where there was more than is read.
const LATER: Duration = Duration::from_secs(3600);

/// How long one look reads at most, whatever is configured: well below the lease of whoever has taken the artifact.
const LONGEST: Duration = Duration::from_secs(60);

/// One look at an artifact.
struct Looking<'a> {
    app: &'a App,
    subject: &'a Subject,
    found: &'a Found,
    about: Arc<About>,
    trust: Arc<TrustSnapshot>,
    setup: Digest,
    now: OffsetDateTime,
}

/// What comes of it.
#[derive(Default)]
struct Seen {
    pieces: Vec<Piece>,
    again: Option<Duration>,
    is_whole: bool,
}

impl EvidenceIndex {
    /// Looks at an artifact, and writes down what was found.
    ///
    /// # Errors
    /// `TrustUnavailable`, `UpstreamUnavailable`, `IndexUnavailable`; `SlowDown` where memory is short: then it is to be looked at again.
    pub(super) async fn look(&self, app: &App, subject: &Subject) -> Result<()> {
        let begun = Instant::now();
        let trust = app.trust.current()?;
        let before = app.index.before_look(&subject.scope, &subject.digest).await?;
        let Some(found) = subject.find(app).await? else { return gone(app, subject, &before).await };
        let (listed, left_out) = collect::list(app, &found.artifact).await?;
        let carriers = relevant(listed);
        let now = OffsetDateTime::now_utc();
        let setup = self.0.setup;
        let about = Arc::new(found.about(app));
        let looking = Looking { app, subject, found: &found, about, trust, setup, now };
        let mut seen = Seen { is_whole: true, ..Seen::default() };
        let is_settled = looking.settled(&before);
        let mut budget = looking.budget(&before, &carriers, &is_settled);
        for carrier in carriers.iter().filter(|carrier| !is_known(&is_settled, &carrier.digest)) {
            if budget.is_over() {
                seen.leaves_out(SOON);
                break;
            }
            looking.read(carrier, &mut budget, &mut seen).await?;
        }
        // One that is no manifest of ours is none of ours; but where there was more in the list, something may be missing.
        if left_out.iter().any(|left_out| left_out.why == WhyLeftOut::TooMuch) {
            seen.leaves_out(LATER);
        }
        looking.store(&before, &carriers, &seen).await?;
        counter!(names::EVIDENCE_LOOKS, "scope" => subject.scope.kind.as_str()).increment(1);
        histogram!(names::EVIDENCE_SECONDS).record(begun.elapsed().as_secs_f64());
        Ok(())
    }
}

impl Seen {
    /// Says that something was not read, and when it shall be.
    fn leaves_out(&mut self, again: Duration) {
        self.is_whole = false;
        self.again = Some(self.again.map_or(again, |sooner| sooner.min(again)));
    }
}

/// Whether a carrier was read before, and says nothing else by now.
fn is_known(is_settled: &HashMap<Digest, bool>, carrier: &Digest) -> bool {
    is_settled.get(carrier).copied().unwrap_or(false)
}

/// What is signed, attested or a bill of materials, each manifest once, signatures first.
fn relevant(listed: Vec<Listed>) -> Vec<Listed> {
    let mut seen = HashSet::new();
    let mut relevant: Vec<Listed> = listed
        .into_iter()
        .filter(|listed| listed.kinds != [Kind::Other])
        .filter(|listed| seen.insert(listed.digest))
        .collect();
    // Where there is no room for all of it, they are what matters most.
    relevant.sort_by_key(|listed| listed.kinds.first().copied());
    relevant
}

/// A manifest that is gone takes with it what it has said; an object may come again, with what refers to it.
async fn gone(app: &App, subject: &Subject, before: &BeforeLook) -> Result<()> {
    match subject.scope.kind {
        ScopeKind::Bucket => app.index.rest_evidence(&subject.scope, &subject.digest, before.now).await,
        ScopeKind::Repository => app.index.forget_manifest(&subject.scope.name, &subject.digest).await,
    }
}

impl Looking<'_> {
    /// Whether carriers that were read before say nothing else by now.
    fn settled(&self, before: &BeforeLook) -> HashMap<Digest, bool> {
        let mut is_settled: HashMap<Digest, bool> = HashMap::new();
        for piece in &before.pieces {
            let settled = !before.rereads && !piece.is_open(self.trust.revision, &self.setup, self.now);
            let known = is_settled.entry(piece.carrier).or_insert(true);
            *known &= settled;
        }
        is_settled
    }

    /// What may be read in this look. Documents that are known count among those of the artifact.
    fn budget(&self, before: &BeforeLook, carriers: &[Listed], is_settled: &HashMap<Digest, bool>) -> Budget {
        let there: HashSet<Digest> = carriers.iter().map(|carrier| carrier.digest).collect();
        let is_there = |piece: &&Piece| there.contains(&piece.carrier) && is_known(is_settled, &piece.carrier);
        let known = before.pieces.iter().filter(is_there).count();
        Budget::new(&self.app.config.supply_chain).ending_within(LONGEST).without(known as u64)
    }

    /// Reads a carrier and looks at each of its documents.
    async fn read(&self, carrier: &Listed, budget: &mut Budget, seen: &mut Seen) -> Result<()> {
        let mut collected = collect::read_within(self.app, &self.found.artifact, carrier.clone(), budget).await?;
        let is_left = |why: WhyLeftOut| collected.left_out.iter().any(|left_out| left_out.why == why);
        // None of it is kept, so that all of it is read the next time.
        if is_left(WhyLeftOut::TooLate) {
            seen.leaves_out(SOON);
            return Ok(());
        }
        if is_left(WhyLeftOut::TooMuch) {
            seen.leaves_out(LATER);
            return Ok(());
        }
        if collected.documents.is_empty() || !collected.left_out.is_empty() {
            let code = match collected.left_out.first().map(|left_out| left_out.why) {
                Some(WhyLeftOut::TooLarge) => "too_large",
                _ => "unreadable",
            };
            seen.pieces.push(Piece::unreadable(carrier.digest, code, self.trust.revision, self.setup));
        }
        for document in std::mem::take(&mut collected.documents) {
            let examined = self.examine(document).await?;
            self.index(carrier, &examined).await?;
            seen.pieces.push(examined.piece);
        }
        Ok(())
    }

    /// A large bill of materials takes a second or so: on a thread of its own.
    async fn examine(&self, document: Document) -> Result<Examined> {
        // Within an index, a statement about one of its manifests.
        let is_within = document.carrier.subject != self.subject.digest;
        let about = if is_within {
            Arc::new(About { digests: vec![document.carrier.subject], ..(*self.about).clone() })
        } else {
            Arc::clone(&self.about)
        };
        let (trust, setup, now) = (Arc::clone(&self.trust), self.setup, self.now);
        let work = move || examine(&document, &about, &trust, &setup, &Limits::default(), now);
        let examined = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::internal("a document was not examined").source(error))?;
        let Examined { piece, sbom } = examined;
        self.count(&piece.signed);
        Ok(Examined { piece: if is_within { piece.of_something_within() } else { piece }, sbom })
    }

    /// Counts a signature that was checked.
    fn count(&self, signed: &Signed) {
        match signed {
            Signed::Nobody => {}
            Signed::By { maker, times, .. } => match self.trust.verifier.believes(maker, times, self.now) {
                Ok(signer) => count(By::Evidence, Ok(signer.to_string().as_str())),
                Err(refusal) => count(By::Evidence, Err(refusal.code())),
            },
            Signed::Refused { code, .. } => count(By::Evidence, Err(code.as_str())),
        }
    }

    /// Has the artifact found by what its bill of materials lists.
    async fn index(&self, carrier: &Listed, examined: &Examined) -> Result<()> {
        let Some(sbom) = &examined.sbom else { return Ok(()) };
        let in_repository = [String::new()];
        let keys = if self.found.keys.is_empty() { &in_repository[..] } else { &self.found.keys };
        for key in keys {
            let new = NewSbom {
                scope: &self.subject.scope,
                key,
                subject: &carrier.subject,
                carrier: &carrier.digest,
                digest: &sbom.digest,
                size: sbom.size,
                manner: sbom.manner,
                reading: &sbom.reading,
                audit: &[],
            };
            let indexed = self.app.index.index_sbom(new).await?;
            if indexed.changed {
                counter!(names::SBOMS_INDEXED, "carried" => sbom.manner.as_str()).increment(1);
            }
        }
        Ok(())
    }

    async fn store(&self, before: &BeforeLook, carriers: &[Listed], seen: &Seen) -> Result<()> {
        let carriers: Vec<Digest> = carriers.iter().map(|carrier| carrier.digest).collect();
        let mut once = HashSet::new();
        let pieces = seen.pieces.iter().filter(|piece| once.insert((piece.carrier, piece.document)));
        let pieces: Vec<Piece> = pieces.cloned().collect();
        let new = NewEvidence {
            scope: &self.subject.scope,
            subject: &self.subject.digest,
            listed_at: before.now,
            is_whole: seen.is_whole,
            is_evidence: self.found.is_evidence,
            children: &self.found.children,
            carriers: &carriers,
            pieces: &pieces,
            again: seen.again,
        };
        self.app.index.store_evidence(&new).await
    }
}
