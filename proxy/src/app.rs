//! [`App`]: everything that requests share, built once.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::admin::Answers;
use crate::artifacts::{Digester, Referrers};
use crate::audit::Journal;
use crate::authz::{Authority, Policies};
use crate::blobs::Blobs;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::events::Targets;
use crate::identity::{
    AccessKeys, Authenticator, Issuers, KeyRing, Purpose, RegistryTokens, Revocations, Sessions, StoredKeys,
};
use crate::index::Index;
use crate::index::notify::Feed;
use crate::oci::Unnamed;
use crate::rates::Rates;
use crate::readiness::Readiness;
use crate::s3::{Budget, FullBuckets};
use crate::store::Store;
use crate::supply_chain::evidence::EvidenceIndex;
use crate::supply_chain::keys::SigningKeys;
use crate::supply_chain::signing::LegacyTags;
use crate::supply_chain::trust::TrustStore;

/// Everything that requests share.
#[derive(Debug)]
pub struct App {
    /// The configuration, as it was read at start.
    pub config: Config,
    /// Who is asking.
    pub identity: Authenticator,
    /// Names, versions and places.
    pub index: Index,
    /// Who may do what.
    pub authority: Authority,
    /// What other replicas change.
    pub feed: Feed,
    /// The audit log's queue.
    pub journal: Journal,
    /// Answers that are kept for requests that may come again.
    pub answers: Answers,
    /// The upstream registry.
    pub store: Store,
    /// The life of blobs.
    pub blobs: Blobs,
    /// Digests of objects that came in parts.
    pub digester: Digester,
    /// The end of what refers to objects.
    pub referrers: Referrers,
    /// Who may be told of events.
    pub event_targets: Targets,
    /// Keys that sign; none without a key ring.
    signing_keys: Option<SigningKeys>,
    /// Whose signatures are believed.
    pub trust: TrustStore,
    /// What is known of artifacts.
    pub evidence: EvidenceIndex,
    /// Memory for documents of the supply chain that are held whole.
    pub documents: Budget,
    /// Turns at checking signatures and documents of artifacts, each on a thread.
    pub judging: Arc<Semaphore>,
    /// Turns at moving the tags of legacy signatures.
    pub legacy_tags: LegacyTags,
    /// Bytes that were sent for what refers to objects, and that nothing names yet.
    pub unnamed: Unnamed,
    /// Memory for bodies that are held whole before they are stored.
    pub buffers: Budget,
    /// Buckets that have no room, as far as was seen lately.
    pub full_buckets: FullBuckets,
    /// How much one address and one principal may ask for.
    pub rates: Rates,
    /// Why S3 writes are refused, one finding a line; empty: they are not.
    pub write_refusals: Vec<String>,
    /// Why nothing may be attached to S3 objects, one finding a line.
    pub attach_refusals: Vec<String>,
    /// Whether the index has been prepared.
    pub readiness: Readiness,
}

impl App {
    /// Builds everything; opens no connection yet, so that a part that is down does not keep the process from starting.
    /// Must be called within a tokio runtime.
    /// # Errors
    /// A value of the configuration cannot be used.
    pub fn new(config: Config, write_refusals: Vec<String>) -> Result<Arc<Self>> {
        Self::refusing(config, write_refusals, Vec::new())
    }

