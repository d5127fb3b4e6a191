//! The end of a run: everything is brought to rest, swept, and looked at.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use sqlx::PgPool;
use zas_proxy::digest::Digest;
use zas_proxy::error::Code;

use crate::client::Client;
use crate::reading;
use crate::world::{BUCKETS, KEYS, World};

/// How long rest may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Repository and digest in hex.
type Blob = (String, String);

/// Brings the world to rest and notes every violation in the ledger. A line about what has been.
pub(crate) async fn at_rest(world: &std::sync::Arc<World>) -> String {
    world.registry.clear_faults();
    let pool = world.database.pool().unwrap();
    settle(world, &pool).await;
    read_everything(world).await;
    let named = named(&pool).await;
    nothing_is_missing(world, &named);
    let stored = nothing_is_left(world, &named);
    let (slowest, counts) = (world.registry.slowest_call(), world.ledger.counts());
    let deletions = world.registry.deletions();
    format!("{stored} blobs stored, {} named; slowest call {slowest:?}; deletions {deletions}, {counts}", named.len())
}

/// Sweeps until nothing is due any more and nothing is on its way.
async fn settle(world: &World, pool: &PgPool) {
    let parts = world.parts();
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A session that a sweeper took and did not close would be due only in ten minutes.
        sqlx::query("UPDATE store_sessions SET due_at = clock_timestamp()").execute(pool).await.unwrap();
        let report = parts.blobs.sweep_once().await;
        let (open,): (i64,) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM blob_pins) + (SELECT count(*) FROM store_sessions)
                  + (SELECT count(*) FROM uploads) + (SELECT count(*) FROM blobs WHERE condemned_at IS NOT NULL)",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if open == 0 && world.registry.is_idle() {
            return;
        }
        if Instant::now() > deadline {
            return world
                .ledger
                .violation(format!("{open} pins, sessions, uploads and condemned blobs never go; {report:?}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every name reads back what may be there.
async fn read_everything(world: &std::sync::Arc<World>) {
    let client = Client { world: std::sync::Arc::clone(world), parts: world.parts(), rng: StdRng::seed_from_u64(0) };
    for name in BUCKETS.iter().flat_map(|bucket| KEYS.iter().map(move |key| (*bucket, *key))) {
        let began = world.ledger.now();
        let object = match client.parts.index.object(name.0, name.1).await {
            Ok(object) => object,
            Err(error) => {
                assert_eq!(error.code(), Code::NoSuchKey, "{}", error.for_log());
                world.ledger.check(name, None, began);
                continue;
            }
        };
        world.ledger.check(name, Some(&object.head.etag), began);
        let segments = reading::segments(&client, &object).await.unwrap();
        match reading::bytes(&client, &segments).await {
            Ok(bytes) if Some(&bytes[..]) == world.ledger.value(&object.head.etag).as_deref() => {}
            Ok(_) => world.ledger.violation(format!("{name:?}: other bytes than were written")),
            Err(error) => world.ledger.violation(format!("{name:?} cannot be read: {}", error.for_log())),
        }
    }
}

/// What the index names.
async fn named(pool: &PgPool) -> HashSet<Blob> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT p.prefix || '/' || p.id || '/' || lpad(to_hex(r.shard::integer), 2, '0'), encode(digest, 'hex')
         FROM (SELECT repository_id, digest FROM objects WHERE digest IS NOT NULL
               UNION SELECT repository_id, digest FROM object_segments
               UNION SELECT repository_id, digest FROM upload_segments) named
         JOIN repositories r ON r.id = named.repository_id
         JOIN placements p ON p.id = r.placement_id",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

fn nothing_is_missing(world: &World, named: &HashSet<Blob>) {
    for (repository, hex) in named {
        match std::fs::read(world.registry.blob(repository, hex)) {
            Ok(bytes) if Digest::of(&bytes).hex() == *hex => {}
            Ok(_) => world.ledger.violation(format!("{repository} {hex} has other bytes")),
            Err(error) => {
                let course = world.registry.course(&format!("sha256:{hex}"));
                world.ledger.violation(format!("{repository} {hex} is named and missing: {error}{course}"));
            }
        }
    }
}

/// Nothing is at the registry that nothing names; how many blobs there are.
fn nothing_is_left(world: &World, named: &HashSet<Blob>) -> usize {
    let root = world.registry.folder();
    let mut stored = Vec::new();
    walk(root, &mut |file| {
        let relative = file.strip_prefix(root).unwrap().to_str().unwrap();
        if let Some((repository, hex)) = relative.split_once("/blobs/sha256/") {
            stored.push((repository.to_owned(), hex.to_owned()));
        } else if relative.starts_with("_uploads")
            // A session that was opened for somebody who never heard of it stays until the registry drops it: it holds no bytes.
            && !relative.ends_with(".json")
            && std::fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0)
        {
            let course = world.registry.course(relative.trim_start_matches("_uploads/"));
            world.ledger.violation(format!("bytes of an upload that nobody finishes: {relative}{course}"));
        }
    });
    for (repository, hex) in stored.iter().filter(|blob| !named.contains(blob)) {
        let course = world.registry.course(&format!("sha256:{hex}"));
        world.ledger.violation(format!("{repository} {hex} is stored and nothing names it{course}"));
    }
    stored.len()
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() { walk(&path, see) } else { see(&path) }
    }
}
