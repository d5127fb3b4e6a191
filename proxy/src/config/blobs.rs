//! `[blobs]`: the life of blobs between upload and deletion.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pins, sweeper and expiry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Blobs {
    /// How long a pin protects a blob that no version names yet. An upload must commit within it.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub pin_ttl: Duration,
    /// How long a blob outlives its last name, so that reads that have begun can finish.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub sweep_grace: Duration,
    /// How often the sweeper looks.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub sweep_interval: Duration,
    /// How many blobs the sweeper takes at a time.
    pub sweep_batch: u32,
    /// How long an upload session at the registry may go on before it counts as abandoned.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub session_ttl: Duration,
    /// How long a multipart upload may stay unfinished before it is given up, where no lifecycle rule says it.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub multipart_ttl: Duration,
}

impl Default for Blobs {
    fn default() -> Self {
        Self {
            pin_ttl: Duration::from_secs(3600),
            sweep_grace: Duration::from_secs(300),
            sweep_interval: Duration::from_secs(30),
            sweep_batch: 256,
            session_ttl: Duration::from_secs(24 * 3600),
            multipart_ttl: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
