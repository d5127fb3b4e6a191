//! `[identity]`: who may be known, and what secrets are sealed with.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Issuer, Secret};

/// Who may be known besides the keys of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Seals the secrets of access keys at rest, and tokens: the first key seals, all of them open. To rotate, put a new key behind
    /// the old one on every replica, then in front, and take the old one away when the log says that every secret was sealed anew
    /// (docs/identity.md). With none there are no access keys but those of the configuration.
    pub key_ring: Vec<RingKey>,
    /// Who may vouch for people and CI jobs with tokens.
    pub issuers: Vec<Issuer>,
    /// How long an access key is good at the most that people make for themselves.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub personal_key_lifetime: Duration,
    /// What clients of the registry call this service when they ask for tokens.
    pub registry_service: String,
}

impl Default for Identity {
    fn default() -> Self {
        let registry_service = "zot-artifact-store".to_owned();
        let personal_key_lifetime = Duration::from_secs(90 * 24 * 3600);
        Self { key_ring: Vec::new(), issuers: Vec::new(), personal_key_lifetime, registry_service }
    }
}

/// A key of the ring.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-list" = true))]
pub struct RingKey {
    /// A name, stored beside what the key seals.
    pub id: String,
    /// 32 random bytes in base64. Give this or `secret_file`.
    pub secret: Option<Secret>,
    /// A file that holds the secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
}
