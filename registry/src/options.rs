//! The limits of a registry. Every one of them is on by default.

use std::time::Duration;

/// Limits and behaviour of a [`Registry`](crate::Registry) and its [`Server`](crate::Server).
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest manifest that is accepted, in bytes; a larger one gets 413. Default 4 MiB, the least that the
    /// specification asks for.
    pub max_manifest_bytes: u64,
    /// Largest blob that is accepted, in bytes; a larger one gets 413. Default 1 TiB.
    pub max_blob_bytes: u64,
    /// Upload sessions that may be open at once; one more gets 429. Default 10,000.
    pub max_upload_sessions: usize,
    /// Requests that may write blob bytes at once; one more gets 429. Default 256.
    pub max_concurrent_uploads: usize,
    /// An upload session that nothing was sent to for this long is removed with its bytes. Default 24 hours.
    pub upload_expiry: Duration,
    /// A manifest whose config, layers or children are not in the repository is refused. Default true.
    pub require_referenced_blobs: bool,
    /// A blob may be mounted without naming where it is; every repository is then looked through. Whoever authorises
    /// requests in front of the registry cannot tell which one it will be. Default false.
    pub mount_from_anywhere: bool,
    /// Longest wait for the next bytes of a request body; then 408. Default 60 seconds.
    pub body_idle_timeout: Duration,
    /// Longest wait for a complete request head, and so also for the next request on an idle connection. Default 60
    /// seconds.
    pub header_read_timeout: Duration,
    /// Longest wait for a client that does not read its response; then the connection is closed. Default 60 seconds.
    pub write_stall_timeout: Duration,
    /// Connections that are served at once; further ones wait in the listen queue of the operating system. Default 4096.
    pub max_connections: usize,
    /// How long a shutdown waits for requests in flight before it cuts them. Default 10 seconds.
    pub shutdown_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_manifest_bytes: 4 << 20,
            max_blob_bytes: 1 << 40,
            max_upload_sessions: 10_000,
            max_concurrent_uploads: 256,
            upload_expiry: Duration::from_secs(24 * 60 * 60),
            require_referenced_blobs: true,
            mount_from_anywhere: false,
            body_idle_timeout: Duration::from_secs(60),
            header_read_timeout: Duration::from_secs(60),
            write_stall_timeout: Duration::from_secs(60),
            max_connections: 4096,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
