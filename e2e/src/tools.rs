//! The programs that the tests drive, each in one pinned version: found in a cache folder, or installed there on first use
//! with the toolchains of this machine (`go install`, `pip install` into a virtual environment, Maven, cargo, Debian's packages unpacked).
//!
//! The cache is `zas-tools` in cargo's target folder, so it goes with `cargo clean`. One lock file over it makes test
//! processes that start together install each thing once, and one at a time.
//! A stock Zot is not installed: `ZOT_BIN` names it, see [`crate::harness::Zot`].

mod cache;
mod debian;
mod go;
mod go_tours;
mod java;
mod javascript;
mod python;
mod rust;

use std::{io::Write as _, path::PathBuf};

use anyhow::{Result, bail};

use self::cache::Cache;

/// A program or environment that [`provide`] can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The reference registry, `registry`.
    Registry,
    /// The OCI distribution conformance suite, `conformance`.
    Conformance,
    /// The OCI client `oras`.
    Oras,
    /// The OCI client `crane`.
    Crane,
    /// The client of container engines `docker`.
    Docker,
    /// The client of remote container engines `podman`.
    Podman,
    /// The OCI client `skopeo`.
    Skopeo,
    /// The client of charts `helm`.
    Helm,
    /// The client of signatures `cosign`.
    Cosign,
    /// The same as it was before bundles, version 2: `cosign2`.
    Cosign2,
    /// The writer of SBOMs `syft`.
    Syft,
    /// The S3 client `rclone`.
    Rclone,
    /// The client of backups `restic`.
    Restic,
    /// MinIO's S3 client, `mc`.
    Mc,
    /// The tour of the AWS SDK for Go, `aws-sdk-go`: a program of `tests/clients/go`.
    AwsSdkGo,
    /// The tour of MinIO's library for Go, `minio-go`, likewise.
    MinioGo,
    /// The S3 server `minio`, for comparing speed; no test needs it.
    Minio,
    /// The interpreter `python` of an environment with boto3.
    Python,
    /// The AWS command line, version 1: `aws`.
    AwsCli,
    /// The S3 client `s3cmd`.
    S3cmd,
    /// The tester of HTTP APIs `schemathesis`.
    Schemathesis,
    /// The interpreter `python` of an environment with s3fs, pandas, pyarrow and DuckDB.
    Tables,
    /// `node`, with the AWS SDK for JavaScript in the `node_modules` beside it.
    JavaScriptSdk,
    /// The folder of the jars of the AWS SDK for Java.
    JavaSdk,
    /// The tour of the AWS SDK for Rust, `zas-e2e-rust`.
    RustSdk,
    /// `tofu`, which keeps its state where Terraform does.
    Tofu,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 26] = [
        Self::Registry,
        Self::Conformance,
        Self::Oras,
        Self::Crane,
        Self::Docker,
        Self::Podman,
        Self::Skopeo,
        Self::Helm,
        Self::Cosign,
        Self::Cosign2,
        Self::Syft,
        Self::Rclone,
        Self::Restic,
        Self::Mc,
        Self::AwsSdkGo,
        Self::MinioGo,
        Self::Minio,
        Self::Python,
        Self::AwsCli,
        Self::S3cmd,
        Self::Schemathesis,
        Self::Tables,
        Self::JavaScriptSdk,
        Self::JavaSdk,
        Self::RustSdk,
        Self::Tofu,
    ];

    /// Its name here, which is that of its executable file; but a library, and a second version of a program, has a name of its own.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Conformance => "conformance",
            Self::Oras => "oras",
            Self::Crane => "crane",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Skopeo => "skopeo",
            Self::Helm => "helm",
            Self::Cosign => "cosign",
            Self::Cosign2 => "cosign2",
            Self::Syft => "syft",
            Self::Rclone => "rclone",
            Self::Restic => "restic",
            Self::Mc => "mc",
            Self::AwsSdkGo => "aws-sdk-go",
            Self::MinioGo => "minio-go",
            Self::Minio => "minio",
            Self::Python => "python",
            Self::AwsCli => "aws",
            Self::S3cmd => "s3cmd",
            Self::Schemathesis => "schemathesis",
            Self::Tables => "tables",
            Self::JavaScriptSdk => "javascript-sdk",
            Self::JavaSdk => "java-sdk",
            Self::RustSdk => "rust-sdk",
            Self::Tofu => "tofu",
        }
    }
}

