//! [`Excess`]: refusals that have no record of their own, because whoever was refused asks too often. They are counted by who it
//! was, and each minute has one record for each of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zas_policy::Principal;

use super::{Decided, Kind, Record};
use crate::error::{Code, status_elsewhere};
use crate::rates::network;

/// How long refusals are counted before they are put on record.
const PERIOD: Duration = Duration::from_secs(60);

/// Principals that are counted one by one; who comes after them in the same minute is counted together.
const MOST: usize = 500;

/// What is counted at the moment.
#[derive(Debug, Default)]
pub(super) struct Excess(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// When the first of them was counted.
    since: Option<Instant>,
    by_principal: HashMap<String, Count>,
    /// Refusals of everybody else.
    others: u64,
}

#[derive(Debug)]
struct Count {
    principal: Principal,
    /// Where the last request came from.
    address: Option<IpAddr>,
    denials: u64,
}

impl Excess {
    /// Counts one.
    pub(super) fn count(&self, principal: &Principal, address: Option<IpAddr>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.since.get_or_insert_with(Instant::now);
        let key = key(principal, address);
        let is_full = counts.by_principal.len() >= MOST;
        if let Some(count) = counts.by_principal.get_mut(&key) {
            count.denials = count.denials.saturating_add(1);
            count.address = address.or(count.address);
        } else if is_full {
            counts.others = counts.others.saturating_add(1);
        } else {
            counts.by_principal.insert(key, Count { principal: principal.clone(), address, denials: 1 });
        }
    }

    /// The records of a minute that is over; none where it is not, or where there is nothing to tell.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Record> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.since.is_none_or(|since| now.saturating_duration_since(since) < PERIOD) {
            return Vec::new();
        }
        std::mem::take(&mut *counts).into_records()
    }

    /// The records of what was counted so far.
    pub(super) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_records()
    }
}

impl Counts {
    fn into_records(self) -> Vec<Record> {
        let others = (self.others > 0).then(|| record(self.others));
        let counts = self.by_principal.into_values();
        let known = counts.map(|count| record(count.denials).principal(&count.principal).source(count.address));
        known.chain(others).collect()
    }
}

fn record(denials: u64) -> Record {
    Record::new(Kind::Denial)
        .decided(&Decided::default())
        .answered(status_elsewhere(Code::DeniedTooOften), Some(Code::DeniedTooOften))
        .lost(denials)
        .note("denials beyond rates.denials_per_minute".to_owned())
}

/// By what `rates.rs` counts them too.
fn key(principal: &Principal, address: Option<IpAddr>) -> String {
    match (principal, address) {
        (Principal::Root { access_key_id }, _) => format!("root {access_key_id}"),
        (Principal::Identity(identity), _) => format!("identity {}", identity.id),
        (Principal::Anonymous, Some(address)) => format!("address {}", network(address)),
        (Principal::Anonymous, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use uuid::Uuid;
    use zas_policy::Identity;

    fn user(id: &str) -> Principal {
        Principal::identity(Identity { id: id.to_owned(), name: "alice".to_owned(), ..Identity::default() })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// By principal's id and address: how many.
    fn told(records: &[Record]) -> Vec<(String, String, u64)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut told: Vec<_> = records
            .iter()
            .map(|record| serde_json::from_str::<Value>(&record.canonical(Uuid::nil())).unwrap())
            .map(|record| (text(&record["principal_id"]), text(&record["source_ip"]), record["lost"].as_u64().unwrap()))
            .collect();
        told.sort();
        told
    }

    #[test]
    fn each_principal_has_one_record_a_minute_with_its_number_and_its_last_address() {
        let excess = Excess::default();
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            excess.count(&user("kc/1"), ip(address));
        }
        excess.count(&user("kc/2"), None);
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"] {
            excess.count(&Principal::Anonymous, ip(address));
        }
        let now = Instant::now();
        assert_eq!(excess.take_due(now), [], "the minute is not over");
        let records = excess.take_due(now + PERIOD);
        let wanted = [("", "2001:db8:0:1::1", 1), ("", "2001:db8::2", 2), ("kc/1", "192.0.2.3", 3), ("kc/2", "", 1)];
        assert_eq!(told(&records), wanted.map(|(id, address, denials)| (id.to_owned(), address.to_owned(), denials)));
        let text = records[0].canonical(Uuid::nil());
        for part in [r#""kind":"denial""#, r#""decision":"deny""#, r#""error":"denied_too_often""#] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert_eq!(excess.take(), [], "what was told is told once");
    }

    #[test]
    fn who_is_too_many_to_be_remembered_is_counted_all_the_same() {
        let excess = Excess::default();
        for round in 0..3 {
            for n in 0..MOST + 10 {
                excess.count(&user(&format!("kc/{n}")), None);
            }
            assert_eq!(excess.0.lock().unwrap().by_principal.len(), MOST, "round {round}");
        }
        let records = excess.take();
        assert_eq!(records.len(), MOST + 1);
        let told = told(&records);
        assert_eq!(told[0], (String::new(), String::new(), 30));
        assert_eq!(told.iter().map(|(_, _, denials)| denials).sum::<u64>(), 3 * (MOST as u64 + 10));
    }
}
