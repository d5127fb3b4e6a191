//! The project's own binaries, built by cargo when a test needs them: a test must never run a stale one. Cargo builds a
//! package's binaries for that package's tests only, and the tests here are another package's.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::process;

/// Longest build from nothing, on two cores.
const BUILD_DEADLINE: Duration = Duration::from_secs(45 * 60);

/// The sidecar's binary: what `ZAS_PROXY_BIN` names, else a fresh build in the profile of this test.
///
/// # Errors
/// When the build fails.
pub fn proxy_binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = BINARY.get_or_init(|| match std::env::var_os("ZAS_PROXY_BIN") {
        Some(path) => Ok(path.into()),
        None => build("zas-proxy").map_err(|error| format!("{error:#}")),
    });
    found.as_deref().map_err(|error| anyhow!("no zas-proxy to test: {error}"))
}

/// The embedded registry's binary, freshly built in the profile of this test.
pub(super) fn registry_binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = BINARY.get_or_init(|| build("zas-registry").map_err(|error| format!("{error:#}")));
    found.as_deref().map_err(|error| anyhow!("no zas-registry to test: {error}"))
}

/// Asks cargo for the binary of `package` that has the package's name, which is quick where nothing has changed.
fn build(package: &str) -> Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let profile = executable.ancestors().nth(2).and_then(Path::file_name).context("this test has no target folder")?;
    let profile = if profile == "debug" { "dev".into() } else { profile.to_owned() };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    process::without_this_package(&mut command);
    // The whole workspace and a test beside the binary: dependencies then have the same features as in `cargo test
    // --workspace`, which has built them already.
    command.args(["build", "--workspace", "--bin", package, "--test", "conformance"]);
    command.args(["--message-format", "json-render-diagnostics"]).arg("--profile").arg(profile);
    let built = process::run(&mut command, BUILD_DEADLINE)?;
    ensure!(built.status.success(), "{package} does not build:\n{}", built.stderr);
    executable_in(&built.stdout, package).context("cargo named no executable")
}

/// The executable of the binary `name` that cargo's messages, one JSON value a line, tell of.
fn executable_in(messages: &str, name: &str) -> Option<PathBuf> {
    let mut values = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    values.find_map(|message| {
        let of_name = message.pointer("/target/name")? == name;
        message.get("executable")?.as_str().filter(|_| of_name).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_read_from_cargo_messages() {
        let messages = r#"
            {"target": {"name": "zas-proxy"}, "executable": null}
            {"target": {"name": "conformance"}, "executable": "/t/debug/deps/conformance-1"}
            {"target": {"name": "zas-proxy"}, "executable": "/t/debug/zas-proxy"}
            {"reason": "build-finished"}
        "#;
        assert_eq!(executable_in(messages, "zas-proxy"), Some("/t/debug/zas-proxy".into()));
        assert_eq!(executable_in(messages, "zas-registry"), None);
    }
}
