//! The command line of the load generator.

use std::time::Duration;

use clap::Parser;

use super::Phase;

/// Drives S3 and OCI operations against one server, or two in turn, and prints operations a second and latencies; with two
/// servers, the ratio A/B of operations a second too (the median of the rounds).
///
/// Exits with 1 when an operation failed: figures of a run with errors are not to be trusted.
#[derive(Debug, Clone, Parser)]
#[command(name = "load")]
pub struct Arguments {
    /// URL of server A, such as http://127.0.0.1:9800.
    #[arg(long, value_name = "URL")]
    pub a: String,
    /// Access key id of A, which is its OCI user name too. Without one, requests are not signed.
    #[arg(long, value_name = "ID", env = "LOAD_A_KEY", default_value = "")]
    pub a_key: String,
    /// Secret of A's access key.
    #[arg(long, value_name = "SECRET", env = "LOAD_A_SECRET", hide_env_values = true, default_value = "")]
    pub a_secret: String,
    /// URL of server B, to compare A with.
    #[arg(long, value_name = "URL")]
    pub b: Option<String>,
    /// Access key id of B.
    #[arg(long, value_name = "ID", env = "LOAD_B_KEY", default_value = "")]
    pub b_key: String,
    /// Secret of B's access key.
    #[arg(long, value_name = "SECRET", env = "LOAD_B_SECRET", hide_env_values = true, default_value = "")]
    pub b_secret: String,
    /// Phases, in order. The ones that read or delete use what put (or push) made in the same round, by this run or an
    /// earlier one with the same --size, --operations and --prefix.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "put,get,head,list,list-delimiter,delete")]
    pub phases: Vec<Phase>,
    /// Bytes of an object or blob: a number, or one with K, M or G (powers of 1024).
    #[arg(long, default_value = "4K", value_parser = size)]
    pub size: usize,
    /// Operations at a time, each on a connection of its own. Listings run one at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub concurrency: u64,
    /// Operations of a phase, and so the number of objects; a listing goes through them once or more.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    pub operations: u64,
    /// How often every phase runs, each time on objects of its own.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rounds: u64,
    /// Bucket of the S3 phases; made where it is missing.
    #[arg(long, default_value = "load")]
    pub bucket: String,
    /// What the keys of the S3 phases begin with.
    #[arg(long, default_value = "load/")]
    pub prefix: String,
    /// Repository of the OCI phases.
    #[arg(long, default_value = "load/layers")]
    pub repository: String,
    /// Signs the hash of each body, as SDKs do without TLS; otherwise the payload is unsigned, as they do it with TLS.
    #[arg(long)]
    pub sign_payload: bool,
    /// Threads of the load generator itself.
    #[arg(long, default_value_t = 1, value_parser = threads)]
    pub threads: usize,
    /// Longest time of one operation, in seconds; after it the operation has failed.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
}

impl Arguments {
    /// Longest time of one operation.
    pub(super) fn deadline(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| (1..=256).contains(threads)).ok_or_else(|| "1 to 256 threads".into())
}

/// A number of bytes with an optional K, M or G.
fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is no size: write 4096, 4K, 1M or 1G");
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1),
    };
    digits
        .and_then(|digits| digits.parse::<usize>().ok())
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_and_without_its_unit() {
        assert_eq!((size("4096"), size("4K"), size("1m"), size("2G")), (Ok(4096), Ok(4096), Ok(1 << 20), Ok(2 << 30)));
        for wrong in ["", "K", "4KB", "-1", "99999999999999999999G", "4€"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
