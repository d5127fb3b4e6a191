//! Whether the schema of the index has been brought up to date since the process started.

use tokio::sync::watch;

/// Set once; whoever needs the index may wait for it.
#[derive(Debug)]
pub struct Readiness {
    index: watch::Sender<bool>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { index: watch::Sender::new(false) }
    }
}

impl Readiness {
    /// The schema is up to date.
    pub fn index_is_prepared(&self) {
        self.index.send_replace(true);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_index_prepared(&self) -> bool {
        *self.index.borrow()
    }

    /// Waits until it is.
    pub async fn wait_for_index(&self) {
        // The sender lives as long as `self`, so that waiting cannot fail.
        let _ = self.index.subscribe().wait_for(|prepared| *prepared).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_when_the_index_is_prepared() {
        let readiness = Readiness::default();
        assert!(!readiness.is_index_prepared());
        readiness.index_is_prepared();
        readiness.wait_for_index().await;
        assert!(readiness.is_index_prepared());
    }
}
