//! The project's embedded registry by itself: to compare with what passes through the sidecar.

use std::{process::Command, time::Duration};

use anyhow::Result;

use super::{Endpoint, Folder, build, free_port, probe::Probe};
use crate::process::Server;

const START_DEADLINE: Duration = Duration::from_secs(60);

/// A running `zas-registry` on a temporary folder.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    server: Server,
    endpoint: Endpoint,
    _folder: Folder,
}

impl EmbeddedRegistry {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it cannot be built or does not start.
    pub fn start() -> Result<Self> {
        // First, for it may take minutes: a test that is killed meanwhile leaves no folder behind.
        let binary = build::registry_binary()?;
        let folder = Folder::temporary()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(binary);
        command.args(["--listen", &address, "--root"]).arg(folder.path().join("storage"));
        let log = folder.path().join("registry.log");
        let mut server = Server::start("zas-registry", &mut command, &log, folder.scratch())?;
        let url = format!("http://{address}");
        let ready = Probe::new(format!("{url}/v2/"));
        server.wait_until(START_DEADLINE, || ready.is_ok())?;
        let endpoint = Endpoint { url, access_key: String::new(), secret_key: String::new() };
        Ok(Self { server, endpoint, _folder: folder })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.server.log_tail()
    }
}
