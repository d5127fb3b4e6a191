//! Several sidecars on one Postgres and one registry, each of which may be killed and started again.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    Endpoint, Folder, Upstream, build, free_port,
    part::{Part, Program},
    postgres::Postgres,
    probe::Probe,
    zot,
};
use crate::process;

/// Longest start of one part: Postgres may have to recover, and the machine may be busy.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// Longest run of a command on the cluster.
const COMMAND_DEADLINE: Duration = Duration::from_secs(300);

/// The key that may do everything.
const ROOT: (&str, &str) = ("AKIACLUSTER", "0123456789abcdef0123456789abcdef");

/// The parts, in the order in which they are stopped when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The sidecars.
    pub sidecars: Vec<Part>,
    /// What holds the bytes.
    pub registry: Part,
    /// What holds the index.
    pub postgres: Part,
    endpoints: Vec<Endpoint>,
    folder: Folder,
}

impl Cluster {
    /// Starts so many sidecars in front of `upstream`, and waits until all are ready.
    ///
    /// # Errors
    /// When a part cannot be built, or is not ready in time.
    pub fn start(upstream: &Upstream, sidecars: usize) -> Result<Self> {
        // First, for it may take minutes: a test that is killed meanwhile leaves no folder behind.
        let program = build::proxy_binary()?;
        let folder = Folder::temporary()?;
        let at = folder.path();
        let database = Postgres::prepare(at, free_port()?).context("preparing Postgres")?;
        let database_url = database.url();
        let registry = Registry::new(upstream, at)?;
        let (registry_url, zot_config) = (registry.url.clone(), registry.zot_config.clone());
        let mut cluster = Self {
            sidecars: Vec::new(),
            registry: Part::new("registry", registry, at.join("registry.log")),
            postgres: Part::new("postgres", database, at.join("postgres.log")),
            endpoints: Vec::new(),
            folder,
        };
        cluster.registry.start(START_DEADLINE, &[])?;
        cluster.postgres.start(START_DEADLINE, &[])?;
        for number in 1..=sidecars {
            let address = format!("127.0.0.1:{}", free_port()?);
            let configuration = cluster.configuration_of(number);
            std::fs::write(&configuration, text(&address, &database_url, &registry_url, zot_config.as_deref()))?;
            let url = format!("http://{address}");
            let name = format!("sidecar {number}");
            let sidecar = Sidecar { program: program.to_owned(), configuration, url: url.clone() };
            let log = cluster.folder.path().join(format!("sidecar-{number}.log"));
            let mut part = Part::new(&name, sidecar, log);
            part.start(START_DEADLINE, &[])?;
            cluster.sidecars.push(part);
            cluster.endpoints.push(Endpoint { url, access_key: ROOT.0.to_owned(), secret_key: ROOT.1.to_owned() });
        }
        Ok(cluster)
    }

    /// Where the sidecars listen.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Starts again whatever does not run.
    ///
    /// # Errors
    /// When a part is not ready in time.
    pub fn restart_what_has_ended(&mut self) -> Result<()> {
        for part in [&mut self.postgres, &mut self.registry].into_iter().chain(&mut self.sidecars) {
            if part.has_ended()? {
                part.start(START_DEADLINE, &[])?;
            }
        }
        Ok(())
    }

    /// Runs a command of the sidecar's program, with the configuration of the first sidecar: what it wrote.
    ///
    /// # Errors
    /// When it ends with a status other than 0, or not in time.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(build::proxy_binary()?);
        command.args(arguments).arg("--config").arg(self.configuration_of(1));
        Ok(process::run_ok(&mut command, COMMAND_DEADLINE)?.stdout)
    }

    /// The last lines of the logs of all parts.
    #[must_use]
    pub fn log_tail(&self) -> String {
        [&self.postgres, &self.registry].into_iter().chain(&self.sidecars).map(Part::log_tail).collect()
    }

    fn configuration_of(&self, sidecar: usize) -> PathBuf {
        self.folder.path().join(format!("sidecar-{sidecar}.toml"))
    }
}

/// A configuration whose waits are short, and whose sweeper is quick, so that both are met within a test.
fn text(address: &str, database: &str, registry: &str, zot_config: Option<&Path>) -> String {
    let zot = zot_config.map(|path| format!("zot_config = {:?}\n", path.display().to_string())).unwrap_or_default();
    let (id, secret) = ROOT;
    format!(
        r#"
[listen]
address = "{address}"

[database]
url = "{database}"
acquire_timeout = "2s"
statement_timeout = "10s"

[store]
url = "{registry}"
shards = 2
response_timeout = "3s"
stall_timeout = "5s"
{zot}
[store.breaker]
recovery_time = "500ms"

[blobs]
sweep_interval = "500ms"
sweep_grace = "15s"

[[access_keys]]
id = "{id}"
secret = "{secret}"
"#
    )
}

struct Sidecar {
    program: PathBuf,
    configuration: PathBuf,
    url: String,
}

impl Program for Sidecar {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--config"]).arg(&self.configuration).env_remove("ZAS_ABORT_AT");
        command
    }

    fn is_ready(&self, _: u32) -> bool {
        Probe::new(format!("{}/-/readyz", self.url)).is_ok()
    }
}

struct Registry {
    program: PathBuf,
    arguments: Vec<String>,
    url: String,
    zot_config: Option<PathBuf>,
}

impl Registry {
    fn new(upstream: &Upstream, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let (program, arguments, zot_config) = match upstream {
            Upstream::Embedded => {
                let root = folder.join("registry").display().to_string();
                let arguments = vec!["--listen".to_owned(), format!("127.0.0.1:{port}"), "--root".to_owned(), root];
                (build::registry_binary()?.to_owned(), arguments, None)
            }
            Upstream::Zot(program) => {
                let file = folder.join("zot.json");
                std::fs::write(&file, zot::configuration(folder, port).to_string())?;
                (program.clone(), vec!["serve".to_owned(), file.display().to_string()], Some(file))
            }
        };
        Ok(Self { program, arguments, url: format!("http://127.0.0.1:{port}"), zot_config })
    }
}

impl Program for Registry {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    fn is_ready(&self, _: u32) -> bool {
        Probe::new(format!("{}/v2/", self.url)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_the_database_the_registry_and_a_zots_own_configuration() {
        let with = text("127.0.0.1:1", "postgres://x", "http://127.0.0.1:2", Some(Path::new("/tmp/zot.json")));
        assert!(with.contains("url = \"postgres://x\"") && with.contains("zot_config = \"/tmp/zot.json\""), "{with}");
        assert!(!text("127.0.0.1:1", "postgres://x", "http://127.0.0.1:2", None).contains("zot_config"));
    }
}
