//! [`Tally`]: what a run has counted. It is saved with the run's place, so that a run that is resumed goes on counting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, Phase};

/// Counts by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Things that were looked at, by phase.
    pub looked_at: BTreeMap<String, u64>,
    /// Findings, by kind.
    pub found: BTreeMap<String, u64>,
    /// Findings among them that were mended, by kind.
    pub repaired: BTreeMap<String, u64>,
    /// Things that could not be looked at, by reason.
    pub passed_over: BTreeMap<String, u64>,
    /// Bytes that were read and hashed.
    pub bytes_read: u64,
}

impl Tally {
    /// Findings that were not mended.
    #[must_use]
    pub fn left(&self) -> u64 {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
        sum(&self.found).saturating_sub(sum(&self.repaired))
    }

    pub(super) fn looked_at(&mut self, phase: Phase, number: u64) {
        count(&mut self.looked_at, phase.as_str(), number);
    }

    pub(super) fn passed_over(&mut self, reason: &str) {
        count(&mut self.passed_over, reason, 1);
    }

    pub(super) fn found(&mut self, finding: &Finding) {
        count(&mut self.found, finding.kind.as_str(), 1);
        if !finding.is_left() {
            count(&mut self.repaired, finding.kind.as_str(), 1);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let each = [
            (&mut self.looked_at, &other.looked_at),
            (&mut self.found, &other.found),
            (&mut self.repaired, &other.repaired),
            (&mut self.passed_over, &other.passed_over),
        ];
        for (mine, theirs) in each {
            for (name, number) in theirs {
                count(mine, name, *number);
            }
        }
        self.bytes_read = self.bytes_read.saturating_add(other.bytes_read);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str, number: u64) {
    let counted = counts.entry(name.to_owned()).or_default();
    *counted = counted.saturating_add(number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsck::Kind;
    use crate::fsck::finding::Mended;

    #[test]
    fn what_was_mended_is_not_left_and_tallies_add_up() {
        let mut tally = Tally::default();
        tally.found(&Finding::new(Kind::WrongCounter, "x").mended(Mended::Done("y".to_owned())));
        assert_eq!(tally.left(), 0);
        let mut other = Tally { bytes_read: 3, ..Tally::default() };
        other.found(&Finding::new(Kind::WrongCounter, "x").mended(Mended::Failed("y".to_owned())));
        other.looked_at(Phase::Blobs, 2);
        tally.add(&other);
        assert_eq!(
            (tally.left(), tally.found["wrong_counter"], tally.looked_at["blobs"], tally.bytes_read),
            (1, 2, 2, 3)
        );
        let saved = serde_json::to_value(&tally).unwrap();
        assert_eq!(serde_json::from_value::<Tally>(saved).unwrap(), tally);
        assert_eq!(serde_json::from_str::<Tally>("{}").unwrap(), Tally::default());
    }
}
