//! Child processes: commands that run to their end within a deadline, and servers that run until they are stopped.
//!
//! Every child leads a process group of its own, so that what it starts in turn can be ended with it. A server has a
//! guardian too: a small shell that ends the group when this process dies without having stopped it.
//! What to start, and how to see that it is ready, is in [`crate::harness`].

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often a waiting loop looks again.
const POLL: Duration = Duration::from_millis(10);

/// How much of a log is kept in an error text, in lines.
const TAIL_LINES: usize = 60;

/// What a command left behind when it ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

/// Runs `command` to its end and gives back what it wrote, whatever its exit status.
///
/// # Errors
/// When it cannot be started, or is still running after `deadline`; it is killed then, with all that it started.
pub fn run(command: &mut Command, deadline: Duration) -> Result<Finished> {
    run_with_input(command, b"", deadline)
}

/// As [`run`], and a status other than 0 is an error that carries both outputs.
///
/// # Errors
/// As [`run`], or when the command failed.
pub fn run_ok(command: &mut Command, deadline: Duration) -> Result<Finished> {
    run_ok_with_input(command, b"", deadline)
}

/// As [`run_ok`], with `input` on the command's standard input.
///
/// # Errors
/// As [`run_ok`].
pub fn run_ok_with_input(command: &mut Command, input: &[u8], deadline: Duration) -> Result<Finished> {
    let name = name_of(command);
    let finished = run_with_input(command, input, deadline)?;
    if !finished.status.success() {
        bail!("`{name}` ended with {}\n{}{}", finished.status, tail(&finished.stdout), tail(&finished.stderr));
    }
    Ok(finished)
}

fn run_with_input(command: &mut Command, input: &[u8], deadline: Duration) -> Result<Finished> {
    let name = name_of(command);
    // Files rather than pipes: a child that writes much never blocks on us, and no reader threads are needed.
    let (mut stdin, mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?);
    stdin.write_all(input)?;
    stdin.seek(SeekFrom::Start(0))?;
    command.stdin(stdin).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start `{name}`"))?;
    let status = match wait(&mut child, deadline)? {
        Some(status) => status,
        None => {
            signal_group(&child, Signal::KILL);
            child.wait()?;
            bail!(
                "`{name}` was still running after {deadline:?}\n{}{}",
                tail(&read_back(&mut stdout)?),
                tail(&read_back(&mut stderr)?)
            );
        }
    };
    Ok(Finished { status, stdout: read_back(&mut stdout)?, stderr: read_back(&mut stderr)? })
}

/// A server: a child process that runs until it is stopped or dropped, with everything it writes in a log file.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    guardian: Guardian,
    grace: Duration,
}

impl Server {
    /// Starts `command`, its output going to the end of the file `log`. `scratch`, where given, is a folder that the
    /// guardian removes when this process dies before it has stopped the server.
    ///
    /// # Errors
    /// When the log cannot be opened or the command cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path, scratch: Option<&Path>) -> Result<Self> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}: `{}`", name_of(command)))?;
        let guardian = match Guardian::watch(child.id(), scratch) {
            Ok(guardian) => guardian,
            Err(error) => {
                signal_group(&child, Signal::KILL);
                child.wait()?;
                return Err(error);
            }
        };
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), guardian, grace: Duration::from_secs(20) })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it is still running after `deadline`; it runs on then.
    pub fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        if self.ended()?.is_none() {
            signal(&self.child, Signal::TERM);
        }
        match wait(&mut self.child, deadline)? {
            Some(status) => Ok(status),
            None => bail!("{} did not stop within {deadline:?} of SIGTERM\n{}", self.name, self.log_tail()),
        }
    }

    /// Kills it (SIGKILL), and not what it has started, as a crash would.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub fn crash(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            signal(&self.child, Signal::KILL);
            self.child.wait()?;
        }
        Ok(())
    }

    /// The last lines of its log, or why there are none.
    #[must_use]
    pub fn log_tail(&self) -> String {
        match std::fs::read(&self.log) {
            Ok(log) => format!("--- the end of the log of {} ---\n{}", self.name, tail(&String::from_utf8_lossy(&log))),
            Err(error) => format!("--- no log of {}: {error} ---\n", self.name),
        }
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the server ends first, or is not ready after `deadline`; both carry the end of the log.
    pub fn wait_until(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let until = Instant::now() + deadline;
        while !ready() {
            if let Some(status) = self.ended()? {
                bail!("{} ended with {status} before it was ready\n{}", self.name, self.log_tail());
            }
            if Instant::now() > until {
                bail!("{} was not ready within {deadline:?}\n{}", self.name, self.log_tail());
            }
            thread::sleep(POLL * 5);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop(self.grace).is_err() {
            signal_group(&self.child, Signal::KILL);
            // A killed process always ends, and there is nobody here to tell the status to.
            drop(self.child.wait());
        }
        // What it started and left in its group must not outlive it.
        signal_group(&self.child, Signal::KILL);
        self.guardian.dismiss();
    }
}

/// A shell that blocks on a pipe from this process: end of file without a line means that this process died.
#[derive(Debug)]
struct Guardian(Child);

impl Guardian {
    const SCRIPT: &str = r#"
        if read -r _; then exit 0; fi
        kill -s TERM -- "-$1"
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            kill -s 0 -- "-$1" || break
            sleep 1
        done
        kill -s KILL -- "-$1"
        if [ -n "$2" ]; then rm -rf -- "$2"; fi
    "#;

    fn watch(group: u32, scratch: Option<&Path>) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", Self::SCRIPT, "guardian", &group.to_string()])
            .arg(scratch.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            // Not ours: whoever reads our output would wait for the guardian's end otherwise.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start a guardian: no `sh`?")?;
        Ok(Self(child))
    }

    fn dismiss(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take()
            && pipe.write_all(b"done\n").is_err()
        {
            // It has ended already: there is nobody left to dismiss.
        }
        drop(self.0.wait());
    }
}

/// Takes from a command of cargo what cargo has told this test of its package: it would make build scripts run again that look at such
/// variables.
pub(crate) fn without_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
}