/// Why a tool cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The toolchain that installs it is not on this machine.
    #[error("{tool} needs {toolchain}, which is not on this machine")]
    NoToolchain {
        /// The tool asked for.
        tool: &'static str,
        /// What would install it.
        toolchain: &'static str,
    },
    /// Its installation failed.
    #[error("{tool} cannot be installed: {cause:#}")]
    Failed {
        /// The tool asked for.
        tool: &'static str,
        /// What went wrong.
        cause: anyhow::Error,
    },
}

/// The path of the executable of `tool`, or of the folder that it is, installed first where the cache has none. May take minutes the first time.
///
/// # Errors
/// See [`ToolError`].
pub fn provide(tool: Tool) -> Result<PathBuf, ToolError> {
    let cache = Cache::locate().map_err(|cause| ToolError::Failed { tool: tool.name(), cause })?;
    match tool {
        Tool::Registry => go::provide(&cache, &go::REGISTRY),
        Tool::Conformance => go::provide(&cache, &go::CONFORMANCE),
        Tool::Oras => go::provide(&cache, &go::ORAS),
        Tool::Crane => go::provide(&cache, &go::CRANE),
        Tool::Docker => go::provide(&cache, &go::DOCKER),
        Tool::Podman => go::provide(&cache, &go::PODMAN),
        Tool::Skopeo => debian::provide(&cache, tool.name()),
        Tool::Helm => go::provide(&cache, &go::HELM),
        Tool::Cosign => go::provide(&cache, &go::COSIGN),
        Tool::Cosign2 => go::provide(&cache, &go::COSIGN_2),
        Tool::Syft => go::provide(&cache, &go::SYFT),
        Tool::Rclone => go::provide(&cache, &go::RCLONE),
        Tool::Restic => go::provide(&cache, &go::RESTIC),
        Tool::Mc => go::provide(&cache, &go::MC),
        Tool::AwsSdkGo | Tool::MinioGo => go_tours::provide(&cache, tool.name()),
        Tool::Minio => go::provide(&cache, &go::MINIO),
        Tool::Python | Tool::AwsCli | Tool::S3cmd | Tool::Schemathesis => {
            python::provide(&cache, python::CLIENTS, tool.name(), tool.name())
        }
        Tool::Tables => python::provide(&cache, python::TABLES, "python", tool.name()),
        Tool::JavaScriptSdk => javascript::provide(&cache, tool.name()),
        Tool::JavaSdk => java::provide(&cache, tool.name()),
        Tool::RustSdk => rust::provide(&cache, tool.name()),
        Tool::Tofu => go::provide(&cache, &go::TOFU),
    }
}

/// As [`provide`], for a test: without its toolchain the test is left out, which is said on standard error, and gives
/// `None`. Continuous integration (`CI=true`) leaves nothing out: there it is an error.
///
/// # Errors
/// When the installation failed, or the toolchain is missing under `CI=true`.
pub fn require(tool: Tool, test: &str) -> Result<Option<PathBuf>> {
    match provide(tool) {
        Ok(path) => Ok(Some(path)),
        Err(error @ ToolError::NoToolchain { .. }) => {
            left_out(test, &error.to_string())?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says on standard error that `test` is left out, and why.
///
/// # Errors
/// Under `CI=true`, where nothing may be left out.
pub fn left_out(test: &str, why: &str) -> Result<()> {
    if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        bail!("{test} cannot be left out under CI=true: {why}");
    }
    say(&format!("LEFT OUT {test}: {why}"));
    Ok(())
}

/// One line on standard error, for the person who runs the tests. Written past the test runner's capture, which would
/// swallow what a passing test says.
pub(crate) fn say(line: &str) {
    if writeln!(std::io::stderr(), "{line}").is_err() {
        // Nobody reads it: nothing is lost.
    }
}
