//! One chain: its seals in their order, and the records under each.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::expected::Said;
use super::retirement::Starts;
use super::{Finding, Run, SKEW};
use crate::digest::Digest;
use crate::error::Result;
use crate::index::{AuditEvent, AuditSeal};

/// Seals that are read at a time, each of up to 500 records.
const PAGE: u32 = 20;

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct At {
    number: i64,
    hash: Vec<u8>,
}

impl Run<'_> {
    pub(super) async fn check_chains(&mut self) -> Result<()> {
        for writer in self.index.audit_writers().await? {
            self.report.writers += 1;
            let said = self.expected.take(writer);
            let starts = self.retirement.starts_of(writer);
            let found = self.check_chain(writer, &starts, said).await?;
            self.report.findings.extend(found);
        }
        for writer in self.expected.rest() {
            let said = self.expected.take(writer);
            let start = last(&self.retirement.starts_of(writer));
            // Of a range that begins later nothing needs to be there.
            if self.options.from.is_none() {
                self.report.findings.extend(missing(writer, start, &said));
            }
        }
        Ok(())
    }

    /// The first thing that is wrong with a chain.
    async fn check_chain(
        &mut self,
        writer: Uuid,
        starts: &Starts,
        said: BTreeMap<i64, Vec<Said>>,
    ) -> Result<Option<Finding>> {
        let since = self.options.from.map_or(OffsetDateTime::UNIX_EPOCH, |from| from - SKEW);
        let mut at = At { number: 0, hash: vec![0; 32] };
        let mut after = at.number;
        let mut is_on_trust = self.options.from.is_some();
        loop {
            let page = self.index.audit_seals(writer, after, since, PAGE).await?;
            let Some(last) = page.last().map(|seal| seal.number) else { break };
            for seal in &page {
                if is_on_trust {
                    at = At { number: seal.number - 1, hash: seal.previous.clone() };
                    is_on_trust = false;
                } else if let Some(start) = start_before(seal, starts, &at) {
                    at = start;
                }
                if let Some(wrong) = check_seal(seal, &at, said.get(&seal.number)) {
                    return Ok(Some(wrong));
                }
                if let Some(wrong) = self.check_records(seal).await? {
                    return Ok(Some(wrong));
                }
                self.report.seals += 1;
                at = At { number: seal.number, hash: seal.hash.clone() };
            }
            after = last;
        }
        if is_on_trust && let Some((newest, _)) = said.last_key_value() {
            // It ended before the range began: of that nothing is read but the end.
            let end = self.index.audit_seals(writer, newest - 1, OffsetDateTime::UNIX_EPOCH, 1).await?;
            at.number = end.first().map_or(newest - 1, |seal| seal.number);
        }
        Ok(missing(writer, at.number.max(last(starts)), &said))
    }

    /// The first record of a seal that is not what was sealed.
    async fn check_records(&mut self, seal: &AuditSeal) -> Result<Option<Finding>> {
        let events = self.index.audit_events_of(&seal.times, &seal.ids).await?;
        let events: HashMap<Uuid, AuditEvent> = events.into_iter().map(|event| (event.id, event)).collect();
        let entries = seal.times.iter().zip(&seal.ids).zip(seal.hashes.chunks(32));
        for ((time, id), hash) in entries {
            self.days.sealed((*time, *id));
            let event = events.get(id);
            let wrong = event.map_or(Some("a record was deleted"), |event| what_is_wrong(event, seal, hash));
            let Some(what) = wrong else {
                self.retirement.is_sealed((*time, *id));
                self.report.records += 1;
                continue;
            };
            let finding = Finding { record: Some(*id), ..of_seal(seal, what) };
            let is_excused = event.is_none() && self.retirement.excuses(time.date(), &finding);
            if !is_excused {
                return Ok(Some(finding));
            }
        }
        Ok(None)
    }
}

