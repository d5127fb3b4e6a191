//! Tools that are built from Go modules: the table of pinned versions, and `go install`.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Result, bail};

use super::{ToolError, cache::Cache, say};
use crate::process::{run, run_ok};

/// Longest build: the largest of them takes about ten minutes on two busy cores.
const BUILD_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// A Go program in one version.
#[derive(Debug)]
pub(super) struct GoTool {
    /// The name of the executable, which is the last element of `package`.
    name: &'static str,
    /// The path of its main package.
    package: &'static str,
    /// The version of its module.
    version: &'static str,
}

pub(super) const REGISTRY: GoTool =
    GoTool { name: "registry", package: "github.com/distribution/distribution/v3/cmd/registry", version: "v3.1.2" };

// The suite has no releases of its own: this is the newest commit of its module.
pub(super) const CONFORMANCE: GoTool = GoTool {
    name: "conformance",
    package: "github.com/opencontainers/distribution-spec/conformance",
    version: "v0.0.0-20260831232431-97274622c111",
};

pub(super) const ORAS: GoTool = GoTool { name: "oras", package: "oras.land/oras/cmd/oras", version: "v1.3.6" };

pub(super) const CRANE: GoTool =
    GoTool { name: "crane", package: "github.com/google/go-containerregistry/cmd/crane", version: "v0.22.1" };

pub(super) const COSIGN: GoTool =
    GoTool { name: "cosign", package: "github.com/sigstore/cosign/v3/cmd/cosign", version: "v3.1.3" };

pub(super) const RCLONE: GoTool = GoTool { name: "rclone", package: "github.com/rclone/rclone", version: "v1.76.0" };

// The module's last release tags are older than its module path allows: this is its newest commit.
pub(super) const MINIO: GoTool =
    GoTool { name: "minio", package: "github.com/minio/minio", version: "v0.0.0-20260212201848-7aac2a2c5b7c" };

/// The path of the tool's executable, built first where the cache has none.
pub(super) fn provide(cache: &Cache, tool: &GoTool) -> Result<PathBuf, ToolError> {
    let mut missing = false;
    let entry = cache.entry(&format!("{}-{}", tool.name, tool.version), |folder| {
        if run(Command::new("go").arg("version"), Duration::from_secs(60)).is_err() {
            missing = true;
            bail!("there is no `go`");
        }
        let module = format!("{}@{}", tool.package, tool.version);
        say(&format!("installing {module} (once, this may take minutes)"));
        // Without cgo no C compiler is needed, and the cores are shared with the tests that run already.
        let mut install = Command::new("nice");
        install.args(["-n", "10", "go", "install", "-trimpath", "-ldflags=-s -w", &module]);
        install.env("GOBIN", folder).env("CGO_ENABLED", "0");
        run_ok(&mut install, BUILD_DEADLINE)?;
        Ok(())
    });
    match entry {
        Ok(folder) => Ok(folder.join(tool.name)),
        Err(_) if missing => Err(ToolError::NoToolchain { tool: tool.name, toolchain: "a Go toolchain (`go`)" }),
        Err(cause) => Err(ToolError::Failed { tool: tool.name, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_a_concrete_one_and_every_name_is_what_go_install_makes() {
        for tool in [REGISTRY, CONFORMANCE, ORAS, CRANE, COSIGN, RCLONE, MINIO] {
            assert!(tool.version.starts_with('v') && tool.version.contains('.'), "{tool:?}");
            assert!(tool.package.ends_with(&format!("/{}", tool.name)), "{tool:?}");
        }
    }
}