    /// As [`Self::new`], and nothing may be attached to S3 objects for the reasons given.
    /// # Errors
    /// A value of the configuration cannot be used.
    pub fn refusing(config: Config, write_refusals: Vec<String>, attach_refusals: Vec<String>) -> Result<Arc<Self>> {
        let index = Index::open(&config.database)?;
        let store = Store::new(&config.store)?;
        let blobs = Blobs::new(index.clone(), store.clone(), config.blobs.clone());
        let digester = Digester::new(index.clone(), blobs.clone(), &config.artifacts);
        let referrers = Referrers::new(index.clone(), store.clone(), &config);
        let journal = Journal::new(index.clone(), &config.audit);
        let identity = identity(&config, &index)?;
        let answers = Answers::new(&config)?;
        let trust = TrustStore::new(&config.supply_chain)?;
        let signing_keys = signing_keys(&config, &index)?.map(|keys| keys.following(trust.clone()));
        let event_targets = Targets::new(&config, &index)?;
        let evidence = EvidenceIndex::new(&config.supply_chain);
        let documents = Budget::new(config.supply_chain.memory.as_u64());
        let turns = usize::try_from(config.supply_chain.verifications_at_once.max(1)).unwrap_or(1);
        let judging = Arc::new(Semaphore::new(turns.min(Semaphore::MAX_PERMITS)));
        let buffers = Budget::new(config.limits.buffer_bytes.as_u64());
        let rates = Rates::new(&config.rates);
        let policies = Policies::new(&config.authorization);
        let authority = Authority::new(journal.clone(), policies)
            .with_rates(rates.clone())
            .with_gate(config.supply_chain.gate)
            .with_tags_of(index.clone());
        Ok(Arc::new(Self {
            config,
            identity,
            index,
            authority,
            feed: Feed::new(),
            journal,
            answers,
            store,
            blobs,
            digester,
            referrers,
            event_targets,
            signing_keys,
            trust,
            evidence,
            documents,
            judging,
            legacy_tags: LegacyTags::new(),
            unnamed: Unnamed::new(),
            buffers,
            full_buckets: FullBuckets::new(),
            rates,
            write_refusals,
            attach_refusals,
            readiness: Readiness::default(),
        }))
    }

    /// The keys that sign.
    /// # Errors
    /// `NotImplemented` without a key ring to seal them with.
    pub fn signing_keys(&self) -> Result<&SigningKeys> {
        self.signing_keys.as_ref().ok_or_else(|| {
            Error::new(
                Code::NotImplemented,
                "Signing keys need identity.key_ring in the configuration, to be sealed with.",
            )
        })
    }

    /// Whether S3 may write.
    /// # Errors
    /// `WritesRefused`, with the fields of the registry's configuration and the values they should have.
    pub fn check_writes(&self) -> Result<()> {
        if self.write_refusals.is_empty() {
            return Ok(());
        }
        Err(Error::from(Code::WritesRefused).with("registry_configuration", self.write_refusals.join("; ")))
    }

    /// Whether something may be attached to S3 objects.
    /// # Errors
    /// `WritesRefused`, as [`Self::check_writes`].
    pub fn check_attaching(&self) -> Result<()> {
        if self.attach_refusals.is_empty() {
            return Ok(());
        }
        Err(Error::from(Code::WritesRefused).with("registry_configuration", self.attach_refusals.join("; ")))
    }
}

/// Keys that sign, where there is a ring to seal them with.
fn signing_keys(config: &Config, index: &Index) -> Result<Option<SigningKeys>> {
    let ring = &config.identity.key_ring;
    if ring.is_empty() {
        return Ok(None);
    }
    let seal = Arc::new(KeyRing::new(ring, Purpose::SigningKey)?);
    Ok(Some(SigningKeys::new(index.clone(), seal)))
}

/// Who is known: by keys of the configuration, by what a key ring opens where there is one, and by the issuers' word.
fn identity(config: &Config, index: &Index) -> Result<Authenticator> {
    let root = Authenticator::new(AccessKeys::new(&config.access_keys));
    let revocations = Revocations::new(config.authorization.stale_after);
    let all = root.with_issuers(Issuers::new(&config.identity.issuers)?, revocations);
    let ring = &config.identity.key_ring;
    if ring.is_empty() {
        return Ok(all);
    }
    let stored = StoredKeys::new(index.clone(), Arc::new(KeyRing::new(ring, Purpose::AccessKey)?));
    let sessions = Sessions::new(Arc::new(KeyRing::new(ring, Purpose::SessionToken)?));
    let tokens = RegistryTokens::new(Arc::new(KeyRing::new(ring, Purpose::RegistryToken)?));
    let tokens = tokens.with_issuers(&config.identity.issuers);
    Ok(all.with_ring(stored, sessions, tokens))
}
