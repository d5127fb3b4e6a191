//! `[listen]`: addresses and TLS.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the service listens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Address and port of the one listener for S3, OCI and REST.
    pub address: String,
    /// A second address for `/-/metrics`, `/-/livez` and `/-/readyz`. Unset: metrics are served on the one listener, to access keys only.
    pub metrics_address: Option<String>,
    /// Certificate and key. Unset: plain HTTP.
    pub tls: Option<Tls>,
}

impl Default for Listen {
    fn default() -> Self {
        Self { address: "127.0.0.1:9800".to_owned(), metrics_address: None, tls: None }
    }
}

/// A certificate chain and its key, both PEM. Both files are watched: a new pair is used for new connections without a restart.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}
