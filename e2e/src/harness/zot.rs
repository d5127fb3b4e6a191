//! A stock Zot by itself, configured as the sidecar wants it: to compare with what passes through the sidecar.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{Endpoint, Folder, free_port, probe::Probe};
use crate::process::Server;

const START_DEADLINE: Duration = Duration::from_secs(120);

/// A running Zot that asks for no authentication.
#[derive(Debug)]
pub struct Zot {
    server: Server,
    endpoint: Endpoint,
    folder: Folder,
}

impl Zot {
    /// The executable that `ZOT_BIN` names, if it does.
    #[must_use]
    pub fn binary() -> Option<PathBuf> {
        std::env::var_os("ZOT_BIN").filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Starts the Zot that `ZOT_BIN` names; `None` where it names none.
    ///
    /// # Errors
    /// When it does not start.
    pub fn from_env() -> Result<Option<Self>> {
        Self::binary().map(|binary| Self::start(&binary)).transpose()
    }

    /// Starts the executable `binary`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(binary: &Path) -> Result<Self> {
        Self::start_with(binary, |_| {})
    }

    /// As [`start`](Self::start), with a configuration that `change` has changed.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(binary: &Path, change: impl FnOnce(&mut Value)) -> Result<Self> {
        let folder = Folder::temporary()?;
        let port = free_port()?;
        let config = folder.path().join("config.json");
        let mut wanted = configuration(folder.path(), port);
        change(&mut wanted);
        std::fs::write(&config, wanted.to_string())?;
        let mut command = Command::new(binary);
        command.arg("serve").arg(&config);
        let mut server = Server::start("zot", &mut command, &folder.path().join("zot.log"), folder.scratch())?;
        let url = format!("http://127.0.0.1:{port}");
        let ready = Probe::new(format!("{url}/v2/"));
        server.wait_until(START_DEADLINE, || ready.is_ok())?;
        Ok(Self { server, endpoint: Endpoint { url, access_key: String::new(), secret_key: String::new() }, folder })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The path of its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.server.log_tail()
    }
}

/// What the sidecar asks of a Zot: S3 bytes in a store of their own that nothing is collected from, synchronous writes,
/// and no limit on how long a transfer may take.
pub(super) fn configuration(folder: &Path, port: u16) -> Value {
    json!({
        "distSpecVersion": "1.1.1",
        "storage": {
            "rootDirectory": folder.join("oci"), "dedupe": false, "commit": true, "gc": false,
            "subPaths": {"/s3": {"rootDirectory": folder.join("s3"), "dedupe": false, "gc": false, "commit": true}},
        },
        "http": {
            "address": "127.0.0.1", "port": port.to_string(), "readTimeout": "0s", "writeTimeout": "0s", "compat": ["docker2s2"],
        },
        "log": {"level": "warn"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_zot_starts_and_answers_where_one_is_named() {
        let Some(zot) = Zot::from_env().unwrap() else {
            return;
        };
        assert!(Probe::new(format!("{}/v2/_catalog", zot.endpoint().url)).is_ok(), "{}", zot.log_tail());
        assert!(zot.config_file().exists());
    }
}
