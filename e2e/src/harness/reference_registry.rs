//! The reference implementation of the OCI distribution API, on a folder: what other upstreams are compared with.

use std::{process::Command, time::Duration};

use anyhow::Result;

use super::{Endpoint, Folder, free_port, probe::Probe};
use crate::{
    process::Server,
    tools::{self, Tool},
};

const START_DEADLINE: Duration = Duration::from_secs(60);

/// A running reference registry that asks for no authentication and allows deletes.
#[derive(Debug)]
pub struct ReferenceRegistry {
    server: Server,
    endpoint: Endpoint,
    _folder: Folder,
}

impl ReferenceRegistry {
    /// Starts one for `test`; `None` when the test must be left out, see [`tools::require`].
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start(test: &str) -> Result<Option<Self>> {
        let Some(registry) = tools::require(Tool::Registry, test)? else {
            return Ok(None);
        };
        let folder = Folder::temporary()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let config = folder.path().join("config.yml");
        std::fs::write(&config, configuration(&folder, &address))?;
        let mut command = Command::new(registry);
        // It would look for a trace collector otherwise.
        command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
        let mut server = Server::start(
            "the reference registry",
            &mut command,
            &folder.path().join("registry.log"),
            folder.scratch(),
        )?;
        let url = format!("http://{address}");
        let ready = Probe::new(format!("{url}/v2/"));
        server.wait_until(START_DEADLINE, || ready.is_ok())?;
        Ok(Some(Self {
            server,
            endpoint: Endpoint { url, access_key: String::new(), secret_key: String::new() },
            _folder: folder,
        }))
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

fn configuration(folder: &Folder, address: &str) -> String {
    // JSON is YAML too, and quotes a path rightly.
    serde_json::json!({
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": folder.path().join("storage")}, "delete": {"enabled": true}},
        "http": {"addr": address, "secret": "not used by one process"},
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_registry_starts_and_answers() {
        let Some(registry) = ReferenceRegistry::start("the_reference_registry_starts_and_answers").unwrap() else {
            return;
        };
        assert!(Probe::new(format!("{}/v2/_catalog", registry.endpoint().url)).is_ok(), "{}", registry.log_tail());
    }
}
