//! `[supply_chain]`: what vouches for signatures, and how much of what refers to artifacts is read.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signatures, attestations and bills of materials.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SupplyChain {
    /// What certificates, log entries and timestamps are checked with, offline. With none, signatures of keys count, and nothing that a
    /// certificate, a log or a clock vouches for.
    pub trusted_roots: Vec<TrustedRoot>,
    /// Whether a signature of a key must be in a transparency log: `required`; `when_present`, the default: it need not be, but an
    /// entry that is there must be true; or `waived`: entries prove nothing.
    pub log: SignatureLog,
    /// How often it is asked whether trusted keys or identities were changed, besides being told.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub poll_interval: Duration,
    /// For how long signatures are checked by what was last known of trusted keys and identities while Postgres cannot be asked.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub stale_after: Duration,
    /// A document that is attached by REST: a bundle, an attestation, a bill of materials.
    #[schemars(with = "String")]
    pub document_bytes: ByteSize,
    /// Memory for documents that are held whole, for all requests together; above it requests are told to come back.
    #[schemars(with = "String")]
    pub memory: ByteSize,
    /// Documents that are read of what refers to one artifact.
    pub evidence_documents: u32,
    /// Bytes that are read of what refers to one artifact.
    #[schemars(with = "String")]
    pub evidence_bytes: ByteSize,
    /// How long reading what refers to one artifact may take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub evidence_timeout: Duration,
    /// Whether this replica signs what signing rules of buckets ask for.
    pub sign_by_rules: bool,
    /// Objects that this replica signs by rules at once.
    pub rule_workers: u32,
    /// How often an object is tried that a rule wants signed, later each time, before that is given up.
    pub rule_attempts: u32,
    /// The name of the signing key, of the usage `verdict`, that verdicts are signed with. Unset: they are not signed.
    pub verdict_key: Option<String>,
    /// The URI by which verdicts call this verifier; whoever relies on them holds it together with the key. Unset: `listen.external_url`
    /// with `/-/api/v1`, or without that `urn:zot-artifact-store`.
    pub verifier: Option<String>,
    /// How long a verification is waited for. What takes longer is asked for with `async`.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub verification_timeout: Duration,
    /// Verifications whose signatures and documents each replica checks at once.
    pub verifications_at_once: u32,
    /// Verifications that each replica carries out at once for those who do not wait.
    pub verification_workers: u32,
    /// Verifications that may wait to be carried out, in all replicas together; above it requests are told to come back.
    pub verification_queue: u32,
    /// How long the answer of a verification is kept for whoever did not wait for it.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub verification_retention: Duration,
    /// Whether this replica makes verdicts anew that have lapsed because of time, new evidence, or a change of whom we believe.
    pub refresh_verdicts: bool,
    /// How long verdicts are kept that count no longer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub verdict_retention: Duration,
}

/// Whether signatures of keys must be in a transparency log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureLog {
    /// They must.
    Required,
    /// They need not.
    #[default]
    WhenPresent,
    /// It does not matter.
    Waived,
}

/// What certificates, log entries and timestamps are checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-list" = true))]
pub struct TrustedRoot {
    /// A `trusted_root.json` as sigstore has it. It is read at start.
    pub file: PathBuf,
    /// Whether what a certificate vouches for must be in a transparency log.
    #[serde(default = "yes")]
    pub require_log: bool,
    /// Whether certificates must be in a certificate transparency log.
    #[serde(default = "yes")]
    pub require_sct: bool,
}

const fn yes() -> bool {
    true
}

impl Default for SupplyChain {
    fn default() -> Self {
        Self {
            trusted_roots: Vec::new(),
            log: SignatureLog::default(),
            poll_interval: Duration::from_secs(30),
            stale_after: Duration::from_secs(300),
            document_bytes: ByteSize::mib(96),
            memory: ByteSize::mib(512),
            evidence_documents: 128,
            evidence_bytes: ByteSize::mib(256),
            evidence_timeout: Duration::from_secs(20),
            sign_by_rules: true,
            rule_workers: 2,
            rule_attempts: 12,
            verdict_key: None,
            verifier: None,
            verification_timeout: Duration::from_secs(30),
            verifications_at_once: 4,
            verification_workers: 2,
            verification_queue: 10_000,
            verification_retention: Duration::from_secs(24 * 3600),
            refresh_verdicts: true,
            verdict_retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}
