//! What may be the case at one moment of a history: sets of possibilities, without those that another one covers.

use std::collections::HashMap;

use super::register::{State, Step};

/// Which of the operations under way have taken effect: a bit for the place of each.
pub(super) type Done = u128;

/// How many operations without an answer have taken effect, by what they are; in the order of steps, without zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spent(Vec<(Step, u32)>);

impl Spent {
    pub(super) fn of(&self, step: Step) -> u32 {
        self.place(step).ok().and_then(|place| self.0.get(place)).map_or(0, |(_, count)| *count)
    }

    pub(super) fn with_one_more(&self, step: Step) -> Self {
        let mut more = self.clone();
        match more.place(step) {
            Ok(place) => more.0.iter_mut().skip(place).take(1).for_each(|(_, count)| *count += 1),
            Err(place) => more.0.insert(place, (step, 1)),
        }
        more
    }

    /// Without `settled`, which is part of it.
    fn without(&self, settled: &Self) -> Self {
        let rest = self.0.iter().map(|(step, count)| (*step, count.saturating_sub(settled.of(*step))));
        Self(rest.filter(|(_, count)| *count > 0).collect())
    }

    /// What both have.
    fn common(&self, other: &Self) -> Self {
        let both = self.0.iter().map(|(step, count)| (*step, *count.min(&other.of(*step))));
        Self(both.filter(|(_, count)| *count > 0).collect())
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(step, count)| *count <= other.of(*step))
    }

    fn place(&self, step: Step) -> Result<usize, usize> {
        self.0.binary_search_by_key(&step, |(step, _)| *step)
    }
}

/// One possibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) state: State,
    pub(super) done: Done,
    pub(super) spent: Spent,
}

/// Possibilities. Of two that differ only in that one has spent more operations without an answer, that one is left out: whatever
/// follows from it follows from the other, for nothing ever has to be spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Configurations {
    by_state: HashMap<(State, Done), Vec<Spent>>,
    count: usize,
}

impl Configurations {
    pub(super) fn one(configuration: Configuration) -> Self {
        let mut one = Self::default();
        one.insert(configuration);
        one
    }

    /// Adds a possibility; false where it is covered already.
    pub(super) fn insert(&mut self, new: Configuration) -> bool {
        let known = self.by_state.entry((new.state, new.done)).or_default();
        if known.iter().any(|spent| spent.is_within(&new.spent)) {
            return false;
        }
        let before = known.len();
        known.retain(|spent| !new.spent.is_within(spent));
        self.count = self.count + 1 + known.len() - before;
        known.push(new.spent);
        true
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn states(&self) -> impl Iterator<Item = State> {
        self.by_state.keys().map(|(state, _)| *state)
    }

    /// What all possibilities have spent, which is taken from each of them: it is gone for good.
    pub(super) fn settle(&mut self) -> Spent {
        let mut all = self.by_state.values().flatten();
        let Some(first) = all.next() else { return Spent::default() };
        let settled = all.fold(first.clone(), |settled, spent| settled.common(spent));
        if !settled.0.is_empty() {
            self.by_state.values_mut().flatten().for_each(|spent| *spent = spent.without(&settled));
        }
        settled
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Configuration> {
        self.by_state
            .into_iter()
            .flat_map(|((state, done), all)| all.into_iter().map(move |spent| Configuration { state, done, spent }))
    }
}

impl Spent {
    /// Each step, and how often.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Step, u32)> {
        self.0.iter().copied()
    }
}
