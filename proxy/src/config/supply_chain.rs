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
    /// What statements of policies count that ask for signatures, reports and attestations of an artifact (`zas:Signed` and its like):
    /// `enforce`, the default: as they are written; `audit`: they deny nothing, and what they would have denied is on record; or `off`:
    /// nothing.
    pub gate: GateMode,
    /// Which builders have which level of SLSA's build track, by whom their provenance is signed (`zas:ProvenanceLevel`).
    pub builders: Vec<Builder>,
    /// How long a request waits for an artifact to be looked at that nobody has looked at yet; then what is asked for is unknown.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub evidence_patience: Duration,
    /// Whether this replica looks at what was attached by itself. Otherwise that is done when somebody asks for an artifact.
    pub index_evidence: bool,
    /// Artifacts that this replica looks at at once by itself.
    pub evidence_workers: u32,
    /// How often everything at the registry is looked at for what was pushed past this service; 0s: never.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub reconcile_interval: Duration,
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

/// What statements of policies count that ask for what is said of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateMode {
    /// As they are written.
    #[default]
    Enforce,
    /// They deny nothing, and what they would have denied is on record.
    Audit,
    /// Nothing.
    Off,
}

/// A builder that is believed, and how well it builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-list" = true))]
pub struct Builder {
    /// The builder's id as its provenance names it; `*` stands for any run of characters, `?` for one.
    pub id: String,
    /// Who signs its provenance: `signing-key/<name>`, `key/<name>` or `identity/<name>`.
    pub signer: String,
    /// The level, from 1 to 3.
    pub level: u8,
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
            gate: GateMode::default(),
            builders: Vec::new(),
            evidence_patience: Duration::from_secs(10),
            index_evidence: true,
            evidence_workers: 1,
            reconcile_interval: Duration::from_secs(24 * 3600),
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

/// Whether the bounds leave room for anything.
///
/// # Errors
/// The first that does not: the field, and what is wanted.
pub(super) fn check(config: &SupplyChain) -> Result<(), (&'static str, &'static str)> {
    let counts = [
        ("evidence_documents", config.evidence_documents),
        ("rule_workers", config.rule_workers),
        ("rule_attempts", config.rule_attempts),
    ];
    if let Some((field, _)) = counts.iter().find(|(_, count)| *count == 0) {
        return Err((field, "must be at least 1"));
    }
    if config.poll_interval.is_zero() || config.stale_after <= config.poll_interval {
        return Err(("stale_after", "must be longer than poll_interval, and that not nothing"));
    }
    if config.evidence_timeout.is_zero() {
        return Err(("evidence_timeout", "must be more than nothing"));
    }
    if config.document_bytes.as_u64() == 0 || config.memory < config.document_bytes {
        return Err(("memory", "must hold a document of document_bytes, and that not be nothing"));
    }
    if config.evidence_bytes.as_u64() == 0 {
        return Err(("evidence_bytes", "must be more than nothing"));
    }
    Ok(())
}
