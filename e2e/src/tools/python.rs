//! The Python environment of the tests: a virtual environment with the pinned packages of `requirements.txt`.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Result, bail};
use aws_lc_rs::digest;

use super::{ToolError, cache::Cache, say};
use crate::process::{run, run_ok};

const REQUIREMENTS: &str = include_str!("requirements.txt");

const INSTALL_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The path of the executable `name` in the environment, which is made first where the cache has none.
pub(super) fn provide(cache: &Cache, name: &'static str) -> Result<PathBuf, ToolError> {
    let mut missing = false;
    let digest = hex::encode(digest::digest(&digest::SHA256, REQUIREMENTS.as_bytes()));
    // Named by its content: another set of versions is another environment.
    let entry = cache.entry(&format!("python-{}", digest.get(..12).unwrap_or(&digest)), |folder| {
        // `python3 -m venv` needs ensurepip, which some distributions package apart from python3.
        if !run(Command::new("python3").args(["-c", "import venv, ensurepip"]), Duration::from_secs(60))
            .is_ok_and(|ran| ran.status.success())
        {
            missing = true;
            bail!("there is no `python3` with venv");
        }
        say("installing the Python environment of the tests (once)");
        run_ok(Command::new("python3").args(["-m", "venv"]).arg(folder), INSTALL_DEADLINE)?;
        let list = folder.join("requirements.txt");
        std::fs::write(&list, REQUIREMENTS)?;
        let mut pip = Command::new(folder.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--requirement"])
            .arg(&list);
        run_ok(&mut pip, INSTALL_DEADLINE)?;
        Ok(())
    });
    match entry {
        Ok(folder) => Ok(folder.join("bin").join(name)),
        Err(_) if missing => Err(ToolError::NoToolchain { tool: name, toolchain: "`python3` with its venv module" }),
        Err(cause) => Err(ToolError::Failed { tool: name, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_package_is_pinned_to_one_version() {
        for line in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            assert!(
                line.split_once("==").is_some_and(|(name, version)| !name.is_empty() && !version.is_empty()),
                "{line}"
            );
        }
    }
}
