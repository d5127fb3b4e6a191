//! The memory that bodies held whole may take, for all requests together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT: u64 = 4096;

/// A budget of bytes. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

/// Bytes taken out of a budget; they go back when it is dropped.
#[derive(Debug)]
pub struct Taken(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Budget {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// Takes `bytes` where there are so many; never waits.
    #[must_use]
    pub fn take(&self, bytes: u64) -> Option<Taken> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok().map(Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_what_it_has_and_gets_it_back() {
        let budget = Budget::new(3 * UNIT);
        let one = budget.take(1).unwrap();
        assert!(budget.take(3 * UNIT).is_none());
        let two = budget.take(2 * UNIT).unwrap();
        assert!(budget.take(1).is_none());
        drop((one, two));
        assert!(budget.take(3 * UNIT).is_some());
    }
}
