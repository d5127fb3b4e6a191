//! `zas-registry`: the embedded registry as a program of its own.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use zas_registry::{Error, Options, Registry, Server};

/// An OCI distribution 1.1 registry on a local folder, without authentication. For development and tests.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder that holds the repositories, each an OCI image layout; it is made when it is missing.
    #[arg(long)]
    root: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Registry(#[from] Error),
    #[error("the runtime, the signals or the standard output cannot be used: {0}")]
    Io(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(io::stderr(), "zas-registry: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let registry = Registry::open(&arguments.root, Options::default())?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let server = Server::start(registry, arguments.listen).await?;
        writeln!(io::stdout(), "listening on http://{}", server.local_addr())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        server.shutdown().await;
        Ok(())
    })
}
