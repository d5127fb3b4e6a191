//! Checkpoints: each by itself, one after the other, and those of the registry; what they say of the chains is kept for
//! the look at the chains.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Finding, Run};
use crate::audit::checkpoint::{self, Head};
use crate::audit::publish::Published;
use crate::error::Result;
use crate::index::AuditCheckpoint;

/// Checkpoints that are read at a time.
const PAGE: u32 = 1_000;

/// What a seal must be, and who says so.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) hash: String,
    pub(super) by: String,
    /// When it was said, where a checkpoint says it.
    at: Option<OffsetDateTime>,
}

/// The hashes that seals must have.
#[derive(Debug, Default)]
pub(super) struct Expected(HashMap<Uuid, BTreeMap<i64, Vec<Said>>>);

impl Expected {
    pub(super) fn add(&mut self, head: &Head, by: String, at: Option<OffsetDateTime>) {
        let said = Said { hash: head.hash.clone(), by, at };
        self.0.entry(head.writer).or_default().entry(head.number).or_default().push(said);
    }

    /// Why this cannot be where its chain stood before `end`; `None` where it can.
    pub(super) fn objection(&self, head: &Head, end: OffsetDateTime) -> Option<String> {
        let number = head.number;
        let Some(chain) = self.0.get(&head.writer) else { return Some("nobody else knows of its chain".to_owned()) };
        let other = chain.get(&number).into_iter().flatten().find(|said| said.hash != head.hash);
        if let Some(said) = other {
            return Some(format!("seal {number} is not the one that {} names", said.by));
        }
        if chain.range(number..).next().is_none() {
            return Some(format!("nobody else names seal {number}"));
        }
        let (earlier, said) = chain.range(..number).next_back()?;
        let said = said.iter().find(|said| said.at.is_some_and(|at| at >= end))?;
        Some(format!("{}, made later, names seal {earlier}, which is before seal {number}", said.by))
    }

    /// Who speaks of this writer's chain, by seal.
    pub(super) fn take(&mut self, writer: Uuid) -> BTreeMap<i64, Vec<Said>> {
        self.0.remove(&writer).unwrap_or_default()
    }

    /// Writers of whom no seal was found.
    pub(super) fn rest(&mut self) -> Vec<Uuid> {
        let mut rest: Vec<Uuid> = self.0.keys().copied().collect();
        rest.sort_unstable();
        rest
    }
}

impl Run<'_> {
    /// Holds the checkpoints of the database to those that the registry has; up to `published_up_to` it must have them.
    pub(super) async fn check_checkpoints(
        &mut self,
        published: Result<Vec<Published>>,
        published_up_to: i64,
    ) -> Result<()> {
        // The registry's word first: where the two differ, the database is in doubt.
        let mut by_number = BTreeMap::new();
        match published {
            Ok(published) => {
                for one in published {
                    self.report.published += 1;
                    let at = self.check_note(one.number, &one.note, &one.heads, "in the registry");
                    one.heads.iter().for_each(|head| {
                        self.expected.add(head, format!("checkpoint {} in the registry", one.number), at);
                    });
                    by_number.insert(one.number, one.note);
                }
            }
            Err(error) if error.code() == crate::error::Code::UpstreamUnavailable => return Err(error),
            Err(error) => self.report.findings.push(Finding::new(error.for_log())),
        }
        let range = (self.options.from.unwrap_or(OffsetDateTime::UNIX_EPOCH), far());
        let (mut next, mut last): (i64, Option<AuditCheckpoint>) = (1, None);
        loop {
            let page = self.index.audit_checkpoints(next, range, PAGE).await?;
            for row in &page {
                self.check_row(row, last.as_ref())?;
                let theirs = by_number.remove(&row.number);
                self.compare(row, theirs.as_deref(), published_up_to);
                last = Some(row.clone());
            }
            match page.last() {
                Some(row) => next = row.number + 1,
                None => break,
            }
        }
        // Of the hour in which a range begins the registry gives more than was asked for.
        if let Some(number) = by_number.keys().next().filter(|_| self.options.from.is_none()) {
            self.report.findings.push(Finding {
                checkpoint: Some(*number),
                ..Finding::new("the registry holds a checkpoint that is gone from the database".to_owned())
            });
        }
        Ok(())
    }

    fn check_row(&mut self, row: &AuditCheckpoint, last: Option<&AuditCheckpoint>) -> Result<()> {
        self.report.checkpoints += 1;
        let Ok(heads) = serde_json::from_str::<Vec<Head>>(&row.heads) else {
            self.wrong_checkpoint(row.number, "a checkpoint's heads cannot be read");
            return Ok(());
        };
        let at = self.check_note(row.number, &row.note, &heads, "in the database");
        for head in &heads {
            self.expected.add(head, format!("checkpoint {}", row.number), at);
        }
        let number = last.map_or(1, |last| last.number + 1);
        let is_first_of_a_range = last.is_none() && self.options.from.is_some();
        if !is_first_of_a_range && row.number != number {
            self.wrong_checkpoint(number, "a checkpoint is missing");
        } else if !is_first_of_a_range && !is_behind(row, last) {
            self.wrong_checkpoint(row.number, "a checkpoint does not name the one before it");
        }
        Ok(())
    }

    /// Whether the note is signed, is of this number, and has the root of these heads: then when it was made.
    fn check_note(&mut self, number: i64, note: &str, heads: &[Head], place: &str) -> Option<OffsetDateTime> {
        let origin = checkpoint::origin(self.options.prefix);
        let text = match self.options.verifier {
            None => {
                note.rfind("\n\n").and_then(|end| note.get(..=end)).ok_or_else(|| "it is no signed note".to_owned())
            }
            Some(verifier) => verifier.open(note).map_err(|error| error.to_string()),
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                self.wrong_checkpoint(number, &format!("a checkpoint {place} does not count: {error}"));
                return None;
            }
        };
        let root = checkpoint::root(heads).map(|root| BASE64.encode(root.as_bytes()));
        let lines = checkpoint::parse(text, &origin);
        let Some(lines) = lines.filter(|lines| lines.number == number && Some(&lines.root) == root.as_ref()) else {
            self.wrong_checkpoint(number, &format!("a checkpoint {place} does not fit the heads that stand with it"));
            return None;
        };
        Some(lines.time)
    }

    fn compare(&mut self, row: &AuditCheckpoint, theirs: Option<&str>, published_up_to: i64) {
        if self.options.store.is_none() {
            return;
        }
        match theirs {
            Some(note) if note != row.note => {
                self.wrong_checkpoint(row.number, "the registry holds another checkpoint of this number");
            }
            None if row.number <= published_up_to => {
                self.wrong_checkpoint(row.number, "a checkpoint is gone from the registry");
            }
            _ => {}
        }
    }

    fn wrong_checkpoint(&mut self, number: i64, what: &str) {
        self.report.findings.push(Finding { checkpoint: Some(number), ..Finding::new(what.to_owned()) });
    }
}

fn is_behind(row: &AuditCheckpoint, last: Option<&AuditCheckpoint>) -> bool {
    let wanted = checkpoint::previous(last.map(|last| last.note.as_str()));
    row.note.lines().any(|line| line.strip_prefix("previous ") == Some(&wanted))
}

/// Later than any checkpoint.
fn far() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(366)
}
