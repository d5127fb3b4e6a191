//! `[rates]`: how much one address and one principal may ask for. Every one is on by default, and counted by each replica for itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rates; 0 switches one off. Twice as much may come at once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Wrong credentials from one address, a minute. An address that shows more is not listened to for a while.
    pub failures_per_minute: u32,
    /// Requests for tokens and sessions from one address, a minute.
    pub tokens_per_minute: u32,
    /// Refusals of one principal for what it may not do, a minute. Beyond that it is told to wait, which is counted
    /// (`zas_rate_exceeded_total`) and not recorded one by one. What it may do is not held up by them.
    pub denials_per_minute: u32,
    /// Lists that one principal, or one address without credentials, may ask for, a second.
    pub lists_per_second: u32,
    /// Reads by one principal, or by one address without credentials, a second.
    pub reads_per_second: u32,
    /// Changes by one principal, or by one address without credentials, a second.
    pub writes_per_second: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            failures_per_minute: 60,
            tokens_per_minute: 600,
            denials_per_minute: 600,
            lists_per_second: 1_000,
            reads_per_second: 20_000,
            writes_per_second: 10_000,
        }
    }
}
