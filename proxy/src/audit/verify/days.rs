//! Whether every event is covered by a seal: by two numbers a day, so that it does not matter how many there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{Finding, SKEW};
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
    /// Days that are gone rightly, with most of the seals that covered their events.
    retired: BTreeSet<Date>,
    /// Those of them that have events all the same: they were committed afterwards, so that their seals must be there.
    leftover: BTreeSet<Date>,
}

impl Days {
    pub(super) fn new(from: Option<OffsetDateTime>, to: OffsetDateTime) -> Self {
        let from = from.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self {
            from,
            to,
            events: BTreeMap::new(),
            sealed: BTreeMap::new(),
            unsealed: HashSet::new(),
            retired: BTreeSet::new(),
            leftover: BTreeSet::new(),
        }
    }

    /// Of these days nothing needs to be there.
    pub(super) fn retire(&mut self, days: &BTreeSet<Date>) {
        self.retired.clone_from(days);
    }

    pub(super) async fn read_events(&mut self, index: &Index) -> Result<()> {
        let mut after = (self.from, Uuid::nil());
        loop {
            let keys = index.audit_keys(after, self.to, PAGE).await?;
            for (time, id) in &keys {
                if self.counts(*time) {
                    self.events.entry(time.date()).or_default().add(*id);
                } else if self.retired.contains(&time.date()) {
                    self.leftover.insert(time.date());
                }
            }
            match keys.last() {
                Some(last) => after = *last,
                None => return Ok(()),
            }
        }
    }

    /// Whether the seal of an event of that time must be there.
    fn counts(&self, time: OffsetDateTime) -> bool {
        let day = time.date();
        time < self.to && !self.retired.contains(&day) && time >= self.start_of(day)
    }

    /// From when on the events of a day count. Those of the first minutes behind a retired day may be under seals that went with it.
    fn start_of(&self, day: Date) -> OffsetDateTime {
        let start = day.midnight().assume_utc();
        let is_behind_retired = day.previous_day().is_some_and(|before| self.retired.contains(&before));
        let start = if is_behind_retired { start + SKEW } else { start };
        start.max(self.from)
    }

    pub(super) async fn read_unsealed(&mut self, index: &Index) -> Result<()> {
        self.unsealed = index.audit_unsealed(self.to).await?;
        Ok(())
    }

    /// An event that a seal covers.
    pub(super) fn sealed(&mut self, place: AuditPlace) {
        if self.counts(place.0) {
            self.unsealed.remove(&place);
            self.sealed.entry(place.0.date()).or_default().add(place.1);
        }
    }

    /// Days whose events are not those that seals cover, or that wait for one.
    pub(super) async fn unaccounted(mut self, index: &Index) -> Result<Vec<Finding>> {
        for (time, id) in &self.unsealed {
            if self.counts(*time) {
                self.sealed.entry(time.date()).or_default().add(*id);
            }
        }
        let mut found = Vec::new();
        let differing = self.events.iter().filter(|(day, sum)| self.sealed.get(day) != Some(sum)).map(|(day, _)| day);
        for day in differing.chain(&self.leftover) {
            let end = day.midnight().assume_utc() + time::Duration::DAY;
            if let Some((_, id)) = index.unaccounted_audit_event((self.start_of(*day), end.min(self.to))).await? {
                let what = format!(
                    "a record of {day} is in no seal: it was put there behind the service's back, or its seal was taken away"
                );
                found.push(Finding { record: Some(id), ..Finding::new(what) });
            }
        }
        Ok(found)
    }
}
