//! Tests and releases (in-toto attestation, "Predicates").

use serde::Deserialize;

use super::common::{Resource, check_all, text, uri};
use super::{Predicate, WrongPredicate, wrong};

/// What tests came to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestResult {
    result: Outcome,
    configuration: Vec<Resource>,
    url: Option<String>,
    #[serde(default)]
    passed_tests: Vec<String>,
    #[serde(default)]
    warned_tests: Vec<String>,
    #[serde(default)]
    failed_tests: Vec<String>,
}

/// Whether tests passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Outcome {
    Passed,
    Warned,
    Failed,
}

impl Predicate for TestResult {
    fn check(&self) -> Result<(), WrongPredicate> {
        if self.configuration.is_empty() {
            return Err(wrong("configuration", "it is empty: it must say what was tested with"));
        }
        check_all(&self.configuration, "configuration")?;
        if let Some(url) = &self.url {
            uri("url", url)?;
        }
        let lists = [
            ("passedTests", &self.passed_tests),
            ("warnedTests", &self.warned_tests),
            ("failedTests", &self.failed_tests),
        ];
        for (place, tests) in lists {
            tests.iter().enumerate().try_for_each(|(at, name)| text(&format!("{place}[{at}]"), name))?;
        }
        if self.result == Outcome::Passed && !self.failed_tests.is_empty() {
            return Err(wrong("result", "it is PASSED, and tests have failed"));
        }
        Ok(())
    }
}

/// That something was published under a name.
#[derive(Debug, Deserialize)]
pub(super) struct Release {
    purl: Option<String>,
    #[serde(rename = "releaseId")]
    release_id: Option<String>,
}

impl Predicate for Release {
    fn check(&self) -> Result<(), WrongPredicate> {
        if let Some(purl) = &self.purl {
            return match purl.parse::<crate::supply_chain::sbom::Purl>() {
                Ok(_) => Ok(()),
                Err(error) => Err(wrong("purl", error.to_string())),
            };
        }
        match &self.release_id {
            Some(id) => text("releaseId", id),
            None => Err(wrong("purl", "it is missing, and there is no releaseId either")),
        }
    }
}
