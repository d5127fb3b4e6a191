//! `[database]`: the index.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// How Postgres is reached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host:port/database`. Holds a password, so it is never printed.
    pub url: Secret,
    /// Connections in the pool.
    pub max_connections: u32,
    /// How long a request waits for a connection.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub statement_timeout: Duration,
    /// Whether `serve` brings the schema up to date at start. If not, run `zas-proxy migrate`: until then the service is not ready.
    /// The user of `url` then need not own anything: the role `zas_service` is enough (docs/audit.md, "Roles").
    pub migrate: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            migrate: true,
        }
    }
}
