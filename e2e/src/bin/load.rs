//! `cargo run --release -p zas-e2e --bin load -- --help`: the load generator, see [`zas_e2e::load`].

use std::{io, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use zas_e2e::load::{Arguments, run};

fn main() -> Result<ExitCode> {
    let errors = run(&Arguments::parse(), &mut io::stdout())?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
