//! Clients that meet on few keys over two sidecars are answered as by one register a key, whatever is killed meanwhile. A run here
//! takes seconds; `cargo run --release -p zas-e2e --bin stress` does the same for as long as one likes (docs/testing.md).
//!
//! `STRESS_SEED` repeats a run, as far as clients and kills follow from the seed; each run prints its own.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use clap::Parser as _;
use zas_e2e::{
    harness::Failure,
    stress::{Arguments, Victim, run},
};

/// One cluster at a time: clients that wait for a processor meet nobody.
static ALONE: Mutex<()> = Mutex::new(());

fn stress(kill: &[Victim]) -> Result<(), Failure> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = std::env::var("STRESS_SEED").ok().map(|seed| seed.parse()).transpose()?;
    let arguments = Arguments { seed, kill: kill.to_vec(), ..Arguments::parse_from(["stress", "--seconds", "20"]) };
    run(&arguments, &mut io::stdout())?;
    Ok(())
}

#[test]
fn with_nothing_killed_all_answers_are_those_of_one_register_a_key() -> Result<(), Failure> {
    stress(&[])
}

#[test]
fn with_the_registry_killed_and_restarted_all_answers_are_those_of_one_register_a_key() -> Result<(), Failure> {
    stress(&[Victim::Registry])
}

#[test]
fn with_postgres_killed_and_restarted_all_answers_are_those_of_one_register_a_key() -> Result<(), Failure> {
    stress(&[Victim::Postgres])
}

#[test]
fn with_sidecars_killed_and_restarted_all_answers_are_those_of_one_register_a_key() -> Result<(), Failure> {
    stress(&[Victim::Sidecar])
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build dies nowhere")]
fn with_sidecars_that_die_within_a_write_all_answers_are_those_of_one_register_a_key() -> Result<(), Failure> {
    stress(&[Victim::Failpoint])
}
