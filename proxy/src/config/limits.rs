//! `[limits]`: every one is on by default.

use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one client, one connection and one request may use at the most.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once, in all.
    pub connections: u32,
    /// Connections at once from one address.
    pub connections_per_address: u32,
    /// Requests at once, in all; above it the answer is 503 SlowDown.
    pub requests: u32,
    /// From the first moment of a connection to the end of its TLS handshake.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub handshake_timeout: Duration,
    /// From a request's first byte to the end of its header.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub header_timeout: Duration,
    /// The request line and all header fields together.
    #[schemars(with = "String")]
    pub header_bytes: ByteSize,
    /// How long a connection may wait between two requests.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How long a body may stand still, in either direction.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub body_stall_timeout: Duration,
    /// The body of one PutObject or UploadPart (AWS: 5 GiB).
    #[schemars(with = "String")]
    pub object_bytes: ByteSize,
    /// An XML or JSON request body.
    #[schemars(with = "String")]
    pub document_bytes: ByteSize,
    /// An OCI manifest.
    #[schemars(with = "String")]
    pub manifest_bytes: ByteSize,
    /// The body of one OCI blob upload request.
    #[schemars(with = "String")]
    pub blob_bytes: ByteSize,
    /// Streams at once on one HTTP/2 connection.
    pub h2_streams: u32,
    /// Memory for bodies that are held whole before they are stored, for all requests together; above it uploads are streamed or wait.
    #[schemars(with = "String")]
    pub buffer_bytes: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 2_048,
            requests: 2_048,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(15),
            header_bytes: ByteSize::kib(32),
            idle_timeout: Duration::from_secs(60),
            body_stall_timeout: Duration::from_secs(30),
            object_bytes: ByteSize::gib(5),
            document_bytes: ByteSize::mib(2),
            manifest_bytes: ByteSize::mib(4),
            blob_bytes: ByteSize::gib(64),
            h2_streams: 100,
            buffer_bytes: ByteSize::mib(96),
        }
    }
}
