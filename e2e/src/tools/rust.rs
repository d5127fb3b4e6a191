//! The tour of the AWS SDK for Rust: a cargo project outside of the workspace, whose build is minutes long and would otherwise be a part
//! of every build of the tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    ToolError,
    cache::{Cache, content_name},
    say,
};
use crate::process::{run_ok, without_this_package};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rust/Cargo.toml");

const LOCK: &str = include_str!("../../tests/clients/rust/Cargo.lock");

/// Longest build from nothing, on two busy cores.
const BUILD_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The path of the tour's executable, freshly built. The SDK is built where the cache has none, once for each set of versions.
pub(super) fn provide(cache: &Cache, tool: &'static str) -> Result<PathBuf, ToolError> {
    let build = |folder: &Path| {
        let mut cargo = Command::new("nice");
        cargo.args(["-n", "10"]).arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--quiet", "--manifest-path", MANIFEST, "--target-dir"]).arg(folder);
        without_this_package(&mut cargo);
        run_ok(&mut cargo, BUILD_DEADLINE)
    };
    let entry = cache.entry(&content_name("rust", &[LOCK]), |folder| {
        say("building the AWS SDK for Rust (once, this may take minutes)");
        build(folder)?;
        Ok(())
    });
    // The tour itself may have changed since; cargo knows.
    match entry.and_then(|folder| build(&folder).map(|_| folder)) {
        Ok(folder) => Ok(folder.join("debug").join("zas-e2e-rust")),
        Err(cause) => Err(ToolError::Failed { tool, cause }),
    }
}
