//! `[lifecycle]`: how rules of buckets are carried out that let objects expire.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The worker that goes by lifecycle rules.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lifecycle {
    /// Whether this replica carries out lifecycle rules. One that does is enough for all buckets.
    pub enabled: bool,
    /// A pass over a bucket begins after each midnight UTC, for then rules become due, and so long after the last one began at the latest.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Buckets that this replica goes over at once.
    pub workers: u32,
    /// How many versions or uploads are looked at, and deleted, at a time: 1,000 at the most.
    pub batch: u32,
    /// Versions and uploads that a worker looks at in a second at the most.
    pub looks_per_second: u32,
    /// Versions and uploads that a worker deletes in a second at the most.
    pub deletes_per_second: u32,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(24 * 3600),
            workers: 1,
            batch: 500,
            looks_per_second: 20_000,
            deletes_per_second: 500,
        }
    }
}
