//! [`Counts`]: who has asked for how much, for so many keys at the most. Beyond that strangers share a count, and whoever is known keeps
//! their own: no flood of made-up keys grows the memory of the process.

use std::sync::atomic::{AtomicUsize, Ordering};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DefaultKeyedStateStore, ShrinkableKeyedStateStore};

/// What strangers are counted by where there is no room for more.
const STRANGERS: u64 = 0;

/// Counts by key.
#[derive(Debug)]
pub(super) struct Counts {
    known: DefaultKeyedStateStore<u64>,
    /// How many there are, about: set right with each clearing. The store itself counts them one by one.
    length: AtomicUsize,
    most: usize,
}

impl Counts {
    /// None yet, and `most` in the end.
    pub(super) fn at_most(most: usize) -> Self {
        Self { known: DefaultKeyedStateStore::default(), length: AtomicUsize::new(0), most }
    }

    /// The key that counts, which gets a place where it has none and there is room.
    fn place(&self, key: u64) -> u64 {
        if self.known.contains_key(&key) {
            return key;
        }
        if self.length.load(Ordering::Relaxed) >= self.most {
            return STRANGERS;
        }
        self.length.fetch_add(1, Ordering::Relaxed);
        key
    }
}

impl StateStore for Counts {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.known.measure_and_replace(&self.place(*key), f)
    }
}

impl ShrinkableKeyedStateStore<u64> for Counts {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known.retain_recent(drop_below);
        self.length.store(self.known.len(), Ordering::Relaxed);
    }

    fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
