//! The reference implementation of the OCI distribution API: on a folder, as what other upstreams are compared with; on S3, as one of
//! our clients.

use std::{process::Command, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

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
        Self::start_in(test, None)
    }

    /// As [`ReferenceRegistry::start`], and what it stores is objects of a bucket of this server, by its S3 driver.
    ///
    /// # Errors
    /// As [`ReferenceRegistry::start`]; it does not start where there is no such bucket.
    pub fn start_on_s3(test: &str, server: &Endpoint, bucket: &str) -> Result<Option<Self>> {
        Self::start_in(test, Some(s3_storage(server, bucket)))
    }

    fn start_in(test: &str, storage: Option<Value>) -> Result<Option<Self>> {
        let Some(registry) = tools::require(Tool::Registry, test)? else {
            return Ok(None);
        };
        let folder = Folder::temporary()?;
        let storage =
            storage.unwrap_or_else(|| json!({"filesystem": {"rootdirectory": folder.path().join("storage")}}));
        let address = format!("127.0.0.1:{}", free_port()?);
        let config = folder.path().join("config.yml");
        std::fs::write(&config, configuration(storage, &address))?;
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

/// What the driver must be told of any server, and of one whose name is an address, below which no bucket has a name; everything else
/// has its default.
fn s3_storage(server: &Endpoint, bucket: &str) -> Value {
    json!({"s3": {
        "accesskey": server.access_key,
        "secretkey": server.secret_key,
        "region": "us-east-1",
        "regionendpoint": server.url,
        "forcepathstyle": true,
        "bucket": bucket,
        "rootdirectory": "/registry",
    }})
}

fn configuration(mut storage: Value, address: &str) -> String {
    if let Some(storage) = storage.as_object_mut() {
        storage.insert("delete".to_owned(), json!({"enabled": true}));
    }
    // JSON is YAML too, and quotes a path rightly.
    json!({
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": true}},
        "storage": storage,
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
