//! Makes the data folder where there is none, starts Postgres on it and waits until it answers.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::error::PostgresError;
use super::find::Installation;
use super::home::Home;
use super::stale;
use super::watchdog::{POLL, Watched};
use super::{Options, USER, connect_options};
use crate::free_port::free_port;

/// How much of a program's output an error shows.
const TAIL_BYTES: u64 = 4096;

/// Texts of Postgres that say: later, or on another port, it may work. Another program may take the port between our
/// look and Postgres' bind, and the children of a postmaster that was killed need a moment to notice.
const PASSING: [&str; 4] =
    ["Address already in use", "could not create any TCP/IP sockets", "is still in use", "already exists"];

/// Starts Postgres; the caller bounds the time.
pub(super) async fn boot(
    home: &Home,
    installation: &Installation,
    options: &Options,
) -> Result<(Watched, u16), PostgresError> {
    stale::stop_previous(&home.data(), home.account()).await?;
    if home.major()?.is_none() {
        initialise(home, installation, options).await?;
    }
    loop {
        let log = home.open_log()?;
        let before = log.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        let port = free_port().map_err(PostgresError::folder("bind a port on", Path::new("127.0.0.1")))?;
        let remove = options.remove_at_end.then(|| home.folder());
        let program = installation.bin.join("postgres");
        let mut watched = Watched::spawn(&program, arguments(home, options, port), home.account(), log, remove)?;
        if until_ready(&mut watched, home, port).await {
            return Ok((watched, port));
        }
        let output = tail(&home.log(), before);
        if options.remove_at_end || !PASSING.iter().any(|text| output.contains(text)) {
            return Err(PostgresError::Start { log: home.log(), output });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Runs initdb in a folder beside the one that counts, so that one that was cut short is never taken for data.
async fn initialise(home: &Home, installation: &Installation, options: &Options) -> Result<(), PostgresError> {
    remove_unfinished(home.folder());
    let fresh = home.folder().join(format!("data.new-{}", hex::encode(rand::random::<[u8; 4]>())));
    let log = home.open_log()?;
    let before = log.metadata().map(|metadata| metadata.len()).unwrap_or_default();
    let mut arguments: Vec<OsString> =
        ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-instructions"].map(Into::into).to_vec();
    arguments.extend([format!("--username={USER}").into(), "--pwfile".into(), home.password_file().into()]);
    arguments.extend(["--pgdata".into(), fresh.clone().into()]);
    if !options.fsync {
        arguments.push("--no-sync".into());
    }
    let program = installation.bin.join("initdb");
    let mut watched = Watched::spawn(&program, arguments, home.account(), log, None)?;
    if !watched.wait().await.success() {
        return Err(PostgresError::Init { output: tail(&home.log(), before) });
    }
    fs::rename(&fresh, home.data()).map_err(PostgresError::folder("rename", &fresh))
}

/// Removes what an initdb that was cut short left; as well as it can, for it may be at it still.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("data.new-")) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn arguments(home: &Home, options: &Options, port: u16) -> Vec<OsString> {
    let mut arguments = vec!["-D".into(), home.data().into()];
    let on = if options.fsync { "on" } else { "off" };
    for setting in [
        // This machine only, and by TCP only: a socket's path may be too long for the system.
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        format!("port={port}"),
        format!("max_connections={}", options.max_connections),
        format!("shared_buffers={}", options.shared_buffers),
        format!("fsync={on}"),
        format!("full_page_writes={on}"),
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        "log_timezone=UTC".to_owned(),
        "timezone=UTC".to_owned(),
    ] {
        arguments.extend(["-c".into(), setting.into()]);
    }
    arguments
}

/// Waits until Postgres answers (true) or has ended (false).
async fn until_ready(watched: &mut Watched, home: &Home, port: u16) -> bool {
    let options = connect_options(home, port, "postgres");
    loop {
        if watched.try_wait().is_some() {
            return false;
        }
        // Only the password's holder is let in, and only our Postgres knows the password's hash: another
        // server on this port does not pass.
        let attempt = tokio::time::timeout(Duration::from_secs(5), options.connect()).await;
        if let Ok(Ok(connection)) = attempt {
            let _ = tokio::time::timeout(Duration::from_secs(5), connection.close()).await;
            return true;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The end of a log, nothing from before `from`.
fn tail(path: &Path, from: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}
