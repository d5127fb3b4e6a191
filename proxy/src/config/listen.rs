//! `[listen]`: addresses and TLS.

use std::path::PathBuf;

use ipnet::IpNet;
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
    /// How clients reach this service, where something stands in front of it: `https://store.example.com`. Clients of the registry are
    /// sent there for tokens; unset: as each has addressed it. Signatures for older clients name the registry by it, and are neither
    /// made nor believed where it is unset.
    pub external_url: Option<String>,
    /// Networks of proxies in front of this service, whose word is taken for the client's address (`X-Forwarded-For`) and for TLS
    /// (`X-Forwarded-Proto`). Nobody else's is.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Certificate and key. Unset: plain HTTP.
    pub tls: Option<Tls>,
}

impl Listen {
    /// Host and port of `external_url`, as clients of the registry write them; unset where it is.
    #[must_use]
    pub fn external_host(&self) -> Option<String> {
        let url = url::Url::parse(self.external_url.as_deref()?).ok()?;
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9800".to_owned(),
            metrics_address: None,
            external_url: None,
            trusted_proxies: Vec::new(),
            tls: None,
        }
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
