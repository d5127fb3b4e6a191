//! Tools that are built from Go modules: the table of pinned versions, and `go install`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

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
    /// Build tags, with commas between them.
    tags: &'static str,
    /// The requirements of a module of ours that it is built in, as `go.mod` has them; none: `go install` builds it.
    requirements: Option<&'static str>,
}

impl GoTool {
    const fn new(name: &'static str, package: &'static str, version: &'static str) -> Self {
        Self { name, package, version, tags: "", requirements: None }
    }
}

pub(super) const REGISTRY: GoTool =
    GoTool::new("registry", "github.com/distribution/distribution/v3/cmd/registry", "v3.1.2");

// The suite has no releases of its own: this is the newest commit of its module.
pub(super) const CONFORMANCE: GoTool = GoTool::new(
    "conformance",
    "github.com/opencontainers/distribution-spec/conformance",
    "v0.0.0-20260831232431-97274622c111",
);

pub(super) const ORAS: GoTool = GoTool::new("oras", "oras.land/oras/cmd/oras", "v1.3.6");

pub(super) const CRANE: GoTool = GoTool::new("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.22.1");

pub(super) const RCLONE: GoTool = GoTool::new("rclone", "github.com/rclone/rclone", "v1.76.0");

pub(super) const RESTIC: GoTool = GoTool::new("restic", "github.com/restic/restic/cmd/restic", "v0.19.1");

// The module has no release tags that its path allows: this is its newest commit.
pub(super) const MC: GoTool = GoTool::new("mc", "github.com/minio/mc", "v0.0.0-20250313080218-cf909e1063a9");

pub(super) const HELM: GoTool = GoTool::new("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0");

pub(super) const COSIGN: GoTool = GoTool::new("cosign", "github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3");

// What writes the older form of signatures by itself, as installations have it that were not brought to version 3.
pub(super) const COSIGN_2: GoTool = GoTool::new("cosign", "github.com/sigstore/cosign/v2/cmd/cosign", "v2.6.1");

pub(super) const SYFT: GoTool = GoTool::new("syft", "github.com/anchore/syft/cmd/syft", "v1.57.0");

// Not a module of Go's: what it depends on, and in which versions, stands in a file of its own that only its own build reads.
pub(super) const DOCKER: GoTool = GoTool {
    requirements: Some(include_str!("docker.mod")),
    ..GoTool::new("docker", "github.com/docker/cli/cmd/docker", "v28.5.2+incompatible")
};

// The client of a remote engine needs no C, and nothing of the machine. `go install` would ask for the list of all versions, which
// not every proxy of modules has.
pub(super) const PODMAN: GoTool = GoTool {
    tags: "remote,containers_image_openpgp,exclude_graphdriver_btrfs",
    requirements: Some("require github.com/containers/podman/v5 v5.8.0\n"),
    ..GoTool::new("podman", "github.com/containers/podman/v5/cmd/podman", "v5.8.0")
};

// Built in a module of ours: it replaces a module, which `go install` refuses.
pub(super) const TOFU: GoTool = GoTool {
    requirements: Some(include_str!("tofu.mod")),
    ..GoTool::new("tofu", "github.com/opentofu/opentofu/cmd/tofu", "v1.10.10")
};

// The module's last release tags are older than its module path allows: this is its newest commit.
pub(super) const MINIO: GoTool = GoTool::new("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c");

/// The path of the tool's executable, built first where the cache has none.
pub(super) fn provide(cache: &Cache, tool: &GoTool) -> Result<PathBuf, ToolError> {
    let mut missing = false;
    let entry = cache.entry(&format!("{}-{}", tool.name, tool.version), |folder| {
        if run(Command::new("go").arg("version"), Duration::from_secs(60)).is_err() {
            missing = true;
            bail!("there is no `go`");
        }
        say(&format!("installing {}@{} (once, this may take minutes)", tool.package, tool.version));
        run_ok(&mut build(tool, folder)?, BUILD_DEADLINE)?;
        Ok(())
    });
    match entry {
        Ok(folder) => Ok(folder.join(tool.name)),
        Err(_) if missing => Err(ToolError::NoToolchain { tool: tool.name, toolchain: "a Go toolchain (`go`)" }),
        Err(cause) => Err(ToolError::Failed { tool: tool.name, cause }),
    }
}

/// The command that builds a tool into a folder. Without cgo no C compiler is needed, and the cores are shared with the tests that
/// run already.
fn build(tool: &GoTool, folder: &Path) -> Result<Command> {
    let mut go = Command::new("nice");
    go.args(["-n", "10", "go"]).env("CGO_ENABLED", "0").env("GOBIN", folder);
    match tool.requirements {
        None => go.args(["install", "-trimpath", "-ldflags=-s -w", "-tags", tool.tags]),
        Some(requirements) => {
            let module = folder.join("module");
            fs::create_dir_all(&module)?;
            fs::write(module.join("go.mod"), format!("module tool\n\ngo 1.26\n\n{requirements}"))?;
            // What the requirements require in turn is added, and held to the checksum database.
            go.current_dir(module).args(["build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-tags", tool.tags, "-o"]);
            go.arg(folder.join(tool.name))
        }
    };
    match tool.requirements {
        None => go.arg(format!("{}@{}", tool.package, tool.version)),
        Some(_) => go.arg(tool.package),
    };
    Ok(go)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_a_concrete_one_and_every_name_is_what_go_install_makes() {
        for tool in [
            REGISTRY,
            CONFORMANCE,
            ORAS,
            CRANE,
            RCLONE,
            RESTIC,
            MC,
            HELM,
            COSIGN,
            COSIGN_2,
            SYFT,
            DOCKER,
            PODMAN,
            TOFU,
            MINIO,
        ] {
            assert!(tool.version.starts_with('v') && tool.version.contains('.'), "{tool:?}");
            assert!(tool.package.ends_with(&format!("/{}", tool.name)), "{tool:?}");
        }
    }

    #[test]
    fn a_module_of_ours_requires_the_tool_in_its_version() {
        for tool in [DOCKER, PODMAN, TOFU] {
            let module = tool.package.rsplit_once("/cmd/").unwrap().0;
            let requirement = format!("require {module} {}\n", tool.version);
            assert!(tool.requirements.unwrap().contains(&requirement), "{requirement}");
        }
    }
}
