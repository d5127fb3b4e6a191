//! [`TrustStore`]: whom this replica believes now, and how sure it is that this is the latest.
//!
//! A snapshot is read whole from the index and swapped in whole, with a verifier made of it; it is read anew when a change is told
//! (`zas_trust`), and asked after at intervals in case a notice was lost.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::index::notify::Feed;
use crate::supply_chain::verify::Verifier;

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
pub struct TrustStore(Arc<()>);

impl TrustStore {
    /// Nobody is believed yet. Reads the trusted roots of the configuration.
    ///
    /// # Errors
    /// A trusted root cannot be read.
    pub fn new(config: &config::SupplyChain) -> Result<Self> {
        let _ = config;
        Err(Error::internal("not written yet"))
    }

    /// Whom to believe now.
    ///
    /// # Errors
    /// `TrustUnavailable` where a change may have been missed for longer than `supply_chain.stale_after`.
    pub fn current(&self) -> Result<Arc<TrustSnapshot>> {
        Err(Error::internal("not written yet"))
    }

    /// Makes sure that the snapshot is the latest; reads it anew only where it is not.
    ///
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn refresh(&self, index: &Index) -> Result<()> {
        let _ = index;
        Err(Error::internal("not written yet"))
    }

    /// Keeps it the latest until `stop`.
    pub async fn run(&self, index: &Index, feed: &Feed, stop: CancellationToken) {
        let _ = (index, feed, stop);
    }
}
