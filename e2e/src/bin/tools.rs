//! `cargo run -p zas-e2e --bin tools -- [NAME...]`: installs what the tests drive, all of it or the named ones, before the
//! tests would do so on first use, and prints where each is. What there is and in which versions: [`zas_e2e::tools`].

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use zas_e2e::tools::{Tool, provide};

/// Installs the tools of the tests and prints the paths of their executables.
#[derive(Parser)]
struct Arguments {
    /// Names of tools: registry, conformance, oras, crane, docker, podman, skopeo, helm,
    /// cosign, cosign2, syft, rclone, restic, mc, aws-sdk-go, minio-go, minio, python, aws, s3cmd, schemathesis, tables,
    /// javascript-sdk, java-sdk, rust-sdk, tofu. All but minio where none is given.
    names: Vec<String>,
}

fn main() -> ExitCode {
    match install(&Arguments::parse().names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(io::stderr(), "tools: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn install(names: &[String]) -> Result<()> {
    for tool in chosen(names)? {
        writeln!(io::stdout(), "{}", provide(tool)?.display())?;
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<Tool>> {
    if names.is_empty() {
        // Nothing is tested with MinIO, and it is among the largest.
        return Ok(Tool::ALL.into_iter().filter(|tool| *tool != Tool::Minio).collect());
    }
    names
        .iter()
        .map(|name| {
            Tool::ALL.into_iter().find(|tool| tool.name() == name).with_context(|| format!("there is no tool {name:?}"))
        })
        .collect()
}
