//! The examples of the documentation: blocks of shell, taken from a page and run as they stand there. Only what differs from machine to
//! machine is replaced: ports, and where programs are.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};

use crate::{clients::Room, process::run_ok};

/// Longest run of the examples of one page.
const DEADLINE: Duration = Duration::from_secs(300);

/// What `dev` listens on where nothing else is said.
pub const USUAL: &str = "127.0.0.1:9800";

/// An example that the server refuses is a failed one.
const STRICT: &str = "set -eu\ncurl() { command curl --fail-with-body \"$@\" && echo; }\n";

/// What a line says of itself that must fail.
const DENIED: &str = "# denied";

/// What stands in the blocks of shell of a page, in their order.
#[must_use]
pub fn blocks(page: &str) -> Vec<&str> {
    page.split("```sh\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0)).collect()
}

/// The block of a page that begins so.
///
/// # Errors
/// When there is none, or more than one.
pub fn block<'a>(page: &'a str, begins: &str) -> Result<&'a str> {
    let mut found = blocks(page).into_iter().filter(|block| block.starts_with(begins));
    let first = found.next().with_context(|| format!("no example begins with {begins:?}"))?;
    ensure!(found.next().is_none(), "two examples begin with {begins:?}");
    Ok(first)
}

/// Examples that are run one after the other by one shell.
#[derive(Debug, Clone)]
pub struct Script(String);

impl Default for Script {
    fn default() -> Self {
        Self(STRICT.to_owned())
    }
}

impl Script {
    /// Adds a block. A line that says `# denied` must fail, and everything else must not.
    #[must_use]
    pub fn then(mut self, block: &str) -> Self {
        for line in block.lines() {
            if line.contains(DENIED) {
                self.0.push_str(&format!("if {line}\nthen echo 'this was not denied'; exit 1; fi\n"));
            } else {
                self.0.push_str(line);
                self.0.push('\n');
            }
        }
        self
    }

    /// Puts one text in place of another, which must be there.
    ///
    /// # Errors
    /// When it is nowhere: then the page says something else by now.
    pub fn with(self, from: &str, to: &str) -> Result<Self> {
        ensure!(self.0.contains(from), "{from:?} is nowhere in:\n{}", self.0);
        Ok(Self(self.0.replace(from, to)))
    }

    /// Runs it in a room, with these programs in front of those of the machine; gives what it wrote.
    ///
    /// # Errors
    /// When an example fails that should not, or does not fail that should; with all that was written.
    pub fn run(&self, room: &Room<'_>, programs: &[(&str, &Path)]) -> Result<String> {
        for (name, program) in programs {
            provide(room, name, &format!("exec '{}' \"$@\"", program.display()))?;
        }
        let mut shell = room.command(Path::new("sh"), ["-c", &self.0]);
        // The page says how these are set.
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"] {
            shell.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}:{path}", room.path("bin").display()));
        Ok(run_ok(&mut shell, DEADLINE)?.stdout)
    }
}

/// A program of the room, by the text of its script.
///
/// # Errors
/// When the file system refuses.
pub fn provide(room: &Room<'_>, name: &str, script: &str) -> Result<()> {
    let file = room.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n").as_bytes())?;
    Ok(std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Endpoint;

    const PAGE: &str = "# Page\n\n```sh\none\n```\n\n```toml\nno = 1\n```\n\n```sh\ntwo\nthree\n```\n";

    fn run(block: &str) -> Result<String> {
        let server = Endpoint { url: "http://127.0.0.1:1".into(), access_key: "k".into(), secret_key: "s".into() };
        let room = Room::new(&server).unwrap();
        Script::default().then(block).run(&room, &[("greet", Path::new("/bin/echo"))])
    }

    #[test]
    fn blocks_of_shell_are_found_and_no_others() {
        assert_eq!(blocks(PAGE), ["one\n", "two\nthree\n"]);
        assert_eq!(block(PAGE, "two").unwrap(), "two\nthree\n");
        assert!(block(PAGE, "no = 1").is_err() && block(PAGE, "t").is_ok());
    }

    #[test]
    fn programs_of_the_room_are_run_and_what_fails_fails_the_script() {
        assert_eq!(run("greet hello").unwrap(), "hello\n");
        assert!(run("false\ngreet hello").is_err());
    }

    #[test]
    fn what_is_said_to_be_denied_must_fail() {
        assert_eq!(run("false   # denied, with the reason\ngreet on").unwrap(), "on\n");
        let error = run("true   # denied").unwrap_err().to_string();
        assert!(error.contains("this was not denied"), "{error}");
    }

    #[test]
    fn what_is_replaced_must_be_there() {
        assert!(Script::default().then("greet 127.0.0.1:9800").with(USUAL, "127.0.0.1:1").is_ok());
        assert!(Script::default().with(USUAL, "127.0.0.1:1").is_err());
    }
}
