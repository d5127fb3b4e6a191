//! The command line: one file a command.

mod audit;
mod check_config;
mod configuration;
mod dev;
mod fsck;
mod migrate;
mod openapi;
mod s3_compatibility;
mod serve;
mod zot_config;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use zas_proxy::config::{self, Config};

/// The Zot Artifact Store sidecar: S3, OCI and supply-chain APIs in front of a stock Zot registry.
#[derive(Debug, Parser)]
#[command(name = "zas-proxy", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar.
    Serve(ConfigFile),
    /// Run everything on this machine: Postgres, a registry and the sidecar, with a key to try it.
    Dev(dev::Options),
    /// Bring the schema of the index up to date, then exit.
    Migrate(ConfigFile),
    /// Say what would keep `serve` from starting, and whether the registry's configuration is safe for S3 writes, then exit;
    /// nothing is connected to.
    CheckConfig(ConfigFile),
    /// Check the audit log, or make the key that signs its checkpoints.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Compare the index with the registry: what is missing, broken, left over or miscounted; mends what is safe to mend where asked.
    Fsck(Box<fsck::Options>),
    /// Print a configuration for Zot that is safe for S3 writes.
    ZotConfig(zot_config::Options),
    /// Print the reference of all configuration keys, in Markdown.
    Configuration,
    /// Print the OpenAPI description of the management API, in JSON.
    Openapi,
    /// Print what becomes of every operation of S3, in Markdown.
    #[command(name = "s3-compatibility")]
    S3Compatibility,
}

/// Where the configuration comes from.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// TOML file; ZAS_SECTION__KEY in the environment overrides its keys.
    #[arg(long, env = "ZAS_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(config::load(self.config.as_deref(), std::env::vars())?)
    }
}

impl Arguments {
    /// Runs the command; what the process ends with where it has not failed.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let done = match self.command {
            Command::Serve(file) => runtime()?.block_on(serve::run(file.load()?)),
            Command::Dev(options) => runtime()?.block_on(dev::run(options)),
            Command::Migrate(file) => runtime()?.block_on(migrate::run(&file.load()?)),
            Command::CheckConfig(file) => runtime()?.block_on(async { check_config::run(&file.load()?) }),
            Command::Audit(command) => runtime()?.block_on(audit::run(command)),
            Command::Fsck(options) => return Ok(runtime()?.block_on(fsck::run(*options))),
            Command::ZotConfig(options) => zot_config::run(&options),
            Command::Configuration => configuration::run(),
            Command::Openapi => openapi::run(),
            Command::S3Compatibility => s3_compatibility::run(),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Writes to standard output; a reader that went away is no error.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes an error with all its causes to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "zas-proxy: {error:#}");
}
