//! What the audit log keeps of a verification: against what, what came of it, whose signatures counted, and how long it took.

use std::collections::BTreeSet;
use std::time::Instant;

use super::evidence::Shown;
use super::judging::Judged;
use crate::app::App;
use crate::audit::{Kind, Record};
use crate::authz::Permit;
use crate::error::{Error, Result};
use crate::supply_chain::artifact::Artifact;

/// Signers that a record names; the others are counted.
const NAMED: usize = 16;

/// Characters of a policy's name that a record keeps of one that nobody has found.
const NAME_CHARS: usize = 128;

/// A verification that has come to its end.
#[derive(Clone, Copy)]
pub(super) struct OnRecord<'a> {
    pub(super) app: &'a App,
    pub(super) permit: &'a Permit,
    pub(super) artifact: &'a Artifact,
    pub(super) judged: &'a Judged,
    pub(super) begun: Instant,
}

impl OnRecord<'_> {
    /// The record of a verdict; none where nothing is to be recorded.
    pub(super) fn verdict(&self, policy: &str, passed: bool) -> Option<Record> {
        self.record(&format!("verified: {policy}: {}", if passed { "passed" } else { "failed" }))
    }

    /// The record of a verification that was held against nothing.
    pub(super) fn signatures(&self) -> Option<Record> {
        let each = || self.judged.evidence.iter().map(|piece| &piece.shown);
        let good = each().filter(|shown| matches!(shown, Shown::Signed { .. })).count();
        let refused = each().filter(|shown| matches!(shown, Shown::Refused { .. })).count();
        self.record(&format!("verified: signatures: {good} good, {refused} refused"))
    }

    /// Puts a record down, where there is one.
    pub(super) async fn keep(&self, record: Option<Record>) -> Result<()> {
        match record {
            Some(record) => self.app.journal.record(record).await,
            None => Ok(()),
        }
    }

    fn record(&self, told: &str) -> Option<Record> {
        let record = self.permit.recorded(Kind::Operation)?;
        let record = record.digest(self.artifact.digest).answered(200, None).took(self.begun.elapsed());
        Some(record.noted_too(&format!("{told}; signed by {}", listed(&self.signers()))))
    }

    /// Who has signed what was of consequence.
    fn signers(&self) -> BTreeSet<&str> {
        let of_consequence =
            self.judged.evidence.iter().filter(|piece| self.judged.counted.contains(&(piece.carrier, piece.digest)));
        let signers = of_consequence.filter_map(|piece| match &piece.shown {
            Shown::Signed { signer, .. } => Some(signer.as_str()),
            Shown::Refused { .. } | Shown::Unsigned => None,
        });
        signers.collect()
    }
}

/// Puts down that a verification has come to nothing. It comes to nothing all the same where that cannot be put down.
pub(super) async fn failed(app: &App, permit: &Permit, policy: &str, (error, begun): (&Error, Instant)) {
    let Some(record) = permit.recorded(Kind::Operation) else { return };
    // A client may have made the name up.
    let name: String = policy.chars().filter(|char| !char.is_control()).take(NAME_CHARS).collect();
    let against = if name.is_empty() { "no kept policy" } else { name.as_str() };
    let record = record.answered(error.row().status, Some(error.code())).took(begun.elapsed());
    let record = record.noted_too(&format!("verified: {against}: {}", error.row().label));
    if let Err(lost) = app.journal.record(record).await {
        tracing::warn!("a verification that failed is not on record: {}", lost.for_log());
    }
}

fn listed(signers: &BTreeSet<&str>) -> String {
    if signers.is_empty() {
        return "nobody who is trusted".to_owned();
    }
    let named = signers.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match signers.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_so_many_signers_and_counts_the_others() {
        assert_eq!(listed(&BTreeSet::new()), "nobody who is trusted");
        assert_eq!(listed(&BTreeSet::from(["key/b", "key/a"])), "key/a, key/b");
        let names: Vec<String> = (0..NAMED + 2).map(|number| format!("key/{number:02}")).collect();
        let text = listed(&names.iter().map(String::as_str).collect());
        assert!(text.starts_with("key/00, key/01") && text.ends_with("key/15 and 2 more"), "{text}");
    }
}
