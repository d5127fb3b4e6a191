//! Tombstones: which days are gone rightly.
//!
//! A row excuses nothing by itself, for whoever owns the database writes rows. It must say what a record says, a seal must cover that
//! record, and the heads that it names must be such as the chains had when the day was over. A record that went with its own day is
//! not missed where that day is gone rightly too, so that the newest is always there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::expected::Expected;
use super::{Finding, Run, SKEW};
use crate::audit::checkpoint::Head;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::{AuditEvent, AuditPlace, AuditTombstone};

/// Where a chain may go on behind seals that were retired: the number of the last of them, and its hash.
pub(super) type Starts = BTreeMap<i64, Vec<u8>>;

/// The days that are believed to be gone rightly.
#[derive(Debug, Default)]
pub(super) struct Retirement {
    /// Those that are believed, by day, the latest first.
    believed: Vec<Believed>,
    days: BTreeSet<Date>,
    starts: HashMap<Uuid, Starts>,
    /// Records of retirements that must turn up under a seal.
    awaited: HashSet<AuditPlace>,
    /// By day the first thing that would be wrong if the day were not retired.
    excused: BTreeMap<Date, Finding>,
}

#[derive(Debug)]
struct Believed {
    day: Date,
    record: AuditPlace,
    /// Whether its record went with its own day.
    is_gone: bool,
}

/// What was found of the record of a retirement.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    record: Option<&'a AuditEvent>,
    /// Whether no seal is asked for, because those of its time are not looked at.
    is_on_trust: bool,
}

impl Run<'_> {
    /// Weighs all tombstones; says which are not to be believed. What seals and checkpoints name must be known.
    pub(super) async fn weigh_tombstones(&mut self) -> Result<()> {
        let rows = self.index.audit_tombstones().await?;
        let (times, ids): (Vec<OffsetDateTime>, Vec<Uuid>) =
            rows.iter().map(|row| (row.event_time, row.event_id)).unzip();
        let records = self.index.audit_events_of(&times, &ids).await?;
        let records: HashMap<AuditPlace, AuditEvent> =
            records.into_iter().map(|event| ((event.time, event.id), event)).collect();
        // The latest day first: a record went with a day that is later than the one that it is about.
        for row in rows.into_iter().rev() {
            let place = (row.event_time, row.event_id);
            let is_on_trust = self.options.from.is_some_and(|from| row.event_time < from);
            let found = Found { record: records.get(&place), is_on_trust };
            if let Err(what) = self.retirement.weigh(&row, found, &self.expected) {
                self.report.findings.push(Finding { record: Some(row.event_id), ..Finding::new(what) });
            }
        }
        Ok(())
    }
}

impl Retirement {
    /// The days that are believed to be gone rightly.
    pub(super) const fn days(&self) -> &BTreeSet<Date> {
        &self.days
    }

    /// Where the chain of a writer may go on.
    pub(super) fn starts_of(&self, writer: Uuid) -> Starts {
        self.starts.get(&writer).cloned().unwrap_or_default()
    }

    /// A seal covers this record, and the record is what was sealed.
    pub(super) fn is_sealed(&mut self, place: AuditPlace) {
        self.awaited.remove(&place);
    }

    /// Whether a record of that day is gone rightly; if not after all, `finding` is told in the end.
    pub(super) fn excuses(&mut self, day: Date, finding: &Finding) -> bool {
        let is_retired = self.days.contains(&day);
        if is_retired {
            self.excused.entry(day).or_insert_with(|| finding.clone());
        }
        is_retired
    }

    /// When all seals were seen: how many days are gone rightly, and what is wrong with the others.
    pub(super) fn settle(self) -> (u64, Vec<Finding>) {
        let (mut days, mut findings) = (BTreeSet::new(), Vec::new());
        for one in &self.believed {
            let holds =
                if one.is_gone { days.contains(&one.record.0.date()) } else { !self.awaited.contains(&one.record) };
            if holds {
                days.insert(one.day);
            } else {
                // A queue is no seal: its rows can be held back for as long as somebody likes.
                let what = format!(
                    "the day {} is said to be retired by a record that no seal covers (where that was within the last minute, verify again)",
                    one.day
                );
                findings.push(Finding { record: Some(one.record.1), ..Finding::new(what) });
            }
        }
        findings.extend(self.excused.into_iter().filter(|(day, _)| !days.contains(day)).map(|(_, finding)| finding));
        (u64::try_from(days.len()).unwrap_or(u64::MAX), findings)
    }

