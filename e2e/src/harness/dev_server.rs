//! The product as a newcomer runs it: `zas-proxy dev`, with its Postgres and its upstream, in a folder of its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Endpoint, Folder, build, free_port, probe::Probe};
use crate::process::{self, Server};

/// Longest start: a first one may fetch a Postgres.
const START_DEADLINE: Duration = Duration::from_secs(300);

/// Longest stop: the grace period for transfers in flight, and Postgres' shutdown checkpoint.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// Longest look at a whole audit log.
const VERIFY_DEADLINE: Duration = Duration::from_secs(120);

/// What stands behind the sidecar.
#[derive(Debug, Clone, Default)]
pub enum Upstream {
    /// The registry that is built in.
    #[default]
    Embedded,
    /// A stock Zot, by the path of its executable.
    Zot(PathBuf),
}

/// How to start a [`DevServer`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What stands behind it.
    pub upstream: Upstream,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Its data folder, to start again on what an earlier one left; a temporary one where none is given.
    pub data_dir: Option<PathBuf>,
    /// Arguments after the harness's own.
    pub arguments: Vec<OsString>,
    /// Environment variables, as (name, value).
    pub environment: Vec<(String, String)>,
}

/// A running `zas-proxy dev`.
#[derive(Debug)]
pub struct DevServer {
    // Dropped in this order: the processes end before their folder goes.
    server: Server,
    endpoint: Endpoint,
    folder: Folder,
}

impl DevServer {
    /// Starts one on a free port and waits until it is ready.
    ///
    /// # Errors
    /// When the binary cannot be built, or the server ends or is not ready in time; the error shows the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        // First, for it may take minutes: a test that is killed meanwhile leaves no folder behind.
        let binary = build::proxy_binary()?;
        let folder = match &options.data_dir {
            Some(folder) => Folder::Kept(folder.clone()),
            None => Folder::temporary()?,
        };
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data)?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(binary);
        command.args(["dev", "--listen", &listen, "--data-dir"]).arg(&data).arg("--zot");
        match &options.upstream {
            Upstream::Embedded => command.arg("embedded"),
            Upstream::Zot(path) => command.arg(path),
        };
        if options.tls {
            command.arg("--tls");
        }
        command.args(&options.arguments).env_remove("ZOT_BIN").envs(options.environment.iter().cloned());
        let url = format!("{}://{listen}", if options.tls { "https" } else { "http" });
        let mut server =
            Server::start("zas-proxy dev", &mut command, &folder.path().join("dev.log"), folder.scratch())?;
        let ready = Probe::new(format!("{url}/-/readyz"));
        server.wait_until(START_DEADLINE, || ready.is_ok())?;
        let (access_key, secret_key) = credentials(&data.join("credentials"))?;
        Ok(Self { server, endpoint: Endpoint { url, access_key, secret_key }, folder })
    }

    /// Where it listens, and its root access key.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs `zas-proxy audit verify` on its database and its registry, up to this very moment.
    ///
    /// # Errors
    /// When the command finds anything, or cannot look; with all that it said.
    pub fn verify_audit(&self) -> Result<()> {
        let mut verify = Command::new(build::proxy_binary()?);
        // By itself it leaves the last minute for the next time.
        verify.args(["audit", "verify", "--to", "2999-01-01", "--config"]).arg(self.data_dir().join("zas.toml"));
        let said = process::run_ok(&mut verify, VERIFY_DEADLINE)?.stdout;
        ensure!(said.contains("The audit log is in order."), "{said}");
        Ok(())
    }

    /// With TLS: the certificate that clients must trust.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.data_dir().join("tls").join("ca.pem")
    }

    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.server.log_tail()
    }

    /// Stops it as Ctrl-C does, and says how it ended.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.server.stop(STOP_DEADLINE)
    }

    /// Kills the process and nothing that it started, as a crash would.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub fn crash(&mut self) -> Result<()> {
        self.server.crash()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        drop(self.stop());
        end_left_database(&self.data_dir());
    }
}

/// The access key id and the secret of the profile `zas` in an AWS credentials file.
fn credentials(file: &Path) -> Result<(String, String)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("the server wrote no {}", file.display()))?;
    let (mut access_key, mut secret_key, mut in_profile) = (None, None, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_profile = line == "[zas]";
        } else if let Some((name, value)) = line.split_once('=').filter(|_| in_profile) {
            match name.trim() {
                "aws_access_key_id" => access_key = Some(value.trim().to_owned()),
                "aws_secret_access_key" => secret_key = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    match (access_key, secret_key) {
        (Some(access_key), Some(secret_key)) => Ok((access_key, secret_key)),
        _ => bail!("{} has no key in a profile `zas`", file.display()),
    }
}

/// Ends a Postgres of this data folder that a crashed server left running: its process group is not the server's.
fn end_left_database(data: &Path) {
    for file in postmaster_files(data, 3) {
        let pid = std::fs::read_to_string(&file).ok().and_then(|text| text.lines().next()?.trim().parse::<i32>().ok());
        let Some(pid) = pid else { continue };
        // The id may have become another process's: only one that works in this folder is ours.
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd"));
        if works_in.is_ok_and(|folder| folder.starts_with(data)) {
            process::interrupt(pid);
        }
    }
}

fn postmaster_files(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == "postmaster.pid" {
            found.push(path);
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(postmaster_files(&path, depth - 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_profile_zas_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "[default]\naws_access_key_id = no\n[zas]\naws_access_key_id = AKIA\naws_secret_access_key=s3cr=t\n";
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(credentials(file.path()).unwrap(), ("AKIA".into(), "s3cr=t".into()));
    }

    #[test]
    fn credentials_without_the_profile_are_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[default]\naws_access_key_id = a\naws_secret_access_key = b\n").unwrap();
        assert!(credentials(file.path()).unwrap_err().to_string().contains("profile `zas`"));
    }
}
