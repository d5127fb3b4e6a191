//! [`TrustStore`]: whom this replica believes now, and how sure it is that this is the latest.
//!
//! A snapshot is read whole from the index and swapped in whole, with a verifier made of it; it is read anew when a change is told
//! (`zas_trust`), and asked after at intervals in case a notice was lost. The trusted roots are those of the configuration, read once.
//! What does not live here: the rows (`index/trust.rs`), and what it means to be believed (`verify`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::config::{self, SignatureLog};
use crate::error::{Code, Error, Result};
use crate::index::Index;
use crate::index::notify::{Feed, TRUST};
use crate::supply_chain::verify::{LogPolicy, Trust, TrustRoot, TrustRootOptions, Verifier};
use crate::telemetry::names;

/// The pause before a snapshot that could not be read is asked for again.
const RETRY: Duration = Duration::from_millis(500);

/// Whom we believe, as of one revision.
#[derive(Debug)]
pub struct TrustSnapshot {
    /// The number of changes that it includes: a verdict is as good as the revision that it was made by.
    pub revision: i64,
    /// Ready to be asked.
    pub verifier: Verifier,
}

/// The snapshot of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrustStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    snapshot: ArcSwap<TrustSnapshot>,
    /// Each as text, for every snapshot has its own.
    roots: Vec<(String, TrustRootOptions)>,
    log: LogPolicy,
    poll_interval: Duration,
    stale_after: Duration,
    born: Instant,
    /// Milliseconds after `born`, plus one, at which the snapshot was last known to be the latest; 0: never.
    confirmed: AtomicU64,
}

impl TrustStore {
    /// Nobody is believed yet. Reads the trusted roots of the configuration.
    ///
    /// # Errors
    /// A trusted root cannot be read; the text names its key.
    pub fn new(config: &config::SupplyChain) -> Result<Self> {
        let roots = config.trusted_roots.iter().enumerate().map(|(at, root)| {
            let wrong = |error: &dyn std::fmt::Display| {
                Error::internal(format!("supply_chain.trusted_roots[{at}].file: {}: {error}", root.file.display()))
            };
            let text = std::fs::read_to_string(&root.file).map_err(|error| wrong(&error))?;
            let options = TrustRootOptions { require_log: root.require_log, require_sct: root.require_sct };
            TrustRoot::from_json(&text, options).map_err(|error| wrong(&error))?;
            Ok((text, options))
        });
        let roots = roots.collect::<Result<Vec<_>>>()?;
        let log = match config.log {
            SignatureLog::Required => LogPolicy::Required,
            SignatureLog::WhenPresent => LogPolicy::WhenPresent,
            SignatureLog::Waived => LogPolicy::Waived,
        };
        let nobody = TrustSnapshot { revision: 0, verifier: verifier(Trust::default(), &roots, log)? };
        Ok(Self(Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(nobody),
            roots,
            log,
            poll_interval: config.poll_interval,
            stale_after: config.stale_after,
            born: Instant::now(),
            confirmed: AtomicU64::new(0),
        })))
    }

    /// Whom to believe now.
    ///
    /// # Errors
    /// `TrustUnavailable` where a change may have been missed for longer than `supply_chain.stale_after`.
    pub fn current(&self) -> Result<Arc<TrustSnapshot>> {
        if self.age() > self.0.stale_after {
            return Err(Code::TrustUnavailable.into());
        }
        Ok(self.0.snapshot.load_full())
    }

    /// The number of changes that the snapshot includes, however old it is.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.0.snapshot.load().revision
    }

    /// How long ago it was certain that no change was missed.
    #[must_use]
    pub fn age(&self) -> Duration {
        match self.0.confirmed.load(Ordering::Acquire) {
            0 => Duration::MAX,
            at => self.0.born.elapsed().saturating_sub(Duration::from_millis(at - 1)),
        }
    }

    /// Makes sure that the snapshot is the latest; reads it anew only where it is not.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn refresh(&self, index: &Index) -> Result<()> {
        let asked = Instant::now();
        let known = self.0.snapshot.load().revision;
        if index.trust_revision().await? != known {
            let trust = Trust::from(index.trust_data().await?);
            let revision = trust.revision;
            tracing::info!(revision, keys = trust.keys.len(), identities = trust.identities.len(), "trust was read");
            let verifier = verifier(trust, &self.0.roots, self.0.log)?;
            self.0.snapshot.store(Arc::new(TrustSnapshot { revision, verifier }));
            metrics::gauge!(names::TRUST_REVISION).set(i32::try_from(revision).map_or(f64::MAX, f64::from));
        }
        let millis = asked.saturating_duration_since(self.0.born).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX - 1);
        self.0.confirmed.fetch_max(millis.saturating_add(1), Ordering::AcqRel);
        Ok(())
    }

    /// Keeps it the latest until `stop`: reads it when a change is told, and asks at intervals.
    pub async fn run(&self, index: &Index, feed: &Feed, stop: CancellationToken) {
        let mut notices = feed.subscribe();
        loop {
            let pause = match self.refresh(index).await {
                Ok(()) => self.0.poll_interval,
                Err(error) => {
                    tracing::warn!("whose signatures are believed could not be read: {}", error.for_log());
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = notices.told_of(TRUST) => {}
            }
        }
    }
}

