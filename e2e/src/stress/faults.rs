//! What is killed, and when it is started again.

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{Arguments, Victim};
use crate::harness::{Cluster, Part};

/// Longest start of a sidecar that is to die.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// Longest time that a killed part stays away, in milliseconds.
const AWAY: u64 = 1500;

/// How often one looks for a sidecar that has died by itself.
const LOOK: Duration = Duration::from_millis(100);

/// The places of `proxy/src/failpoint.rs` that requests of these clients reach.
const PLACES: [&str; 4] = ["s3-authorized", "blob-pinned", "s3-uncommitted", "s3-committed"];

/// Kills, and starts again, until the time is over; at the end everything runs.
pub(super) fn until(cluster: &mut Cluster, arguments: &Arguments, seed: u64, out: &mut dyn Write) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xfa17);
    let end = Instant::now() + arguments.duration();
    loop {
        let longest = arguments.pause.saturating_mul(1000);
        let pause = Duration::from_millis(rng.random_range(longest / 5..=longest));
        wait(cluster, arguments, (Instant::now() + pause).min(end))?;
        let victim = rng.random_range(0..arguments.kill.len().max(1));
        let Some(victim) = arguments.kill.get(victim).filter(|_| Instant::now() < end) else {
            if Instant::now() < end {
                continue;
            }
            return cluster.restart_what_has_ended();
        };
        kill(cluster, *victim, &mut rng, out)?;
        thread::sleep(Duration::from_millis(rng.random_range(0..=AWAY)));
        cluster.restart_what_has_ended().context("after a kill")?;
    }
}

/// Waits; what ends meanwhile without having been killed is a fault, but for sidecars that were to die.
fn wait(cluster: &mut Cluster, arguments: &Arguments, until: Instant) -> Result<()> {
    let may_die = arguments.kill.contains(&Victim::Failpoint);
    while Instant::now() < until {
        thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        if may_die {
            cluster.restart_what_has_ended()?;
            continue;
        }
        cluster.postgres.ensure_running()?;
        cluster.registry.ensure_running()?;
        cluster.sidecars.iter_mut().try_for_each(Part::ensure_running)?;
    }
    Ok(())
}

fn kill(cluster: &mut Cluster, victim: Victim, rng: &mut StdRng, out: &mut dyn Write) -> Result<()> {
    let number = rng.random_range(0..cluster.sidecars.len().max(1));
    let place = PLACES.get(rng.random_range(0..PLACES.len())).copied().unwrap_or_default();
    let part = match victim {
        Victim::Registry => &mut cluster.registry,
        Victim::Postgres => &mut cluster.postgres,
        Victim::Sidecar | Victim::Failpoint => cluster.sidecars.get_mut(number).context("there are no sidecars")?,
    };
    part.crash()?;
    if victim == Victim::Failpoint {
        writeln!(out, "stress: {} is to die at {place}", part.name())?;
        return part.start(START_DEADLINE, &[("ZAS_ABORT_AT", place)]);
    }
    writeln!(out, "stress: {} is killed", part.name())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use zas_proxy::failpoint::Failpoint;

    use super::*;

    #[test]
    fn the_places_are_those_of_the_program() {
        for place in PLACES {
            assert!(Failpoint::ALL.iter().any(|known| known.name() == place), "{place}");
        }
    }
}
