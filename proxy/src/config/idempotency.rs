//! `[idempotency]`: answers of the management API that are kept for requests with an `Idempotency-Key`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers of the management API to requests with an `Idempotency-Key`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Idempotency {
    /// How long an answer is given again. Later the same key is a new one.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub keep: Duration,
    /// Answers that are kept for one principal at the most; above it a request with another key is answered 429.
    pub keys_per_principal: u32,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { keep: Duration::from_secs(24 * 3600), keys_per_principal: 10_000 }
    }
}
