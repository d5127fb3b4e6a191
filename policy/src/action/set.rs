//! A set of actions: one bit each, so that a statement is passed over in an instruction or two.

use std::fmt;

use super::Action;
use crate::glob;

const WORDS: usize = Action::ALL.len().div_ceil(64);

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionSet([u64; WORDS]);

impl ActionSet {
    /// Every action.
    #[must_use]
    pub fn all() -> Self {
        Action::ALL.iter().copied().collect()
    }

    /// The actions whose names match a pattern with `*` and `?`, in any case. Empty where none does.
    #[must_use]
    pub fn matching(pattern: &str) -> Self {
        if !pattern.contains(['*', '?']) {
            return pattern.parse::<Action>().into_iter().collect();
        }
        if pattern == "*" {
            return Self::all();
        }
        let pattern = pattern.to_ascii_lowercase();
        let pieces = glob::pieces(&pattern);
        let named = |action: &Action| glob::matches(&pieces, action.as_str().to_ascii_lowercase().as_bytes());
        Action::ALL.iter().copied().filter(named).collect()
    }

    /// Whether the action is in the set.
    #[must_use]
    pub fn contains(&self, action: Action) -> bool {
        let (word, bit) = place(action);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Whether no action is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// The actions that are in either set.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
        self
    }

    /// The actions that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        Action::ALL.iter().copied().filter(|action| !self.contains(*action)).collect()
    }

    /// The actions of the set, in the order of [`Action::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        Action::ALL.iter().copied().filter(|action| self.contains(*action))
    }
}

/// The word that holds an action, and its bit there.
const fn place(action: Action) -> (usize, u64) {
    let index = action as usize;
    (index / 64, 1 << (index % 64))
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<T: IntoIterator<Item = Action>>(actions: T) -> Self {
        let mut set = Self::default();
        for action in actions {
            let (word, bit) = place(action);
            if let Some(bits) = set.0.get_mut(word) {
                *bits |= bit;
            }
        }
        set
    }
}

impl fmt::Debug for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Action::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_selects_by_name_in_any_case() {
        let reads = ActionSet::matching("S3:get*");
        assert!(reads.contains(Action::GetObject));
        assert!(!reads.contains(Action::PutObject));
        assert!(!reads.contains(Action::GetPolicy));
        assert_eq!(ActionSet::matching("oci:Pu??").iter().collect::<Vec<_>>(), [Action::Pull, Action::Push]);
    }

    #[test]
    fn a_pattern_that_names_nothing_selects_nothing() {
        assert!(ActionSet::matching("s3:Fly*").is_empty());
        assert!(ActionSet::matching("").is_empty());
    }

    #[test]
    fn the_star_selects_everything_and_its_complement_nothing() {
        assert_eq!(ActionSet::matching("*"), ActionSet::all());
        assert_eq!(ActionSet::matching("*:*").iter().count(), Action::ALL.len());
        assert!(ActionSet::all().complement().is_empty());
    }

    #[test]
    fn a_union_holds_what_either_holds() {
        let both = ActionSet::matching("sts:*").union(&ActionSet::matching("audit:*"));
        assert!(both.contains(Action::AssumeRole) && both.contains(Action::QueryAudit));
        assert!(!both.contains(Action::Pull));
    }
}
