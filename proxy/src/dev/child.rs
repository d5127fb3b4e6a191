//! A child process that does not outlive us, however we end.
//!
//! The child runs under a small shell that holds the reading end of a pipe. When we let go of the writing end, or are
//! killed and the kernel does, the shell asks the child to stop and, if it will not, ends it.

use std::ffi::OsStr;
use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{ChildStdin, Command};

/// Waits for the child and for the end of the pipe, whichever is first.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(
  cat <&3 >/dev/null
  kill -TERM "$child" 2>/dev/null || exit 0
  n=0
  while [ "$n" -lt 100 ] && kill -0 "$child" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
  kill -KILL "$child" 2>/dev/null
) >/dev/null 2>&1 &
exec 3<&-
wait "$child"
"#;

/// A running child.
#[derive(Debug)]
pub struct Child {
    shell: tokio::process::Child,
    /// Held open for as long as the child shall live.
    pipe: Option<ChildStdin>,
}

impl Child {
    /// Starts `program`, with these besides our own environment; its output goes to `log`. It has a process group of its own: Ctrl-C at the terminal reaches us, and
    /// we stop it in order.
    /// # Errors
    /// The shell cannot be started. A program that cannot be started shows as an early exit.
    pub fn spawn<I: AsRef<OsStr>>(
        program: &OsStr,
        arguments: impl IntoIterator<Item = I>,
        environment: &[(&str, &str)],
        log: File,
    ) -> std::io::Result<Self> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(WATCHDOG).arg("sh").arg(program).args(arguments);
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut shell = command.spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// The exit status, if it has ended.
    /// # Errors
    /// The system cannot tell.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }

    /// Asks it to stop and waits until it has, at most fifteen seconds.
    pub async fn stop(mut self) {
        drop(self.pipe.take());
        let _ = tokio::time::timeout(Duration::from_secs(15), self.shell.wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
        for _ in 0..300 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited in vain until {what}");
    }

    fn alive(pid: &str) -> bool {
        // A zombie has ended, whoever has yet to ask for its status.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
    }

    async fn start_sleeper(dir: &std::path::Path) -> (Child, String) {
        let log = File::create(dir.join("log")).unwrap();
        let pid_file = dir.join("pid");
        let script = format!("echo $$ > {} && exec sleep 600", pid_file.display());
        let child = Child::spawn(OsStr::new("sh"), ["-c", &script], &[], log).unwrap();
        let read = || std::fs::read_to_string(&pid_file).unwrap_or_default().trim().to_owned();
        wait_until("the child has written its pid", || !read().is_empty()).await;
        (child, read())
    }

    #[tokio::test]
    async fn stopping_ends_the_child() {
        let dir = tempfile::tempdir().unwrap();
        let (child, pid) = start_sleeper(dir.path()).await;
        assert!(alive(&pid));
        child.stop().await;
        wait_until("the child is gone", || !alive(&pid)).await;
    }

    #[tokio::test]
    async fn a_child_ends_when_its_parent_lets_go_without_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let (child, pid) = start_sleeper(dir.path()).await;
        drop(child);
        wait_until("the child is gone", || !alive(&pid)).await;
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_shows_as_an_early_exit() {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut child = Child::spawn(OsStr::new("/nowhere/zot"), ["serve"], &[], log).unwrap();
        let mut ended = None;
        wait_until("it has ended", || {
            ended = child.ended().unwrap();
            ended.is_some()
        })
        .await;
        assert!(!ended.unwrap().success());
    }
}
