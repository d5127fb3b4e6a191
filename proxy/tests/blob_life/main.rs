//! A model of the life of blobs: concurrent clients, two replicas that sweep and crash, a registry that fails; at the end
//! nothing that was acknowledged is missing and nothing is there that nobody names.
//!
//! Each run has a seed, printed when it fails. `ZAS_MODEL_RUNS` says how many runs, `ZAS_MODEL_SEED` the first one's seed. The
//! interleaving is the machine's, so that a seed gives the same clients, not the same course.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test: what fails here fails loudly"
)]

mod check;
mod client;
mod ledger;
mod multipart;
mod reading;
mod registry;
mod replica;
mod world;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use world::World;

/// How long the clients of one run are at it.
const ACTIVE: Duration = Duration::from_secs(7);

/// When no further run is begun.
const LATEST_BEGIN: Duration = Duration::from_secs(40);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn named_blobs_are_kept_and_others_go_whatever_fails() {
    let asked = number("ZAS_MODEL_RUNS");
    let first_seed = number("ZAS_MODEL_SEED").unwrap_or_else(rand::random);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    for run in 0..asked.unwrap_or(3) {
        if asked.is_none() && begun.elapsed() > LATEST_BEGIN {
            break;
        }
        let seed = first_seed.wrapping_add(run);
        let violations = runtime.block_on(one_run(seed));
        assert!(violations.is_empty(), "seed {seed} (ZAS_MODEL_SEED={seed}):\n{}", violations.join("\n"));
    }
}

/// Runs clients, replicas and faults for a while, brings everything to rest and looks. The violations found.
async fn one_run(seed: u64) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::build(&mut rng).await;
    let deadline = Instant::now() + ACTIVE;
    let replicas: Vec<_> = (0..2).map(|_| replica::spawn(&world, StdRng::from_rng(&mut rng), deadline)).collect();
    registry::weather(&world, StdRng::from_rng(&mut rng), deadline).await;
    for replica in replicas {
        replica.await.unwrap();
    }
    let report = check::at_rest(&world).await;
    eprintln!("seed {seed}: {report}");
    if world.registry.slowest_call() > world::PATIENCE_WITH_THE_MACHINE {
        // What was given up took longer than any of the protections lasts; the run proves nothing either way.
        eprintln!("seed {seed}: this machine is too slow just now, the run does not count");
        return Vec::new();
    }
    world.ledger.violations()
}
