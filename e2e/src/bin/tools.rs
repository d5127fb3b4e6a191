//! `cargo run -p zas-e2e --bin tools -- [NAME...]`: installs what the tests drive, all of it or the named ones, before the
//! tests would do so on first use, and prints where each is. What there is and in which versions: [`zas_e2e::tools`].

#![expect(clippy::print_stdout, reason = "a command line tool prints what it was asked for")]

use anyhow::{Context as _, Result};
use clap::Parser;
use zas_e2e::tools::{Tool, provide};

/// Installs the tools of the tests and prints the paths of their executables.
#[derive(Parser)]
struct Arguments {
    /// Names of tools: registry, conformance, oras, crane, rclone, minio, python, aws. All but minio where none is given.
    names: Vec<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    for tool in chosen(&arguments.names)? {
        println!("{}", provide(tool)?.display());
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
