//! The load generator: drives S3 and OCI operations against one server, or two in turn, and prints what they cost.
//!
//! It shares the machine with the servers that it measures, so it spends little: one connection a worker, bodies that are
//! never copied, one thread unless asked for more. A run is `rounds` times every phase, on A and then on B (on B first in
//! every second round); what counts is the median over the rounds of the ratio, for absolute figures drift.
//!
//! [`arguments`](Arguments) is the command line, `target` and `connection` speak HTTP, `signature` signs, `phase` says what an
//! operation is, `worker` runs a phase, `report` counts and prints.

mod arguments;
mod connection;
mod content;
mod listing;
mod phase;
mod registry;
mod report;
pub(crate) mod signature;
mod target;
mod worker;

use std::io::Write;

use anyhow::{Context as _, Result};

pub use self::{arguments::Arguments, phase::Phase};
use self::{
    report::{Comparison, Measured},
    target::Target,
};

/// Runs what `arguments` ask for, prints to `out`, and says how many operations failed.
///
/// # Errors
/// When a server cannot be reached at all, or nothing can be printed.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<u64> {
    let mut builder = match arguments.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build()?.block_on(measure(arguments, out))
}

async fn measure(arguments: &Arguments, out: &mut dyn Write) -> Result<u64> {
    let targets = Target::all(arguments)?;
    for target in &targets {
        target.prepare(arguments).await.with_context(|| format!("cannot prepare {}", target.name))?;
    }
    writeln!(out, "{}", report::heading(arguments))?;
    let mut comparison = Comparison::new(targets.len());
    let mut errors = 0;
    for round in 0..arguments.rounds {
        for &phase in &arguments.phases {
            let mut measured: Vec<(usize, Measured)> = Vec::new();
            for index in order(targets.len(), round) {
                let Some(target) = targets.get(index) else { continue };
                let result = worker::run(target, phase, round, arguments).await?;
                writeln!(out, "{}", report::line(round, target.name, phase, &result))?;
                errors += result.errors;
                measured.push((index, result));
            }
            comparison.add(phase, &measured);
        }
    }
    // Of one round on one server, the lines above say it all.
    if targets.len() > 1 || arguments.rounds > 1 {
        for line in comparison.lines(&arguments.phases) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(errors)
}

/// Who goes first changes from round to round, so that neither is always measured on a warmer machine.
fn order(targets: usize, round: u64) -> Vec<usize> {
    let order = 0..targets;
    if round.is_multiple_of(2) { order.collect() } else { order.rev().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_first_changes_from_round_to_round() {
        assert_eq!(order(2, 0), [0, 1]);
        assert_eq!(order(2, 1), [1, 0]);
        assert_eq!(order(1, 1), [0]);
    }
}
