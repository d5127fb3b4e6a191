//! A child that ends with us: a shell holds it by one end of a pipe whose other end is ours alone. When we close it, or
//! die in any way at all, the shell reads the end of the file and shuts its child down.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::error::PostgresError;
use super::home::Account;

/// How often a state that nobody announces is looked at.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// `$1` is a folder to remove at the end, or empty; the rest is the command.
///
/// The child gets SIGINT (Postgres: fast shutdown) again and again, for one that arrives before its handler is set would be lost;
/// after 20 seconds SIGQUIT, and 5 seconds later SIGKILL.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
remove=$1
shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(
    read -r line <&3
    ticks=0
    while [ "$ticks" -lt 200 ] && kill -INT "$child" 2>/dev/null; do
        sleep 0.1 2>/dev/null || { sleep 1; ticks=$((ticks + 9)); }
        ticks=$((ticks + 1))
    done
    kill -QUIT "$child" 2>/dev/null && sleep 5
    kill -KILL "$child" 2>/dev/null
) &
guard=$!
exec 3<&-
wait "$child"
status=$?
kill -KILL "$guard" 2>/dev/null
if [ -n "$remove" ]; then rm -rf -- "$remove"; fi
exit "$status"
"#;

/// A child under the watchdog.
#[derive(Debug)]
pub(super) struct Watched {
    shell: Child,
    // Dropping it is the order to shut down.
    pipe: Option<ChildStdin>,
}

impl Watched {
    /// Starts `program` as `account`, its output going to `log`.
    pub(super) fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        account: Option<&Account>,
        log: File,
        remove: Option<&Path>,
    ) -> Result<Self, PostgresError> {
        let run = |source| PostgresError::Run { program: program.to_owned(), source };
        let stdout = log.try_clone().map_err(run)?;
        let mut command = command("sh", account);
        command.args(["-c", SCRIPT, "zas-postgres-watchdog"]).arg(remove.unwrap_or_else(|| Path::new("")));
        command.arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(stdout).stderr(log);
        // A group of its own: Ctrl-C at a terminal is for us, and we decide the order in which things end.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut shell = command.spawn().map_err(run)?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// How the child ended, if it has.
    pub(super) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().ok().flatten()
    }

    /// Waits until the child ends by itself.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.try_wait() {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Shuts the child down and waits until it has ended.
    pub(super) async fn stop(&mut self, limit: Duration) -> Result<(), PostgresError> {
        drop(self.pipe.take());
        match tokio::time::timeout(limit, self.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(PostgresError::StopTimeout { limit }),
        }
    }
}

/// A command that runs as `account`, from a folder that everybody can enter, and without settings for other Postgres clients.
pub(super) fn command(program: impl AsRef<OsStr>, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    if let Some(account) = account {
        std::os::unix::process::CommandExt::uid(&mut command, account.uid);
        std::os::unix::process::CommandExt::gid(&mut command, account.gid);
    }
    command
}

/// Runs a short command to its end; its output where it succeeded within `limit`.
pub(super) async fn brief(mut command: Command, limit: Duration) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(2)).await,
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            _ => return None,
        }
    }
    let mut output = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take()?, &mut output).ok()?;
    Some(output)
}
