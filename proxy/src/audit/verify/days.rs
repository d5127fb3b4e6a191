//! Whether every event is covered by a seal: by two numbers a day, so that it does not matter how many there are.

use std::collections::{BTreeMap, HashSet};

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::Finding;
use crate::error::Result;
use crate::index::{AuditPlace, Index};

/// Keys that are read at a time.
const PAGE: u32 = 10_000;

/// How many events, and all their ids XORed: two sets of events of one sum are the same but for a chance of 2^-74, the
/// random bits of a UUIDv7.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    ids: u128,
}

impl Sum {
    fn add(&mut self, id: Uuid) {
        self.count += 1;
        self.ids ^= id.as_u128();
    }
}

#[derive(Debug)]
pub(super) struct Days {
    from: OffsetDateTime,
    to: OffsetDateTime,
    events: BTreeMap<Date, Sum>,
    sealed: BTreeMap<Date, Sum>,
    /// Read after the events: what is sealed meanwhile is in the seals.
    unsealed: HashSet<AuditPlace>,
}

impl Days {
    pub(super) fn new(from: Option<OffsetDateTime>, to: OffsetDateTime) -> Self {
        let from = from.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { from, to, events: BTreeMap::new(), sealed: BTreeMap::new(), unsealed: HashSet::new() }
    }

    pub(super) async fn read_events(&mut self, index: &Index) -> Result<()> {
        let mut after = (self.from, Uuid::nil());
        loop {
            let keys = index.audit_keys(after, self.to, PAGE).await?;
            for (time, id) in &keys {
                self.events.entry(time.date()).or_default().add(*id);
            }
            match keys.last() {
                Some(last) => after = *last,
                None => return Ok(()),
            }
        }
    }

    pub(super) async fn read_unsealed(&mut self, index: &Index) -> Result<()> {
        self.unsealed = index.audit_unsealed(self.to).await?;
        Ok(())
    }

    /// An event that a seal covers.
    pub(super) fn sealed(&mut self, place: AuditPlace) {
        if place.0 >= self.from && place.0 < self.to {
            self.unsealed.remove(&place);
            self.sealed.entry(place.0.date()).or_default().add(place.1);
        }
    }

    /// Days whose events are not those that seals cover, or that wait for one.
    pub(super) async fn unaccounted(mut self, index: &Index) -> Result<Vec<Finding>> {
        for (time, id) in &self.unsealed {
            if *time >= self.from {
                self.sealed.entry(time.date()).or_default().add(*id);
            }
        }
        let mut found = Vec::new();
        for (day, sum) in &self.events {
            if self.sealed.get(day) == Some(sum) {
                continue;
            }
            let from = day.midnight().assume_utc().max(self.from);
            let to = (day.midnight().assume_utc() + time::Duration::DAY).min(self.to);
            if let Some((_, id)) = index.unaccounted_audit_event((from, to)).await? {
                let what = format!(
                    "a record of {day} is in no seal: it was put there behind the service's back, or its seal was taken away"
                );
                found.push(Finding { record: Some(id), ..Finding::new(what) });
            }
        }
        Ok(found)
    }
}
