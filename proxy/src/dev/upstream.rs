//! The registry behind `dev`: a stock Zot where there is one, else the embedded registry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::child::Child;
use super::credentials;
use super::folder::Folder;
use crate::free_port::free_port;
use crate::store::zot_config;

/// Which registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A stock Zot, by its program.
    Zot(PathBuf),
    /// The embedded registry of this project.
    Embedded,
}

impl Upstream {
    /// A `zot` on PATH, else the embedded registry.
    #[must_use]
    pub fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join("zot"))
            .find(|program| is_executable(program))
            .map_or(Self::Embedded, Self::Zot)
    }

    /// One word, for the names of folders and databases.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Zot(_) => "zot",
            Self::Embedded => "embedded",
        }
    }

    /// What the user reads.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Zot(program) => format!("Registry: the stock Zot at {}", program.display()),
            Self::Embedded => "Registry: the embedded one, for no zot was found (--zot PATH, ZOT_BIN, PATH)".to_owned(),
        }
    }
}

fn is_executable(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(program).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A registry that runs.
pub(super) struct Running {
    /// Its base URL.
    pub(super) url: String,
    /// Its configuration file, where it is a Zot.
    pub(super) zot_config: Option<PathBuf>,
    /// The key that it wants tokens of, where it is a Zot.
    pub(super) token_key: Option<PathBuf>,
    server: Server,
}

enum Server {
    Zot(Child),
    Embedded(zas_registry::Server),
}

impl Running {
    /// Stops it.
    pub(super) async fn stop(self) {
        match self.server {
            Server::Zot(child) => child.stop().await,
            Server::Embedded(server) => server.shutdown().await,
        }
    }
}

/// Starts the registry and waits until it answers.
pub(super) async fn start(kind: &Upstream, folder: &Folder, prefix: &str) -> anyhow::Result<Running> {
    match kind {
        Upstream::Zot(program) => start_zot(program, folder, prefix).await,
        Upstream::Embedded => start_embedded(folder).await,
    }
}

async fn start_embedded(folder: &Folder) -> anyhow::Result<Running> {
    let root = folder.path("registry");
    let registry = zas_registry::Registry::open(&root, zas_registry::Options::default())
        .with_context(|| format!("opening the embedded registry in {}", root.display()))?;
    let server = zas_registry::Server::start(registry, std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .context("starting the embedded registry")?;
    Ok(Running {
        url: format!("http://{}", server.local_addr()),
        zot_config: None,
        token_key: None,
        server: Server::Embedded(server),
    })
}

async fn start_zot(program: &Path, folder: &Folder, prefix: &str) -> anyhow::Result<Running> {
    if !is_executable(program) {
        bail!("{} is no program that can be run; name a zot with --zot, or use --zot embedded", program.display());
    }
    let (private, public) = credentials::store_key(folder)?;
    let port = free_port().context("looking for a free port for Zot")?;
    let config = zot_config::right_config(&zot_config::Options {
        root_directory: folder.path("zot/oci"),
        s3_root_directory: folder.path("zot/s3"),
        address: "127.0.0.1".to_owned(),
        port,
        prefix: prefix.to_owned(),
        token_key: Some(public),
    });
    let config_file = folder.write_private("zot.json", &serde_json::to_string_pretty(&config)?)?;
    let log_file = folder.path("zot.log");
    let log = File::create(&log_file).with_context(|| format!("writing {}", log_file.display()))?;
    let arguments = [std::ffi::OsStr::new("serve"), config_file.as_os_str()];
    let mut child = Child::spawn(program.as_os_str(), arguments, &[], log).context("starting Zot")?;
    let url = format!("http://127.0.0.1:{port}");
    wait_until_it_answers(&mut child, &url, &log_file).await?;
    Ok(Running { url, zot_config: Some(config_file), token_key: Some(private), server: Server::Zot(child) })
}

async fn wait_until_it_answers(child: &mut Child, url: &str, log_file: &Path) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while tokio::time::Instant::now() < deadline {
        if let Some(status) = child.ended()? {
            bail!("Zot ended at once ({status}); its log ends with:\n{}", tail(log_file));
        }
        // It answers us, though not without a token.
        if client.get(format!("{url}/v2/")).send().await.is_ok_and(|answer| answer.status() == 401) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("Zot did not answer at {url} within 30 seconds; its log ends with:\n{}", tail(log_file))
}

fn tail(log_file: &Path) -> String {
    let text = fs::read_to_string(log_file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_zot_that_ends_at_once_is_reported_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let program = dir.path().join("broken-zot");
        fs::write(&program, "#!/bin/sh\necho the storage is on fire\nexit 3\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = start(&Upstream::Zot(program), &folder, "s3").await.err().unwrap().to_string();
        assert!(error.contains("the storage is on fire"), "{error}");
    }

    #[tokio::test]
    async fn a_zot_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let error = start(&Upstream::Zot("/nowhere/zot".into()), &folder, "s3").await.err().unwrap().to_string();
        assert!(error.contains("/nowhere/zot"), "{error}");
    }
}
