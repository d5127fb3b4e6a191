//! Counts, percentiles, and the lines that are printed.

use std::{collections::BTreeMap, time::Duration};

use super::{Arguments, phase::Phase};

/// What one worker saw.
#[derive(Debug, Default)]
pub(super) struct Samples {
    latencies: Vec<Duration>,
    bytes: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Samples {
    pub(super) fn succeeded(&mut self, latency: Duration, bytes: u64) {
        self.latencies.push(latency);
        self.bytes += bytes;
    }

    pub(super) fn failed(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// Operations that succeeded.
    pub(super) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors
    }
}

/// One walk through a listing.
#[derive(Debug)]
pub(super) struct Listing {
    /// Time of the first page.
    pub(super) first: Duration,
    /// Time of the last page that had entries.
    pub(super) last: Duration,
    /// Keys and common prefixes on all pages.
    pub(super) entries: u64,
}

/// One phase of one round on one server.
#[derive(Debug)]
pub(super) struct Measured {
    /// Latencies of the operations that succeeded, in order of size.
    latencies: Vec<Duration>,
    bytes: u64,
    seconds: f64,
    /// Operations that failed.
    pub(super) errors: u64,
    first_error: Option<String>,
    /// Of a listing phase, its last walk.
    pub(super) listing: Option<Listing>,
}

impl Measured {
    pub(super) fn new(samples: Samples, took: Duration) -> Self {
        let Samples { mut latencies, bytes, errors, first_error } = samples;
        latencies.sort_unstable();
        Self { latencies, bytes, seconds: took.as_secs_f64(), errors, first_error, listing: None }
    }

    /// Operations a second.
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// The latency that this share of the operations did not exceed, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |latency| milliseconds(*latency))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// What the run is, for the reader of its output.
pub(super) fn heading(arguments: &Arguments) -> String {
    let b = arguments.b.as_ref().map(|url| format!(", B = {url}")).unwrap_or_default();
    format!(
        "A = {}{b}; {} bytes, {} at a time, {} operations, {} rounds, {} payload",
        arguments.a,
        arguments.size,
        arguments.concurrency,
        arguments.operations,
        arguments.rounds,
        if arguments.sign_payload { "signed" } else { "unsigned" }
    )
}

/// One line of a phase, and a second one with the first error where there was one.
pub(super) fn line(round: u64, target: &str, phase: Phase, measured: &Measured) -> String {
    let mut line = format!(
        "round {:<2} {target} {:<14} {:>7} ops {:>10.1} ops/s {:>8.1} MiB/s  p50 {:>8.2} ms  p99 {:>8.2} ms  {} errors",
        round + 1,
        phase.name(),
        measured.latencies.len(),
        measured.rate(),
        measured.bytes as f64 / measured.seconds / f64::from(1 << 20),
        measured.percentile(50),
        measured.percentile(99),
        measured.errors
    );
    if let Some(Listing { first, last, entries }) = &measured.listing {
        let (first, last) = (milliseconds(*first), milliseconds(*last));
        line.push_str(&format!("  {entries} entries, first page {first:.2} ms, last page {last:.2} ms"));
    }
    if let Some(error) = &measured.first_error {
        line.push_str(&format!("\n         first error: {error}"));
    }
    line
}

/// The rates of all rounds, by phase and server.
#[derive(Debug)]
pub(super) struct Comparison {
    targets: usize,
    rounds: BTreeMap<Phase, Vec<Vec<f64>>>,
}

impl Comparison {
    pub(super) fn new(targets: usize) -> Self {
        Self { targets, rounds: BTreeMap::new() }
    }

    /// Takes what one round measured of one phase, by the index of the server.
    pub(super) fn add(&mut self, phase: Phase, measured: &[(usize, Measured)]) {
        let rates = (0..self.targets).map(|wanted| {
            let found = measured.iter().find(|(index, _)| *index == wanted);
            found.map_or(f64::NAN, |(_, measured)| measured.rate())
        });
        self.rounds.entry(phase).or_default().push(rates.collect());
    }

    /// A line a phase: the median rate of each server, and the median of the ratios with their range.
    pub(super) fn lines(&self, phases: &[Phase]) -> Vec<String> {
        phases.iter().filter_map(|phase| Some(self.summary(*phase, self.rounds.get(phase)?))).collect()
    }

    fn summary(&self, phase: Phase, rounds: &[Vec<f64>]) -> String {
        let of = |target: usize| median(rounds.iter().filter_map(|rates| rates.get(target).copied()).collect());
        let mut line = format!("median   {:<14} A {:>10.1} ops/s", phase.name(), of(0));
        if self.targets == 2 {
            let ratios: Vec<f64> = rounds.iter().filter_map(|rates| Some(rates.first()? / rates.get(1)?)).collect();
            let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let most = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            line.push_str(&format!("  B {:>10.1} ops/s  A/B {:.2} ({least:.2} to {most:.2})", of(1), median(ratios)));
        }
        line
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| values.get(at)).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(milliseconds: impl IntoIterator<Item = u64>, seconds: u64) -> Measured {
        let mut samples = Samples::default();
        for latency in milliseconds {
            samples.succeeded(Duration::from_millis(latency), 1 << 20);
        }
        Measured::new(samples, Duration::from_secs(seconds))
    }

    #[test]
    fn rates_and_percentiles_are_those_of_the_operations_that_succeeded() {
        let mut result = measured((1..=100).rev(), 10);
        result.errors = 7;
        assert!((result.rate() - 10.0).abs() < 1e-9);
        assert!((result.percentile(50) - 51.0).abs() < 1e-9 && (result.percentile(99) - 100.0).abs() < 1e-9);
        let line = line(0, "A", Phase::Put, &result);
        assert!(line.contains("10.0 ops/s") && line.contains("10.0 MiB/s") && line.contains("7 errors"), "{line}");
    }

    #[test]
    fn the_first_error_is_printed_once() {
        let (mut first, mut second) = (Samples::default(), Samples::default());
        first.failed(&anyhow::anyhow!("503 SlowDown"));
        second.failed(&anyhow::anyhow!("later"));
        first.merge(second);
        let line = line(0, "B", Phase::Get, &Measured::new(first, Duration::from_secs(1)));
        assert!(
            line.contains("2 errors") && line.contains("first error: 503 SlowDown") && !line.contains("later"),
            "{line}"
        );
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let mut comparison = Comparison::new(2);
        for (a, b) in [(100, 100), (300, 100), (200, 100)] {
            // B was measured first here: the order of measuring must not matter.
            comparison.add(
                Phase::Put,
                &[(1, measured(std::iter::repeat_n(1, b), 1)), (0, measured(std::iter::repeat_n(1, a), 1))],
            );
        }
        let lines = comparison.lines(&[Phase::Put]);
        assert!(lines[0].contains("A/B 2.00 (1.00 to 3.00)"), "{lines:?}");
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(vec![]).is_nan());
    }
}
