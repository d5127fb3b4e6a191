//! Starts the real parts as child processes, waits until they are ready, and stops them when dropped.
//!
//! [`on_each_backend`](crate::on_each_backend) makes one test function into a test per kind of server: the sidecar with the
//! embedded registry, the sidecar with a stock Zot, and a server that the environment names. How processes are started and
//! ended is in [`crate::process`].

mod backend;
mod build;
mod cluster;
mod dev_server;
mod embedded_registry;
mod part;
mod postgres;
mod probe;
mod reference_registry;
mod tour;
mod zot;

use std::{
    net::TcpListener,
    ops::Range,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

pub use self::{
    backend::{Backend, Failure, no_zot, run_on},
    build::proxy_binary,
    cluster::Cluster,
    dev_server::{DevServer, Options, Upstream},
    embedded_registry::EmbeddedRegistry,
    part::Part,
    probe::http_get,
    reference_registry::ReferenceRegistry,
    tour::Tour,
    zot::Zot,
};

/// Where a server listens, and the access key that opens both its doors: S3, and OCI by Basic authentication.
#[derive(Clone)]
pub struct Endpoint {
    /// `http://HOST:PORT`, without a slash at the end.
    pub url: String,
    /// The access key id, which is the Basic user name too. Empty where the server asks for none.
    pub access_key: String,
    /// The secret of the access key, which is the Basic password too.
    pub secret_key: String,
}

impl Endpoint {
    /// `HOST:PORT`, as OCI clients name a registry.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, authority)| authority)
    }

    /// Whether it is spoken to by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.starts_with("https://")
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The ports that servers are given: below those of outgoing connections (Linux: from 32768, IANA: from 49152). One of these may be
/// taken by any connection before the server it was meant for has bound it, which is seconds later.
const PORTS: Range<u16> = 20_000..32_000;

/// A port of the loopback interface that nobody listens on now and that this process has not handed out before.
///
/// # Errors
/// When there is none left.
pub fn free_port() -> Result<u16> {
    static NEXT: LazyLock<Mutex<Box<dyn Iterator<Item = u16> + Send>>> = LazyLock::new(|| {
        // Processes that run side by side begin at different places.
        let begin = std::process::id().wrapping_mul(997) as usize % PORTS.len();
        Mutex::new(Box::new(PORTS.cycle().skip(begin).take(PORTS.len())))
    });
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    next.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no free port")
}

/// A server's folder: a temporary one that goes with it, or one that the caller keeps.
#[derive(Debug)]
enum Folder {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Folder {
    /// A temporary folder that other users may enter: a server that drops root keeps its database below it.
    fn temporary() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("zas-e2e-").tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        Ok(Self::Temporary(folder))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    /// What the guardian may remove.
    fn scratch(&self) -> Option<&Path> {
        match self {
            Self::Temporary(folder) => Some(folder.path()),
            Self::Kept(_) => None,
        }
    }
}
