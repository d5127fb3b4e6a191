//! What is on record of the writes, after a kill: what was acknowledged once, what was not at most once, and nothing else; and what is
//! there is what was recorded last.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest as sha};
use serde_json::Value;
use zas_e2e::{basic::Basic, harness::DevServer};

use super::Ledger;

/// The digest of a body, as records have it.
pub(crate) fn digest(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha(&SHA256, body)))
}

/// Every record of an action, the oldest first.
pub(crate) fn records(rest: &Basic, action: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let target = format!("/-/api/v1/audit?from=2020-01-01T00:00:00Z&action={action}&limit=1000{after}");
        let page = rest.get(&target)?;
        found.extend(page["records"].as_array().context("no records")?.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(found),
        }
    }
}

/// Holds the record against what the writers know, and against what is there: `check` has asked for it before.
pub(crate) fn check(server: &DevServer, ledger: &Ledger) -> Result<()> {
    let rest = Basic::new(server.endpoint());
    let mut on_record: BTreeMap<String, usize> = BTreeMap::new();
    let is_done = |record: &Value| record["kind"] == "operation" && record["status"] == 200;
    for record in records(&rest, "s3:PutObject")?.into_iter().filter(is_done) {
        *on_record.entry(record["digest"].as_str().context("no digest")?.to_owned()).or_default() += 1;
    }
    let writes = ledger.lock().unwrap();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (seed, attempt) in &writes.attempts {
        let times = on_record.remove(&attempt.digest).unwrap_or_default();
        ensure!(times <= 1, "{} of {} is on record {times} times", attempt.digest, attempt.path);
        ensure!(times == 1 || !attempt.acknowledged, "{} was acknowledged and is not on record", attempt.path);
        if times == 1 {
            last.insert(&attempt.path, *seed);
        }
    }
    ensure!(on_record.is_empty(), "on record and never written: {on_record:?}");
    for (path, expected) in &writes.keys {
        let (there, recorded) = (expected.acknowledged, last.get(path.as_str()).copied());
        ensure!(there == recorded, "{path} holds the write {there:?}, and {recorded:?} is the last on record");
    }
    Ok(())
}
