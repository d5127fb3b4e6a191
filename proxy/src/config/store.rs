//! `[store]`: the upstream registry, and how patient we are with it.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// The upstream registry that keeps the bytes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The store's name in the index; rows refer to it, so it never changes.
    pub name: String,
    /// Base URL of the registry, reachable by this process only.
    pub url: String,
    /// PEM file with the certificates of the authorities that an `https` registry is trusted by, these alone. Read at start.
    /// Unset: the system's.
    pub ca_file: Option<PathBuf>,
    /// User for Basic authentication at the registry.
    pub username: Option<String>,
    /// Password for Basic authentication at the registry.
    pub password: Option<Secret>,
    /// Tokens in place of a password.
    pub token: StoreToken,
    /// First component of every repository that holds S3 bytes. With Zot it must be a sub-path with a store of its own.
    pub prefix: String,
    /// Zot's own configuration file. Read at start: S3 writes are refused when it would lose them. Unset: the registry is taken not to be a Zot.
    pub zot_config: Option<PathBuf>,
    /// Bodies up to this size are held in memory and stored by one request; larger ones stream.
    #[schemars(with = "String")]
    pub buffer: ByteSize,
    /// Repositories a bucket's blobs are spread over; a power of two up to 256. Applies to buckets made from now on.
    pub shards: u16,
    /// How long a connection to the registry may take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// How long the registry may take to answer a request without a large body.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub response_timeout: Duration,
    /// How long a transfer may stand still.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub stall_timeout: Duration,
    /// The slowest rate at which the registry may hash a finished upload, in bytes a second; it adds to `response_timeout`.
    #[schemars(with = "String")]
    pub finalize_rate: ByteSize,
    /// Reads of a whole blob up to this size are checked against its digest as they pass; `0 B` checks none. Larger blobs
    /// and ranges are passed on as the registry gives them: to hash a MiB costs as much as all the rest of reading it.
    #[schemars(with = "String")]
    pub verify_reads: ByteSize,
    /// How failed requests are tried again.
    pub retry: Retry,
    /// When the registry is left alone for a while.
    pub breaker: Breaker,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            url: "http://127.0.0.1:5001".to_owned(),
            ca_file: None,
            username: None,
            password: None,
            token: StoreToken::default(),
            prefix: "s3".to_owned(),
            zot_config: None,
            buffer: ByteSize::mib(8),
            shards: 16,
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            finalize_rate: ByteSize::mib(50),
            verify_reads: ByteSize::kib(64),
            retry: Retry::default(),
            breaker: Breaker::default(),
        }
    }
}

/// Tokens that the registry is shown, each for one repository and for a minute and a half. The registry must be told the public key
/// (Zot: `http.auth.bearer.cert`) and to believe nothing else: then it serves the sidecar alone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreToken {
    /// PEM file with the private key (Ed25519, PKCS#8), which serves nothing else. Unset: no tokens.
    pub key_file: Option<PathBuf>,
    /// The audience (`aud`) of the tokens: Zot's `http.auth.bearer.service`.
    pub service: String,
    /// The issuer (`iss`) of the tokens.
    pub issuer: String,
}

impl Default for StoreToken {
    fn default() -> Self {
        Self { key_file: None, service: "zot".to_owned(), issuer: "zas-proxy".to_owned() }
    }
}

/// How failed requests are tried again; only such as are idempotent and can be sent again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The pause before the second attempt.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub first_delay: Duration,
    /// The longest pause.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub max_delay: Duration,
    /// By how much each pause is longer than the last; each is then shortened at random by up to a half.
    pub factor: f64,
    /// The share of requests that may be retries, over all requests: keeps retries from multiplying an outage.
    pub budget: f64,
    /// How long one request may take with all its attempts and pauses; the time that `finalize_rate` allows is added.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub deadline: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            first_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(2),
            factor: 2.0,
            budget: 0.2,
            deadline: Duration::from_secs(20),
        }
    }
}

/// When the registry is left alone for a while.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row that open the breaker.
    pub failure_threshold: u32,
    /// How long it stays open before it lets a probe through.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub recovery_time: Duration,
    /// Probes that must succeed, one at a time, before it closes.
    pub half_open_probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failure_threshold: 8, recovery_time: Duration::from_secs(5), half_open_probes: 2 }
    }
}
