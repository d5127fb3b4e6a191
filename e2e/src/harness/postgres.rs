//! A Postgres that a test may kill: prepared in a folder, run as a user that is not root.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{DevServer, Options, part::Program};
use crate::process;

/// Longest preparation of a data folder.
const INIT_DEADLINE: Duration = Duration::from_secs(120);

const USER: &str = "zas";

/// The installation, the folder and the port of one Postgres.
#[derive(Debug)]
pub(super) struct Postgres {
    /// The folder of the programs.
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    account: Option<(u32, u32)>,
    password: String,
}

impl Postgres {
    /// Prepares one in `folder`, which must be reachable by everybody. It is not started.
    pub(super) fn prepare(folder: &Path, port: u16) -> Result<Self> {
        let (programs, account) = (programs()?, account()?);
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("no random numbers"))?;
        let password = hex::encode(random);
        let home = folder.join("postgres");
        let (data, password_file) = (home.join("data"), home.join("password"));
        fs::create_dir(&home)?;
        fs::write(&password_file, &password)?;
        if let Some((user, group)) = account {
            chown(&home, Some(user), Some(group))?;
            chown(&password_file, Some(user), Some(group))?;
        }
        let postgres = Self { programs, data, port, account, password };
        let mut init = postgres.run("initdb", &home);
        init.args(["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-instructions", "--no-sync"]);
        init.arg(format!("--username={USER}")).arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&postgres.data);
        process::run_ok(&mut init, INIT_DEADLINE)?;
        Ok(postgres)
    }

    /// The URL of its first database, password included.
    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres?sslmode=disable", self.password, self.port)
    }

    fn run(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // A folder that its user may enter, which ours need not be.
        command.current_dir(folder);
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Program for Postgres {
    fn command(&self) -> Command {
        let mut command = self.run("postgres", &self.data);
        command.arg("-D").arg(&self.data);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100"] {
            command.args(["-c", setting]);
        }
        command.args(["-c", &format!("port={}", self.port)]);
        command
    }

    fn is_ready(&self, id: u32) -> bool {
        // As pg_ctl sees it: the first line is the process, the eighth its state.
        let file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines().map(str::trim);
        lines.next() == Some(id.to_string().as_str()) && lines.nth(6) == Some("ready")
    }
}

/// The folder of an installed Postgres, or of one that the sidecar's `dev` has fetched; it is made to fetch one where there is none.
fn programs() -> Result<PathBuf> {
    if let Some(found) = find_programs() {
        return Ok(found);
    }
    drop(DevServer::start(&Options::default())?);
    find_programs().context("there is no Postgres on this machine, and none was fetched")
}

fn find_programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(below(Path::new("/usr/lib/postgresql")));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = [cache, std::env::home_dir().map(|home| home.join(".cache"))].into_iter().flatten();
    for cache in caches.chain([PathBuf::from("/var/lib"), PathBuf::from("/var/tmp")]) {
        folders.extend(below(&cache.join("zas-postgresql")));
    }
    folders.into_iter().find_map(|folder| {
        // The link's target, for Postgres looks for its other files beside it.
        let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
        postgres.parent().filter(|folder| folder.join("initdb").exists()).map(Path::to_owned)
    })
}

/// The folders `parent/*/bin`, the highest version first.
fn below(parent: &Path) -> Vec<PathBuf> {
    let major = |folder: &PathBuf| {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split('.').next().and_then(|major| major.parse::<u32>().ok())
    };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(|folder| major(folder).is_some()).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(major(folder)));
    folders.into_iter().map(|folder| folder.join("bin")).collect()
}

/// Whom to run as where we are root, which Postgres refuses: user and group.
fn account() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let account = ["postgres", "nobody"].iter().find_map(|name| parse_account(&users, name));
    account.map(Some).context("Postgres does not run as root, and there is neither `postgres` nor `nobody`")
}

/// User and group of one line of passwd(5).
fn parse_account(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name);
        found.then_some(fields)
    })?;
    Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_group_are_read_from_passwd() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/usr/sbin/nologin\n";
        assert_eq!(parse_account(users, "nobody"), Some((65534, 65533)));
        assert_eq!(parse_account(users, "postgres"), None);
    }
}
