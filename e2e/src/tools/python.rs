//! The Python environments of the tests: virtual environments, each with the pinned packages of one list.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::{
    ToolError,
    cache::{Cache, content_name},
    say,
};
use crate::process::{run, run_ok};

/// The packages of an environment, each in one version, with all that they need: installed without resolving.
#[derive(Debug, Clone, Copy)]
pub(super) struct Environment(pub(super) &'static str);

/// The AWS SDK and command line, and the tester of HTTP APIs.
pub(super) const CLIENTS: Environment = Environment(include_str!("requirements.txt"));

/// What reads and writes tables. Apart from the SDK: s3fs wants an older one.
pub(super) const TABLES: Environment = Environment(include_str!("requirements-tables.txt"));

/// Node.js, which is no toolchain that a machine must have.
pub(super) const NODE: Environment = Environment(include_str!("requirements-node.txt"));

const INSTALL_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The path of the executable `executable` in an environment, for `tool`. The environment is made first where the cache has none.
pub(super) fn provide(
    cache: &Cache,
    environment: Environment,
    executable: &str,
    tool: &'static str,
) -> Result<PathBuf, ToolError> {
    let mut missing = false;
    // Named by its content: another set of versions is another environment.
    let entry = cache.entry(&content_name("python", &[environment.0]), |folder| {
        // `python3 -m venv` needs ensurepip, which some distributions package apart from python3.
        if !run(Command::new("python3").args(["-c", "import venv, ensurepip"]), Duration::from_secs(60))
            .is_ok_and(|ran| ran.status.success())
        {
            missing = true;
            bail!("there is no `python3` with venv");
        }
        say(&format!("installing the Python environment of {tool} (once)"));
        run_ok(Command::new("python3").args(["-m", "venv"]).arg(folder), INSTALL_DEADLINE)?;
        let list = folder.join("requirements.txt");
        std::fs::write(&list, environment.0)?;
        let mut pip = Command::new(folder.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--requirement"])
            .arg(&list);
        run_ok(&mut pip, INSTALL_DEADLINE)?;
        Ok(())
    });
    match entry {
        Ok(folder) => Ok(folder.join("bin").join(executable)),
        Err(_) if missing => Err(ToolError::NoToolchain { tool, toolchain: "`python3` with its venv module" }),
        Err(cause) => Err(ToolError::Failed { tool, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_package_is_pinned_to_one_version() {
        for line in [CLIENTS, TABLES, NODE].iter().flat_map(|list| list.0.lines()).filter(|line| !line.starts_with('#'))
        {
            assert!(
                line.split_once("==").is_some_and(|(name, version)| !name.is_empty() && !version.is_empty()),
                "{line}"
            );
        }
    }
}
