//! [`Heavy`]: work that takes up to 128 MiB and some tenths of a second, for a few at a time and beside the requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Code, Error, Result};
use crate::supply_chain::keys::KeyError;

/// Passwords that are turned into keys at a time.
const AT_A_TIME: usize = 2;

/// How long the next one waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose turn it is.
#[derive(Debug, Clone)]
pub(super) struct Heavy(Arc<Semaphore>);

impl Default for Heavy {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Heavy {
    /// Waits for a turn.
    /// # Errors
    /// `SlowDown`.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        turn.ok().and_then(std::result::Result::ok).ok_or_else(|| Error::from(Code::SlowDown))
    }
}

/// Does it where nobody waits for the thread.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T, KeyError> + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(Error::internal)??)
}
