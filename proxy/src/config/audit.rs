//! `[audit]`: what is on record, for how long, and who is told.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PrivateUrl, Secret};

/// The audit log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Whether there are records. Off only for measuring what they cost.
    pub enabled: bool,
    /// What a read, a denial or a login waits for: `queued` for room in the queue, `strict` until its record is committed.
    pub reads: AuditReads,
    /// Records that wait to be committed, at the most; where there are more, callers wait.
    pub queue: u32,
    /// How long a request waits for room in the queue, or in `strict` mode and before a change is forwarded for the
    /// commit; then it is refused with SlowDown.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub queue_timeout: Duration,
    /// When the registry is asked what became of a change whose process has died, or that it has not answered: so long after it was
    /// begun, which must be longer than the registry may take to carry out what was left to it.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub reconcile_after: Duration,
    /// How long records are kept: whole days go, oldest first. At least two days. What a webhook was not told of is kept for up to a week
    /// longer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub retention: Duration,
    /// PEM file (PKCS#8) with the Ed25519 key that signs checkpoints; used for nothing else. Unset: there are no
    /// checkpoints, and somebody who owns the database can rewrite the log unseen.
    pub checkpoint_key_file: Option<PathBuf>,
    /// How often a checkpoint is made while there is something new.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub checkpoint_interval: Duration,
    /// New records after which a checkpoint is made at once.
    pub checkpoint_records: u32,
    /// Who is told of every record.
    pub webhooks: Vec<AuditWebhook>,
}

/// What requests that change nothing wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditReads {
    /// Room in the queue.
    #[default]
    Queued,
    /// The commit.
    Strict,
}

/// One receiver of records, told at least once and in order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-list" = true))]
pub struct AuditWebhook {
    /// A name; how far it has been told is stored under it.
    pub name: String,
    /// Where records are posted to. Redirects are not followed. May hold a token, so only its host is ever shown.
    pub url: PrivateUrl,
    /// `jsonl`, `cloudevents` or `ocsf`.
    #[serde(default)]
    pub format: AuditFormat,
    /// Signs each body: `X-Zas-Signature: sha256=<hex HMAC-SHA256>`. Give this or `secret_file`; with neither nothing is signed.
    pub secret: Option<Secret>,
    /// A file that holds the secret, such as a mounted Kubernetes secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
}

/// How a record is written for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditFormat {
    /// The record's own JSON, one a line.
    #[default]
    Jsonl,
    /// CloudEvents 1.0, one a line.
    CloudEvents,
    /// OCSF 1.x: API Activity (6003) or Authentication (3002), one a line.
    Ocsf,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            enabled: true,
            reads: AuditReads::Queued,
            queue: 8192,
            queue_timeout: Duration::from_secs(2),
            reconcile_after: Duration::from_secs(10 * 60),
            retention: Duration::from_secs(400 * 24 * 3600),
            checkpoint_key_file: None,
            checkpoint_interval: Duration::from_secs(60),
            checkpoint_records: 10_000,
            webhooks: Vec::new(),
        }
    }
}
