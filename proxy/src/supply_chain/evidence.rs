//! [`EvidenceIndex`]: keeps what is known of artifacts, so that a policy that asks for signatures or reports is answered from the index.
//!
//! Who attaches something, here or by pushing it to the registry, leaves word of it in the index; workers of all replicas look
//! at what is due ([`look`]), read what they have not read before, and write down a piece of each document. An artifact that
//! nobody has looked at is looked at when somebody asks for it, and so is one before it is refused: what was pushed past us is
//! found then. What else is found by walking through the registry now and then ([`crawl`]).
//! What does not live here: what a piece means (`facts`), who may read what (`authz`), the rows (`index/evidence.rs`).

mod content;
mod crawl;
mod fresh;
mod gated;
mod in_passing;
mod look;
mod pushes;
mod subject;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};

use crate::app::App;
use crate::config;
use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::index::{AsOf, SbomScope};
use crate::supply_chain::facts::{Facts, Judge, Known};

pub use content::{check_bytes, check_carrier};
use fresh::Fresh;
pub use gated::{KeyedObject, KnownArtifact};
use in_passing::InPassing;
pub use pushes::Pushing;

/// Artifacts of which is remembered what is known.
const REMEMBERED: u64 = 50_000;

/// How long that is remembered, though nothing else was told.
const KEEP: Duration = Duration::from_secs(60);

/// How old the last sign of life of the connection that tells of changes may be: until then what is remembered is the latest.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Artifacts that are looked at at once because somebody waits.
const FOR_CLIENTS: usize = 4;

/// An artifact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::supply_chain) struct Subject {
    /// Where it is.
    pub(in crate::supply_chain) scope: SbomScope,
    /// Digest of its manifest.
    pub(in crate::supply_chain) digest: Digest,
}

/// What is known of artifacts. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct EvidenceIndex(Arc<Inner>);

struct Inner {
    /// Trusted roots and rules about logs: what was verified by others is verified again.
    setup: Digest,
    known: Cache<Subject, Remembered>,
    /// Counts what was told: what was asked for before may be old.
    told: AtomicU64,
    fresh: Fresh,
    in_passing: InPassing,
    for_clients: Semaphore,
    /// Wakes a worker of this replica.
    due: Notify,
}

/// What is known of an artifact, as of so many notices.
#[derive(Clone)]
struct Remembered {
    known: Arc<Known>,
    told: u64,
}

impl EvidenceIndex {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(config: &config::SupplyChain) -> Self {
        Self(Arc::new(Inner {
            setup: setup(config),
            known: Cache::builder().max_capacity(REMEMBERED).time_to_live(KEEP).build(),
            told: AtomicU64::new(0),
            fresh: Fresh::default(),
            in_passing: InPassing::default(),
            for_clients: Semaphore::new(FOR_CLIENTS),
            due: Notify::new(),
        }))
    }

    /// By which trusted roots and rules about logs this replica verifies: what was found by others counts for nothing.
    #[must_use]
    pub fn setup(&self) -> Digest {
        self.0.setup
    }

    /// The present, for whoever asks whether a verdict counts here.
    #[must_use]
    pub fn as_of(&self, now: OffsetDateTime) -> AsOf {
        AsOf { now, setup: self.0.setup }
    }

    /// What is known of an artifact, from the index.
    ///
    /// # Errors
    /// `TrustUnavailable`, `IndexUnavailable`.
    pub async fn facts(&self, app: &App, scope: &SbomScope, digest: &Digest) -> Result<Facts> {
        let subject = Subject { scope: scope.clone(), digest: *digest };
        let known = self.known(app, &subject).await?;
        self.judge(app, &known)
    }

    /// What is known of an artifact, after somebody has looked at it just now: waits for that as long as
    /// `supply_chain.evidence_patience`, and what is not known by then is unknown.
    ///
    /// # Errors
    /// `TrustUnavailable`, `IndexUnavailable`.
    pub async fn fresh_facts(&self, app: &App, scope: &SbomScope, digest: &Digest) -> Result<Facts> {
        let subject = Subject { scope: scope.clone(), digest: *digest };
        let has_looked = self.look_now(app, &subject).await?;
        let mut known = app.index.known_of(scope, digest).await?;
        if has_looked && !known.stale.is_empty() {
            self.look_once_more(app, scope, &known.stale).await?;
            known = app.index.known_of(scope, digest).await?;
        }
        self.judge(app, &known)
    }

    /// Has an artifact looked at now, where that was not done just now: what was attached past us is known then. Waits for that as long
    /// as `supply_chain.evidence_patience`.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn look_again(&self, app: &App, scope: &SbomScope, digest: &Digest) -> Result<()> {
        self.look_now(app, &Subject { scope: scope.clone(), digest: *digest }).await?;
        Ok(())
    }

    fn judge(&self, app: &App, known: &Known) -> Result<Facts> {
        let trust = app.trust.current()?;
        Ok(known.facts(Judge {
            verifier: &trust.verifier,
            revision: trust.revision,
            setup: &self.0.setup,
            builders: &app.config.supply_chain.builders,
            now: OffsetDateTime::now_utc(),
        }))
    }

    async fn known(&self, app: &App, subject: &Subject) -> Result<Arc<Known>> {
        let hears = app.feed.age() <= TOLD_WITHIN;
        let told = self.0.told.load(Ordering::Acquire);
        // A notice names an artifact, and not those that inherit from it: these are good until the next notice of any.
        let is_latest = |old: &Remembered| hears && (old.known.parents.is_empty() || old.told == told);
        if let Some(old) = self.0.known.get(subject).filter(is_latest) {
            return Ok(old.known);
        }
        let known = Arc::new(app.index.known_of(&subject.scope, &subject.digest).await?);
        if hears {
            self.0.known.insert(subject.clone(), Remembered { known: Arc::clone(&known), told });
            // Something was told meanwhile, perhaps of this.
            if self.0.told.load(Ordering::Acquire) != told {
                self.0.known.invalidate(subject);
            }
        }
        Ok(known)
    }

    /// Forgets what is remembered of the artifact of a notice (`kind:scope@hex`); of all, where none is named.
    fn was_told(&self, payload: &str) {
        match Subject::read(payload) {
            Some(subject) => self.was_told_of(&subject),
            None => {
                self.0.told.fetch_add(1, Ordering::AcqRel);
                self.0.known.invalidate_all();
            }
        }
    }

    /// Forgets what is remembered of one artifact, and of those that inherit from it.
    fn was_told_of(&self, subject: &Subject) {
        self.0.told.fetch_add(1, Ordering::AcqRel);
        self.0.known.invalidate(subject);
    }
}

/// Which version of the reading of documents a piece was made by: raised when the same bytes come to say something else, so that all are
/// read again. 1: scans that cannot be read, or have yet to end, are kept, and what a document within an index holds is not;
/// what was attached as something else than it is counts for nothing.
const READING: u32 = 1;

/// What documents are read and verified by besides whom we believe. A file that cannot be read now could be when the process began.
fn setup(config: &config::SupplyChain) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(format!("{READING} {:?}\n", config.log).as_bytes());
    for root in &config.trusted_roots {
        let text = std::fs::read(&root.file).unwrap_or_default();
        hasher.update(format!("{} {} {}\n", root.require_log, root.require_sct, text.len()).as_bytes());
        hasher.update(&text);
    }
    hasher.finish()
}

impl fmt::Debug for EvidenceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvidenceIndex").field("known", &self.0.known.entry_count()).finish_non_exhaustive()
    }
}
