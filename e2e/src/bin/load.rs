//! `cargo run --release -p zas-e2e --bin load -- --help`: the load generator, see [`zas_e2e::load`].

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use zas_e2e::load::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(io::stderr(), "load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
