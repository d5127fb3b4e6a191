//! The command line of the stress run.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::harness::{Upstream, Zot};

/// Lets clients meet on few keys over several sidecars, kills parts and starts them again, and checks that all that was answered
/// could have been answered by one register a key.
///
/// Starts everything it needs: Postgres, a registry (the Zot that `ZOT_BIN` names, else the embedded one) and the sidecars
/// (`ZAS_PROXY_BIN`, else a fresh build). Exits with 1 when anything was wrong.
#[derive(Debug, Clone, Parser)]
#[command(name = "stress")]
pub struct Arguments {
    /// How long the clients run, in minutes.
    #[arg(long, default_value_t = 5.0, conflicts_with = "seconds")]
    pub minutes: f64,
    /// The same in seconds.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// What the clients do and what is killed follows from it; printed where none is given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// What is killed, one at a time, as long as the clients run.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kill: Vec<Victim>,
    /// The longest pause between two kills, in seconds; a fifth of it is the shortest.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub pause: u64,
    /// Clients, each with one operation at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub clients: u64,
    /// Keys of a bucket.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(2..=900))]
    pub keys: u64,
    /// Sidecars.
    #[arg(long, default_value_t = 2)]
    pub sidecars: usize,
    /// The buckets that the clients meet in.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "unversioned,versioned")]
    pub buckets: Vec<Buckets>,
    /// The executable of a Zot, instead of the one that `ZOT_BIN` names.
    #[arg(long)]
    pub zot: Option<PathBuf>,
}

/// What may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Victim {
    /// The registry.
    Registry,
    /// Postgres.
    Postgres,
    /// One of the sidecars.
    Sidecar,
    /// One of the sidecars, which dies at a place between the decision about a change and its answer (debug builds only).
    Failpoint,
}

/// A kind of bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Buckets {
    /// Without versioning.
    Unversioned,
    /// With it.
    Versioned,
}

impl Buckets {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unversioned => "unversioned",
            Self::Versioned => "versioned",
        }
    }
}

impl Arguments {
    /// How long the clients run.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self.seconds {
            Some(seconds) => Duration::from_secs(seconds),
            None => Duration::try_from_secs_f64(self.minutes * 60.0).unwrap_or_default(),
        }
    }

    /// What the bytes are kept in.
    #[must_use]
    pub fn upstream(&self) -> Upstream {
        self.zot.clone().or_else(Zot::binary).map_or(Upstream::Embedded, Upstream::Zot)
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{} clients on {} keys of {:?} over {} sidecars for {:?}, killing {:?}",
            self.clients,
            self.keys,
            self.buckets,
            self.sidecars,
            self.duration(),
            self.kill
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_killed_is_a_list_and_the_time_is_in_minutes_or_seconds() {
        let long =
            Arguments::parse_from(["stress", "--minutes", "30", "--seed", "7", "--kill", "postgres,registry,sidecar"]);
        assert_eq!(long.kill, [Victim::Postgres, Victim::Registry, Victim::Sidecar]);
        assert_eq!((long.duration(), long.seed), (Duration::from_secs(1800), Some(7)));
        let short = Arguments::parse_from(["stress", "--seconds", "20"]);
        assert_eq!((short.duration(), short.kill.len()), (Duration::from_secs(20), 0));
        assert_eq!(short.buckets, [Buckets::Unversioned, Buckets::Versioned]);
        assert!(Arguments::try_parse_from(["stress", "--kill", "zot"]).is_err());
    }
}
