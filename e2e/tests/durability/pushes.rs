//! Manifests that are pushed until the server is killed: none is in the registry without an intent on record, none that was
//! acknowledged is missing, and no intent stays without an outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use zas_e2e::{
    basic::Basic,
    harness::{DevServer, Endpoint},
};

use super::record::records;

const REPOSITORY: &str = "durable/app";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The empty descriptor of the image specification: the two bytes `{}`.
const EMPTY: (&str, &str) =
    ("application/vnd.oci.empty.v1+json", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");

/// The tags that were pushed, each once, and whether that was acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pushes(Arc<Mutex<BTreeMap<String, bool>>>);

/// Pushes the one blob that all manifests name.
pub(crate) fn prepare(server: &Endpoint) -> Result<()> {
    let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={}", EMPTY.1);
    let answer =
        Basic::new(server).send(Method::POST, &target, "application/octet-stream", Bytes::from_static(b"{}"))?;
    ensure!(answer.status == StatusCode::CREATED, "{} {:?}", answer.status, answer.body);
    Ok(())
}

fn manifest(tag: &str) -> Bytes {
    let empty = json!({"mediaType": EMPTY.0, "digest": EMPTY.1, "size": 2});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.zas.test", "config": empty,
        "layers": [empty], "annotations": {"tag": tag},
    });
    Bytes::from(manifest.to_string())
}

impl Pushes {
    /// Pushes one after the other, on a thread of its own.
    pub(crate) fn push_until(&self, server: &Endpoint, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
        let (pushes, client, stop) = (self.clone(), Basic::new(server), Arc::clone(stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let tag = format!("t{}", pushes.0.lock().unwrap().len());
                pushes.0.lock().unwrap().insert(tag.clone(), false);
                let target = format!("/v2/{REPOSITORY}/manifests/{tag}");
                let answer = client.send(Method::PUT, &target, MANIFEST, manifest(&tag));
                if answer.is_ok_and(|answer| answer.status == StatusCode::CREATED) {
                    pushes.0.lock().unwrap().insert(tag, true);
                }
            }
        })
    }

    pub(crate) fn check(&self, server: &DevServer) -> Result<()> {
        let client = Basic::new(server.endpoint());
        let listed = client.get(&format!("/v2/{REPOSITORY}/tags/list?n=10000"))?;
        // A registry without a tag says null.
        let listed = listed["tags"].as_array().cloned().unwrap_or_default();
        let there: BTreeSet<&str> = listed.iter().filter_map(Value::as_str).collect();
        let pushes = self.0.lock().unwrap().clone();
        ensure!(pushes.values().any(|acknowledged| *acknowledged), "nothing was pushed");
        for (tag, _) in pushes.iter().filter(|(_, acknowledged)| **acknowledged) {
            ensure!(there.contains(tag.as_str()), "{tag} was acknowledged and is gone");
        }
        let outcomes = until_all_are_settled(&client)?;
        for tag in there {
            let outcomes = outcomes.get(tag).with_context(|| format!("{tag} is there without an intent"))?;
            let says_so = |record: &Value| record["status"] == 201 || record["outcome"] == "found";
            ensure!(outcomes.iter().any(says_so), "{tag} is there, on record is {outcomes:?}");
        }
        Ok(())
    }
}

/// The outcomes of the intents by tag, when each has one.
fn until_all_are_settled(client: &Basic) -> Result<BTreeMap<String, Vec<Value>>> {
    let begun = Instant::now();
    loop {
        let records = records(client, "oci:Push")?;
        let of_kind = |kind: &'static str| records.iter().filter(move |record| record["kind"] == kind);
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut is_settled = true;
        for intent in of_kind("intent").filter(|record| record["note"] == "PushManifest") {
            let outcomes: Vec<Value> =
                of_kind("outcome").filter(|outcome| outcome["intent"] == intent["id"]).cloned().collect();
            is_settled &= !outcomes.is_empty();
            found.insert(intent["reference"].as_str().context("an intent without a tag")?.to_owned(), outcomes);
        }
        if is_settled {
            return Ok(found);
        }
        ensure!(begun.elapsed() < Duration::from_secs(90), "intents stay open: {found:?}");
        thread::sleep(Duration::from_millis(500));
    }
}
