//! The configuration: one struct a concern, each field's doc naming what it does; its default stands in `Default`.
//!
//! Read from one TOML file, then from the environment: `ZAS_SECTION__KEY` overrides `key` of `[section]`
//! (`ZAS_DATABASE__URL`, `ZAS_STORE__RETRY__MAX_ATTEMPTS`). An unknown key is an error, in the file and in the
//! environment alike. `docs/configuration.md` is generated from these structs.
//! What does not live here: anything that asks the network or the disk whether a value works.

mod access_keys;
mod artifacts;
mod audit;
mod authorization;
mod blobs;
mod database;
mod directory;
pub mod document;
mod drain;
mod events;
mod idempotency;
mod identity;
mod issuer;
mod lifecycle;
mod limits;
mod listen;
mod load;
mod private_url;
mod rates;
mod s3;
mod store;
mod supply_chain;
mod telemetry;

pub use access_keys::{AccessKey, Secret};
pub use artifacts::Artifacts;
pub use audit::{Audit, AuditFormat, AuditReads, AuditWebhook};
pub use authorization::Authorization;
pub use blobs::Blobs;
pub use database::Database;
pub use directory::{Directory, Introspection, IssuerClient};
pub use drain::Drain;
pub use events::{EventFormat, EventTarget, Events, is_target_name};
pub use idempotency::Idempotency;
pub use identity::{Identity, RingKey};
pub use issuer::{Issuer, RoleRule, TokenAlgorithm};
pub use lifecycle::Lifecycle;
pub use limits::Limits;
pub use listen::{Listen, Tls};
pub use load::{ConfigError, from_toml, load};
pub use private_url::PrivateUrl;
pub use rates::Rates;
pub use s3::{DefaultQuota, S3};
pub use store::{Breaker, Retry, Store, StoreToken};
pub use supply_chain::{Builder, GateMode, SignatureLog, SupplyChain, TrustedRoot};
pub use telemetry::{LogFormat, Telemetry};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the service listens.
    pub listen: Listen,
    /// What one client, one connection and one request may use at the most.
    pub limits: Limits,
    /// How much one address and one principal may ask for.
    pub rates: Rates,
    /// How the process ends.
    pub drain: Drain,
    /// The index: Postgres.
    pub database: Database,
    /// The upstream registry that keeps the bytes.
    pub store: Store,
    /// The S3 API.
    pub s3: S3,
    /// The life of blobs between upload and deletion.
    pub blobs: Blobs,
    /// Rules of buckets by which objects expire.
    pub lifecycle: Lifecycle,
    /// S3 objects as OCI artifacts, and what refers to them.
    pub artifacts: Artifacts,
    /// Signatures, attestations and bills of materials.
    pub supply_chain: SupplyChain,
    /// Who may be known.
    pub identity: Identity,
    /// Answers that are given again.
    pub idempotency: Idempotency,
    /// How well policies must be known.
    pub authorization: Authorization,
    /// The audit log.
    pub audit: Audit,
    /// Events of objects.
    pub events: Events,
    /// Logs, traces and metrics.
    pub telemetry: Telemetry,
    /// The keys that open the service. With none, nothing is served but the probes.
    pub access_keys: Vec<AccessKey>,
}

impl Config {
    /// The URI by which verdicts call this verifier.
    #[must_use]
    pub fn verifier(&self) -> String {
        let external = || Some(format!("{}/-/api/v1", self.listen.external_url.as_deref()?.trim_end_matches('/')));
        self.supply_chain.verifier.clone().or_else(external).unwrap_or_else(|| "urn:zot-artifact-store".to_owned())
    }
}
