//! `cargo run --release -p zas-e2e --bin stress -- --help`: clients that meet while parts are killed, see [`zas_e2e::stress`].

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use zas_e2e::stress::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(io::stderr(), "stress: {error:#}");
            ExitCode::FAILURE
        }
    }
}