    /// Believes a tombstone so far, or says why not.
    fn weigh(&mut self, row: &AuditTombstone, found: Found<'_>, expected: &Expected) -> Result<(), String> {
        let day = row.day;
        let end = day.next_day().map(|next| next.midnight().assume_utc());
        let Some(end) = end.filter(|end| (*end..=OffsetDateTime::now_utc() + SKEW).contains(&row.event_time)) else {
            return Err(format!("the day {day} is said to be retired at a time at which it cannot have been"));
        };
        let is_gone = found.record.is_none();
        let is_recorded = match found.record {
            Some(record) => says(record, row),
            None => self.days.contains(&row.event_time.date()),
        };
        if !is_recorded {
            return Err(format!("the day {day} is said to be retired, and no record says so"));
        }
        let Ok(heads) = serde_json::from_str::<Vec<Head>>(&row.heads) else {
            return Err(format!("the heads in the tombstone of {day} cannot be read"));
        };
        if let Some(objection) = heads.iter().find_map(|head| expected.objection(head, end + SKEW)) {
            return Err(format!("the tombstone of {day} names a head that is none of that day: {objection}"));
        }
        for head in heads {
            let hash = hex::decode(&head.hash).unwrap_or_default();
            self.starts.entry(head.writer).or_default().insert(head.number, hash);
        }
        let record = (row.event_time, row.event_id);
        if !is_gone && !found.is_on_trust {
            self.awaited.insert(record);
        }
        self.days.insert(day);
        self.believed.push(Believed { day, record, is_gone });
        Ok(())
    }
}

/// Whether a record says that this day was retired, with these heads.
fn says(record: &AuditEvent, row: &AuditTombstone) -> bool {
    let Ok(record) = serde_json::from_str::<Value>(&record.record) else { return false };
    let is = |name: &str, wanted: &str| record.get(name).and_then(Value::as_str) == Some(wanted);
    let digest = Digest::of(row.heads.as_bytes()).to_string();
    is("kind", "tombstone") && is("reference", &row.day.to_string()) && is("digest", &digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    const NOTHING: Found<'static> = Found { record: None, is_on_trust: false };

    fn row(day: Date, event_time: OffsetDateTime) -> AuditTombstone {
        AuditTombstone { day, event_time, event_id: Uuid::now_v7(), heads: "[]".to_owned() }
    }

    fn record(row: &AuditTombstone) -> AuditEvent {
        let digest = Digest::of(row.heads.as_bytes());
        let record =
            serde_json::json!({"kind": "tombstone", "reference": row.day.to_string(), "digest": digest.to_string()});
        AuditEvent {
            time: row.event_time,
            id: row.event_id,
            writer: Uuid::nil(),
            kind: "tombstone".to_owned(),
            request_id: None,
            principal: None,
            resource: None,
            action: None,
            status: None,
            record: record.to_string(),
            is_open: false,
        }
    }

    /// January the first of 2020 was retired on the fifth of March, and that day on the first of May.
    fn two() -> (AuditTombstone, AuditTombstone) {
        let first = row(date!(2020 - 01 - 01), datetime!(2020-03-05 12:00 UTC));
        let second = row(date!(2020 - 03 - 05), datetime!(2020-05-01 12:00 UTC));
        (first, second)
    }

    #[test]
    fn a_record_that_went_with_its_own_day_is_not_missed_where_that_day_is_gone_rightly() {
        let ((first, second), expected) = (two(), Expected::default());
        let mut retirement = Retirement::default();
        let found = record(&second);
        retirement.weigh(&second, Found { record: Some(&found), is_on_trust: false }, &expected).unwrap();
        retirement.weigh(&first, NOTHING, &expected).unwrap();
        retirement.is_sealed((second.event_time, second.event_id));
        assert_eq!(retirement.settle(), (2, Vec::new()));
    }

    #[test]
    fn the_newest_record_is_always_missed() {
        let ((first, second), expected) = (two(), Expected::default());
        let mut retirement = Retirement::default();
        retirement.weigh(&second, NOTHING, &expected).unwrap_err();
        retirement.weigh(&first, NOTHING, &expected).unwrap_err();
        assert!(retirement.days().is_empty());
    }

    #[test]
    fn what_leans_on_a_record_that_no_seal_covers_falls_with_it() {
        let ((first, second), expected) = (two(), Expected::default());
        let mut retirement = Retirement::default();
        let found = record(&second);
        retirement.weigh(&second, Found { record: Some(&found), is_on_trust: false }, &expected).unwrap();
        retirement.weigh(&first, NOTHING, &expected).unwrap();
        let missing = Finding::new("a record was deleted".to_owned());
        assert!(retirement.excuses(first.day, &missing));
        let (days, findings) = retirement.settle();
        assert_eq!((days, findings.len()), (0, 3), "{findings:?}");
        assert_eq!(findings.last(), Some(&missing));
    }

    #[test]
    fn a_day_that_was_not_over_or_a_record_of_the_future_is_not_believed() {
        let expected = Expected::default();
        let tomorrow = OffsetDateTime::now_utc() + time::Duration::days(2);
        for wrong in [
            row(date!(2020 - 01 - 01), datetime!(2020-01-01 23:59:59 UTC)),
            row(date!(2020 - 01 - 01), datetime!(2000-01-01 00:00 UTC)),
            row(date!(2100 - 01 - 01), datetime!(2000-01-01 00:00 UTC)),
            row(date!(2020 - 01 - 01), tomorrow),
        ] {
            let found = record(&wrong);
            let weighed =
                Retirement::default().weigh(&wrong, Found { record: Some(&found), is_on_trust: true }, &expected);
            assert!(weighed.is_err(), "{wrong:?}");
        }
    }
}
