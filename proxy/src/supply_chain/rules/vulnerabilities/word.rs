//! [`Words`]: what all those say together who know better than a scanner.
//!
//! Of all statements about a vulnerability of a package the latest counts, whichever document it stands in. A document that has grown too old
//! takes no finding away any more, but what it says against the artifact stands until somebody says something later; and what stands in one that
//! cannot be read nobody knows, so that only what was said later counts.

use time::OffsetDateTime;

use super::exploitability::Exploitability;
use crate::supply_chain::rules::verdict::Used;
use crate::supply_chain::scan::Finding;

/// A document of somebody whose word counts.
pub(super) struct Word {
    pub(super) used: Used,
    pub(super) vex: Exploitability,
    /// Whether it is older than the rule allows.
    pub(super) is_stale: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Words {
    read: Vec<Word>,
    /// When those were made that cannot be read, as far as that is known.
    unread: Vec<Option<OffsetDateTime>>,
}

impl Words {
    pub(super) fn add(&mut self, word: Word) {
        self.read.push(word);
    }

    pub(super) fn add_unread(&mut self, made: Option<OffsetDateTime>) {
        self.unread.push(made);
    }

    /// The documents by which there is nothing to be done about a finding; `None`: there is.
    pub(super) fn clearing(&self, finding: &Finding) -> Option<Vec<&Used>> {
        let mut said = Vec::new();
        for word in &self.read {
            match word.vex.latest(finding) {
                Some((_, true)) if word.is_stale => {}
                Some((at, is_clear)) => said.push((at, is_clear, &word.used)),
                None => {}
            }
        }
        let latest = said.iter().map(|(at, ..)| *at).max()?;
        let is_last = self.unread.iter().all(|made| made.is_some_and(|made| made < latest));
        said.retain(|(at, ..)| *at == latest);
        let is_clear = is_last && said.iter().all(|(_, is_clear, _)| *is_clear);
        is_clear.then(|| said.into_iter().map(|(.., used)| used).collect())
    }
}
