//! What all replicas and clients of a run share: database, registry, contents, ledger, times.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use rand::Rng;
use rand::rngs::StdRng;
use zas_proxy::blobs::Blobs;
use zas_proxy::config;
use zas_proxy::digest::Digest;
use zas_proxy::index::{Index, NewBucket, Quota};
use zas_proxy::postgres::testing::{self, TestDatabase};
use zas_proxy::store::Store;

use crate::ledger::Ledger;
use crate::registry::RunningRegistry;

/// The buckets whose objects the ledger knows.
pub(crate) const BUCKETS: [&str; 2] = ["alpha", "beta"];

/// Few keys, so that writers meet.
pub(crate) const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// The longest that the registry is made to dawdle.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_millis(200);

/// How long a replica waits for the registry: less than the registry dawdles, so that requests are given up on that it
/// still carries out.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_millis(120);

/// The protections, short, but longer than any request that was given up may go on.
pub(crate) const PIN_TTL: Duration = Duration::from_secs(3);
pub(crate) const GRACE: Duration = Duration::from_millis(1500);
pub(crate) const RECLAIM_AFTER: Duration = Duration::from_secs(2);

/// A call that took longer than this at the registry may have outlived a protection.
pub(crate) const PATIENCE_WITH_THE_MACHINE: Duration = Duration::from_millis(1000);

/// One run's world.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) registry: RunningRegistry,
    pub(crate) contents: Vec<Bytes>,
    pub(crate) ledger: Ledger,
    pub(crate) breaker_threshold: u32,
}

/// One process: its own connections to the database and to the registry.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) index: Index,
    pub(crate) blobs: Blobs,
}

impl World {
    pub(crate) async fn build(rng: &mut StdRng) -> Arc<Self> {
        let database = testing::database().await.unwrap();
        let registry = RunningRegistry::start().await;
        // Few contents, so that the same digest comes from many writers; from one byte to several chunks.
        let contents = [1, 2, 3, 90, 91, 92, 4096, 4097, 4098, 10_000, 10_001, 70_000, 70_001, 200_000, 500_000]
            .map(|size: usize| {
                let mut bytes = vec![0; size];
                rng.fill(bytes.as_mut_slice());
                Bytes::from(bytes)
            })
            .to_vec();
        let breaker_threshold = if rng.random_bool(0.3) { 5 } else { 1000 };
        let world = Self { database, registry, contents, ledger: Ledger::default(), breaker_threshold };
        let parts = world.parts();
        for bucket in BUCKETS {
            parts.index.create_bucket(new_bucket(bucket)).await.unwrap();
        }
        Arc::new(world)
    }

    /// A process's parts; within the runtime that is the process.
    pub(crate) fn parts(&self) -> Parts {
        let database = config::Database {
            url: config::Secret::new(self.database.url()),
            max_connections: 8,
            ..config::Database::default()
        };
        let index = Index::open(&database).unwrap().with_reclaim_after(RECLAIM_AFTER);
        let store = Store::new(&self.store_config()).unwrap();
        let blobs = config::Blobs {
            pin_ttl: PIN_TTL,
            sweep_grace: GRACE,
            sweep_interval: Duration::from_millis(50),
            sweep_batch: 5,
            session_ttl: Duration::from_secs(1),
            multipart_ttl: Duration::from_secs(4),
        };
        Parts { blobs: Blobs::new(index.clone(), store, blobs), index }
    }

    fn store_config(&self) -> config::Store {
        config::Store {
            url: self.registry.url(),
            response_timeout: RESPONSE_TIMEOUT,
            stall_timeout: Duration::from_secs(2),
            // So fast that it adds nothing to the response timeout.
            finalize_rate: ByteSize::gib(100),
            retry: config::Retry {
                max_attempts: 3,
                first_delay: Duration::from_millis(5),
                max_delay: Duration::from_millis(40),
                budget: 1.0,
                deadline: Duration::from_millis(600),
                ..config::Retry::default()
            },
            breaker: config::Breaker {
                failure_threshold: self.breaker_threshold,
                recovery_time: Duration::from_millis(100),
                half_open_probes: 1,
            },
            ..config::Store::default()
        }
    }
}

/// Two shards: a blob that is being deleted has somewhere else to go, and digests still meet.
pub(crate) fn new_bucket(name: &str) -> NewBucket<'_> {
    NewBucket {
        name,
        region: "us-east-1",
        owner: "model",
        store: "default",
        prefix: "s3",
        shards: 2,
        quota: Quota::default(),
        object_lock: false,
        audit: &[],
    }
}

/// The tag of a value: what the ledger knows it by, kept in the index as its ETag.
pub(crate) fn tag(value: &[u8]) -> String {
    Digest::of(value).hex()
}