/// Sends SIGINT to a process that was not started here, such as a database that a crashed server left behind.
pub(crate) fn interrupt(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that has ended meanwhile is what we want.
        let _ = kill_process(pid, Signal::INT);
    }
}

fn wait(child: &mut Child, deadline: Duration) -> Result<Option<ExitStatus>> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > until {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn signal(child: &Child, signal: Signal) {
    // The child is not reaped yet, so its id is still its own; that it may just have ended is fine.
    let _ = kill_process(Pid::from_child(child), signal);
}

fn signal_group(child: &Child, signal: Signal) {
    // An empty group is what we want.
    let _ = kill_process_group(Pid::from_child(child), signal);
}

fn read_back(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn name_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of `text`, each kept whole, with a line end after the last.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let kept = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    kept.iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn is_running(pid: i32) -> bool {
        // A zombie still has an id; its state says that it is none.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn eventually(mut condition: impl FnMut() -> bool) -> bool {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if condition() {
                return true;
            }
            thread::sleep(POLL);
        }
        false
    }

    #[test]
    fn a_command_gives_back_both_outputs_and_its_status() {
        let finished = run(&mut shell("echo out; echo err >&2; exit 3"), DEADLINE).unwrap();
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str(), finished.status.code()),
            ("out\n", "err\n", Some(3))
        );
    }

    #[test]
    fn a_failed_command_is_an_error_that_shows_what_it_wrote() {
        let error = run_ok(&mut shell("echo it broke >&2; exit 1"), DEADLINE).unwrap_err();
        assert!(error.to_string().contains("it broke"), "{error}");
    }

    #[test]
    fn a_command_reads_its_input() {
        let finished = run_ok_with_input(&mut shell("cat"), b"hello", DEADLINE).unwrap();
        assert_eq!(finished.stdout, "hello");
    }

    #[test]
    fn a_command_that_runs_too_long_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let error = run(&mut shell(&format!("sleep 600 & echo $! > {}; wait", file.display())), Duration::from_secs(1))
            .unwrap_err();
        assert!(error.to_string().contains("still running"), "{error}");
        let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        assert!(eventually(|| !is_running(pid)));
    }

    #[test]
    fn a_dropped_server_takes_its_children_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (log, file) = (folder.path().join("log"), folder.path().join("pid"));
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let mut server = Server::start("a server", &mut shell(&script), &log, None).unwrap();
        server.wait_until(DEADLINE, || std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))).unwrap();
        let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        assert!(is_running(pid));
        drop(server);
        assert!(eventually(|| !is_running(pid)));
    }

    #[test]
    fn a_server_that_ends_early_is_an_error_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut server =
            Server::start("a server", &mut shell("echo no such port; exit 1"), &folder.path().join("log"), None)
                .unwrap();
        let error = server.wait_until(DEADLINE, || false).unwrap_err().to_string();
        assert!(error.contains("ended with") && error.contains("no such port"), "{error}");
    }

    #[test]
    fn the_guardian_ends_the_group_and_removes_the_folder_when_its_pipe_closes() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let mut guardian = Guardian::watch(child.id(), Some(&scratch)).unwrap();
        drop(guardian.0.stdin.take());
        assert!(wait(&mut child, DEADLINE).unwrap().is_some());
        assert!(eventually(|| !scratch.exists()));
        guardian.0.wait().unwrap();
    }
}
