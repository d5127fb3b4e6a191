//! A program that can be killed and started again as it was: on the same port, with what it has left behind.

use std::{
    fmt,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::process::Server;

/// How long after a start that failed the next one is tried.
const PAUSE: Duration = Duration::from_millis(200);

/// How a part is started, and how one sees that it is ready.
pub(super) trait Program: Send {
    /// The command, made anew for every start.
    fn command(&self) -> Command;
    /// Whether the process of this id is ready.
    fn is_ready(&self, id: u32) -> bool;
}

/// One of several programs that make up a [`Cluster`](super::Cluster).
pub struct Part {
    name: String,
    program: Box<dyn Program>,
    log: PathBuf,
    server: Option<Server>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name).field("server", &self.server).finish_non_exhaustive()
    }
}

impl Part {
    pub(super) fn new(name: &str, program: impl Program + 'static, log: PathBuf) -> Self {
        Self { name: name.to_owned(), program: Box::new(program), log, server: None }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, with `environment` besides our own, and waits until it is ready. One that ends meanwhile is started again: what
    /// a killed one has left needs a moment to go.
    ///
    /// # Errors
    /// When it is not ready within `deadline`.
    pub fn start(&mut self, deadline: Duration, environment: &[(&str, &str)]) -> Result<()> {
        let until = Instant::now() + deadline;
        // What is left of the last one goes first.
        self.server = None;
        loop {
            let mut command = self.program.command();
            command.envs(environment.iter().copied());
            let mut server = Server::start(&self.name, &mut command, &self.log, None)?;
            let id = server.id();
            let ready =
                server.wait_until(until.saturating_duration_since(Instant::now()), || self.program.is_ready(id));
            match ready {
                Ok(()) => {
                    self.server = Some(server);
                    return Ok(());
                }
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Kills it (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn crash(&mut self) -> Result<()> {
        self.server.as_mut().with_context(|| format!("{} was not started", self.name))?.crash()
    }

    /// Whether it does not run.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(match &mut self.server {
            Some(server) => server.ended()?.is_some(),
            None => true,
        })
    }

    /// Fails where it does not run.
    ///
    /// # Errors
    /// When it has ended by itself, with the end of its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        if self.has_ended()? {
            bail!("{} has ended by itself\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.server.as_ref().map_or_else(|| format!("--- {} does not run ---\n", self.name), Server::log_tail)
    }
}