/// Where a chain goes on at this seal, if those before it were retired; what is there of them is checked as any other.
fn start_before(seal: &AuditSeal, starts: &Starts, at: &At) -> Option<At> {
    let number = seal.number - 1;
    let hash = starts.get(&number).filter(|_| number > at.number)?;
    Some(At { number, hash: hash.clone() })
}

/// The last seal of a chain that was retired; 0 where none was.
fn last(starts: &Starts) -> i64 {
    starts.last_key_value().map_or(0, |(number, _)| *number)
}

/// What is wrong with a seal by itself, behind the one before it.
fn check_seal(seal: &AuditSeal, before: &At, said: Option<&Vec<Said>>) -> Option<Finding> {
    if seal.number != before.number + 1 {
        return Some(Finding { seal: Some(before.number + 1), ..of_seal(seal, "a seal is missing") });
    }
    if let Some(said) = said.into_iter().flatten().find(|said| said.hash != hex::encode(&seal.hash)) {
        let first = Finding { record: seal.ids.first().copied(), ..of_seal(seal, "") };
        let what =
            format!("the chain was rewritten: this seal, or one before it, is not the one that {} names", said.by);
        return Some(Finding { what, ..first });
    }
    if seal.previous != before.hash {
        return Some(of_seal(seal, "a seal does not follow the one before it"));
    }
    (seal_hash(seal).as_bytes().as_slice() != seal.hash).then(|| of_seal(seal, "a seal was changed"))
}

/// As `audit_seal_hash` of the migrations computes it.
fn seal_hash(seal: &AuditSeal) -> Digest {
    let mut bytes = b"zas-audit-seal/v1".to_vec();
    bytes.extend_from_slice(seal.writer.as_bytes());
    bytes.extend_from_slice(&seal.number.to_be_bytes());
    bytes.extend_from_slice(seal.origin.unwrap_or_default().as_bytes());
    bytes.extend_from_slice(&seal.previous);
    bytes.extend_from_slice(&(seal.ids.len() as u64).to_be_bytes());
    seal.ids.iter().for_each(|id| bytes.extend_from_slice(id.as_bytes()));
    bytes.extend_from_slice(&seal.hashes);
    Digest::of(&bytes)
}

/// Seals that somebody names behind the last one that is there.
fn missing(writer: Uuid, last: i64, said: &BTreeMap<i64, Vec<Said>>) -> Option<Finding> {
    let (_, said) = said.range(last + 1..).next()?;
    let by = said.first().map_or_else(String::new, |said| said.by.clone());
    Some(Finding {
        writer: Some(writer),
        seal: Some(last + 1),
        ..Finding::new(format!("the chain was cut off: {by} names a later seal"))
    })
}

fn what_is_wrong(event: &AuditEvent, seal: &AuditSeal, hash: &[u8]) -> Option<&'static str> {
    if Digest::of(event.record.as_bytes()).as_bytes().as_slice() != hash {
        return Some("a record was changed");
    }
    let Ok(record) = serde_json::from_str::<Value>(&event.record) else { return Some("a record is no JSON") };
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let time = text("time").and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
    let id = |name: &str| text(name).and_then(|id| Uuid::parse_str(id).ok());
    let columns_agree = time == Some(event.time)
        && id("id") == Some(event.id)
        && id("writer") == Some(event.writer)
        && text("kind") == Some(&event.kind)
        && text("request_id") == event.request_id.as_deref()
        && text("principal") == event.principal.as_deref()
        && text("resource") == event.resource.as_deref()
        && text("action") == event.action.as_deref()
        && record.get("status").and_then(Value::as_i64) == event.status.map(i64::from);
    if !columns_agree {
        return Some("a record's columns were changed");
    }
    (event.writer != seal.origin.unwrap_or(seal.writer)).then_some("a record stands in the chain of another writer")
}

fn of_seal(seal: &AuditSeal, what: &str) -> Finding {
    Finding { writer: Some(seal.writer), seal: Some(seal.number), ..Finding::new(what.to_owned()) }
}