fn verifier(trust: Trust, roots: &[(String, TrustRootOptions)], log: LogPolicy) -> Result<Verifier> {
    let roots = roots.iter().map(|(text, options)| TrustRoot::from_json(text, *options)).collect::<Result<Vec<_>, _>>();
    let made = roots.and_then(|roots| Verifier::new(trust, roots, log));
    made.map_err(|error| Error::internal(format!("no verifier could be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{NewTrustedSigner, TrustedSigner};
    use crate::postgres::testing;
    use crate::supply_chain::keys::{Algorithm, KeyPair};

    #[tokio::test]
    async fn a_change_is_seen_when_it_is_told_and_a_store_that_never_asked_believes_nobody() {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let store = TrustStore::new(&config::SupplyChain::default()).unwrap();
        assert_eq!(store.current().unwrap_err().code(), Code::TrustUnavailable);
        let (feed, stop) = (Feed::new(), CancellationToken::new());
        let running = tokio::spawn({
            let (store, index, feed, stop) = (store.clone(), index.clone(), feed.clone(), stop.clone());
            async move {
                tokio::join!(feed.run(&index, stop.clone()), store.run(&index, &feed, stop.clone()));
            }
        });
        let seen = async |revision: i64| {
            while !store.current().is_ok_and(|snapshot| snapshot.revision == revision) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let before = index.trust_revision().await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), seen(before)).await.unwrap();
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let new = NewTrustedSigner {
            name: "theirs",
            signer: &TrustedSigner::Key(pair.public().fingerprint().hex()),
            public_key: pair.public().der(),
            description: "",
            valid_from: None,
            valid_to: None,
            created_by: "test",
        };
        index.add_trusted_signer(new, &[]).await.unwrap();
        // Far below the interval at which it is asked.
        tokio::time::timeout(Duration::from_secs(20), seen(before + 1)).await.unwrap();
        stop.cancel();
        running.await.unwrap();
    }

    #[test]
    fn a_trusted_root_that_cannot_be_read_is_named_by_its_key() {
        let file = std::path::PathBuf::from("/nowhere/trusted_root.json");
        let root = config::TrustedRoot { file, require_log: true, require_sct: true };
        let config = config::SupplyChain { trusted_roots: vec![root], ..config::SupplyChain::default() };
        let error = TrustStore::new(&config).unwrap_err();
        assert!(
            error.for_operator().starts_with("supply_chain.trusted_roots[0].file: /nowhere/"),
            "{}",
            error.for_operator()
        );
    }
}
