//! The OCI distribution conformance suite as a function: run it against a registry, get the result of every test.
//!
//! Which registries are compared, and what is expected of them, is in `tests/conformance.rs`.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};

use crate::{harness::Endpoint, process::run};

/// Longest run of the suite.
const DEADLINE: Duration = Duration::from_secs(600);

/// How one test of the suite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The registry does what the specification says.
    Pass,
    /// The registry says that it does not support what the test is about.
    Skip,
    /// The test is switched off by the suite's configuration.
    Disabled,
    /// The registry does not conform.
    Fail,
}

/// What the suite found.
#[derive(Debug)]
pub struct Report {
    /// The outcome of every test, by its full name.
    pub outcomes: BTreeMap<String, Outcome>,
    /// All that the suite printed.
    pub text: String,
}

impl Report {
    /// The names of the tests that ended so.
    pub fn named(&self, outcome: Outcome) -> impl Iterator<Item = &str> {
        self.outcomes.iter().filter(move |(_, found)| **found == outcome).map(|(name, _)| name.as_str())
    }

    /// The tests whose outcomes differ, each as a line `name: here | there`.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = self.outcomes.keys().chain(other.outcomes.keys()).collect();
        let pairs = names.into_iter().map(|name| (name, self.outcomes.get(name), other.outcomes.get(name)));
        let different = pairs.filter(|(_, here, there)| here != there);
        different.map(|(name, here, there)| format!("{name}: {here:?} | {there:?}")).collect()
    }
}

/// Runs the suite (the executable `suite`) against a registry. `settings` are further environment variables of the suite,
/// which switch on what it leaves out by default.
///
/// # Errors
/// When it cannot be run to its end or reports nothing. A registry that does not conform is no error here.
pub fn run_suite(suite: &Path, registry: &Endpoint, settings: &[(&str, &str)]) -> Result<Report> {
    let results = tempfile::tempdir()?;
    let mut command = Command::new(suite);
    command.current_dir(results.path()).envs([
        ("OCI_REGISTRY", registry.authority()),
        ("OCI_TLS", if registry.is_tls() { "insecure" } else { "disabled" }),
        ("OCI_USERNAME", &registry.access_key),
        ("OCI_PASSWORD", &registry.secret_key),
        ("OCI_VERSION", "1.1"),
    ]);
    command.envs(settings.iter().copied());
    command.env("OCI_RESULTS_DIR", results.path().join("results"));
    let finished = run(&mut command, DEADLINE)?;
    let outcomes = parse(&finished.stdout);
    ensure!(!outcomes.is_empty(), "the conformance suite reported no test: {}{}", finished.stdout, finished.stderr);
    Ok(Report { outcomes, text: finished.stdout })
}

/// Reads the tree of results: a line `NAME: OUTCOME` a test, each below its parent, ended by an empty line. Groups stand in
/// it beside their tests; they are kept, for a group can fail by itself. The suite repeats names (every blob of an image is
/// one `blob-get`); the second of a name is kept as `NAME #2`, for the suite's order is always the same.
fn parse(text: &str) -> BTreeMap<String, Outcome> {
    let lines = text.lines().skip_while(|line| *line != "Test results").skip(1).take_while(|line| !line.is_empty());
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut outcomes = BTreeMap::new();
    for line in lines {
        let Some((name, outcome)) = line.trim_start().rsplit_once(": ") else { continue };
        let Some(outcome) = outcome_of(outcome) else { continue };
        let times = seen.entry(name).or_default();
        *times += 1;
        outcomes.insert(if *times == 1 { name.to_owned() } else { format!("{name} #{times}") }, outcome);
    }
    outcomes
}

fn outcome_of(word: &str) -> Option<Outcome> {
    match word {
        "Pass" => Some(Outcome::Pass),
        "Skip" => Some(Outcome::Skip),
        "Disabled" => Some(Outcome::Disabled),
        "FAIL" | "Error" => Some(Outcome::Fail),
        _ => None,
    }
}

/// One line with the number of tests that ended in each way.
#[must_use]
pub fn summary(report: &Report) -> String {
    let count = |outcome| report.named(outcome).count();
    format!(
        "{} passed, {} failed, {} skipped, {} disabled",
        count(Outcome::Pass),
        count(Outcome::Fail),
        count(Outcome::Skip),
        count(Outcome::Disabled)
    )
}

/// Fails with the suite's own words for each test that failed.
///
/// # Errors
/// When a test of `report` failed.
pub fn ensure_no_failure(report: &Report) -> Result<()> {
    let failed = report.named(Outcome::Fail).count();
    ensure!(failed == 0, "the conformance suite: {}\n{}", summary(report), failures(&report.text).join("\n"));
    Ok(())
}

/// The lines of the tests that failed, each with the reasons below it.
fn failures(text: &str) -> Vec<&str> {
    let mut failing = false;
    let is_failure = |line: &&str| {
        let reason = line.trim_start().starts_with("- ");
        failing = if reason { failing } else { line.ends_with(": FAIL") || line.ends_with(": Error") };
        failing
    };
    text.lines().take_while(|line| !line.starts_with("Configuration:")).filter(is_failure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Test results\n\
        OCI Conformance Test: FAIL\n  \
          OCI Conformance Test/ping: Pass\n  \
          OCI Conformance Test/tag: FAIL\n   \
           - unexpected status: 500\n  \
          OCI Conformance Test/cancel: Disabled\n\n\
        Configuration:\n  version: 1.1\n";

    fn report(text: &str) -> Report {
        Report { outcomes: parse(text), text: text.to_owned() }
    }

    #[test]
    fn the_outcome_of_every_test_is_read() {
        let report = report(TEXT);
        assert_eq!(report.outcomes.len(), 4);
        assert_eq!(
            report.named(Outcome::Fail).collect::<Vec<_>>(),
            ["OCI Conformance Test", "OCI Conformance Test/tag"]
        );
        assert_eq!(summary(&report), "1 passed, 2 failed, 0 skipped, 1 disabled");
    }

    #[test]
    fn tests_of_one_name_are_kept_apart() {
        let report = report("Test results\nT/blob-get: Pass\nT/blob-get: FAIL\n\n");
        assert_eq!(report.named(Outcome::Pass).collect::<Vec<_>>(), ["T/blob-get"]);
        assert_eq!(report.named(Outcome::Fail).collect::<Vec<_>>(), ["T/blob-get #2"]);
    }

    #[test]
    fn a_failed_test_is_reported_with_its_reason() {
        let error = ensure_no_failure(&report(TEXT)).unwrap_err().to_string();
        assert!(error.contains("unexpected status: 500") && !error.contains("ping"), "{error}");
    }

    #[test]
    fn differences_name_each_test_that_ended_otherwise_or_is_missing() {
        let other = report(
            &TEXT.replace("ping: Pass", "ping: Skip").replace("OCI Conformance Test/cancel: Disabled", "other: Pass"),
        );
        assert_eq!(
            report(TEXT).differences(&other),
            [
                "OCI Conformance Test/cancel: Some(Disabled) | None",
                "OCI Conformance Test/ping: Some(Pass) | Some(Skip)",
                "other: None | Some(Pass)"
            ]
        );
    }
}
