//! What a killed run left: a Postgres that goes on, or the mere trace of one.
//!
//! Called under the folder's lock, so that whatever runs on the data is nobody's any more.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::PostgresError;
use super::home::Account;
use super::watchdog::{POLL, brief, command};

/// Signals in the order in which they are tried, and how long each has: fast shutdown, at once, without asking.
const SIGNALS: [(&str, Duration); 3] =
    [("INT", Duration::from_secs(30)), ("QUIT", Duration::from_secs(10)), ("KILL", Duration::from_secs(10))];

/// Stops a Postgres that still runs on `data`, and removes a trace that would keep the next from starting.
pub(super) async fn stop_previous(data: &Path, account: Option<&Account>) -> Result<(), PostgresError> {
    let path = data.join("postmaster.pid");
    let Some(pid) = recorded_pid(&path) else { return Ok(()) };
    if runs_on(pid, data).await {
        return stop(pid, data, account).await;
    }
    // Postgres sees by itself that a dead process is dead. One that is alive but another program, for numbers
    // are used again, it would believe.
    if signal(pid, "0", None).await {
        fs::remove_file(&path).map_err(PostgresError::folder("remove", &path))?;
    }
    Ok(())
}

/// The process that postmaster.pid names in its first line.
pub(super) fn recorded_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
}

/// Whether a process is a Postgres that works on `data`: it makes that its working folder, and we start it with `-D`.
async fn runs_on(pid: u32, data: &Path) -> bool {
    let Ok(data) = fs::canonicalize(data) else { return false };
    if Path::new("/proc/self/cwd").exists() {
        return fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    }
    let mut ps = command("ps", None);
    ps.args(["-p", &pid.to_string(), "-o", "command="]);
    let line = brief(ps, Duration::from_secs(10)).await.unwrap_or_default();
    line.contains("postgres") && line.contains(&data.display().to_string())
}

async fn stop(pid: u32, data: &Path, account: Option<&Account>) -> Result<(), PostgresError> {
    tracing::info!(pid, "stopping the Postgres that an earlier run left");
    for (name, patience) in SIGNALS {
        signal(pid, name, account).await;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !runs_on(pid, data).await {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Err(PostgresError::StillRunning { pid })
}

/// Sends a signal by the shell's `kill`; whether it could be sent.
async fn signal(pid: u32, name: &str, account: Option<&Account>) -> bool {
    let mut kill = command("sh", account);
    kill.args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &pid.to_string()]);
    brief(kill, Duration::from_secs(10)).await.is_some()
}
