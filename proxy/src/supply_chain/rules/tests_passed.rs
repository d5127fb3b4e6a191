//! The rule `tests`: tests of the artifact have passed (in-toto attestation, "Test Result" v0.1).
//!
//! A result has no time of its own, and when it was signed at the latest says nothing of that: an old one can be given a new time by anybody. So
//! the newest counts where the rule says at which place of the predicate its time stands; without one every result may be the newest, and
//! none may say that those tests have failed that the rule asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::attestation::time_at;
use super::evidence::{Attested, Case, Signed};
use super::newest::{Dated, newest};
use super::policy::PolicyError;
use super::signatures::{check_threshold, one};
use super::signers::{Signers, are_enough};
use super::verdict::{Findings, Reason, Why};
use super::words::{Pattern, Several, is_pointer};

/// The predicate.
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// Tests have passed, and these have said so.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestsPassed {
    signers: Signers,
    #[serde(default = "one")]
    threshold: usize,
    /// Whether warnings are good enough.
    #[serde(default)]
    allow_warnings: bool,
    /// Digests (`sha256:...`, `gitBlob:...`) of configurations that are known. Unset: any.
    configurations: Option<Several<Pinned>>,
    /// Tests that must be among those that have passed.
    required: Option<Several<Pattern>>,
    /// The place of the time at which the tests ended. Unset: which result is the newest is not known.
    time_field: Option<String>,
}

/// A digest by any algorithm, as `<algorithm>:<value>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Pinned {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    result: Outcome,
    configuration: Vec<Configuration>,
    #[serde(default)]
    passed_tests: Vec<String>,
    #[serde(default)]
    warned_tests: Vec<String>,
    #[serde(default)]
    failed_tests: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Outcome {
    Passed,
    Warned,
    Failed,
}

/// Of whom and with which configurations a result is: of several the newest counts.
type Suite = (String, BTreeSet<BTreeMap<String, String>>);

/// By whom a result is, and why its tests have not passed, or may not have.
type Told<'a> = (Signed<'a>, Result<(), Reason>);

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

impl TestsPassed {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        check_threshold(&self.signers, self.threshold, at)?;
        if self.time_field.as_deref().is_some_and(|field| !is_pointer(field)) {
            let text = "is no JSON pointer, such as /finishedOn";
            return Err(PolicyError::at(format!("{at}.time_field"), text));
        }
        Ok(())
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        self.signers.note_unknown(case.known, findings);
        let (mut is_any, mut suites) = (false, BTreeMap::<Suite, Vec<Dated<Told<'_>>>>::new());
        for attested in case.statements(|kind| kind == TEST_RESULT) {
            is_any = true;
            match self.weigh(case, &attested) {
                Ok((suite, result)) => suites.entry(suite).or_default().push(result),
                Err(reason) => findings.refuse(reason),
            }
        }
        if !is_any {
            findings.refuse(Reason::of_all(Why::NoEvidence, "nobody who is trusted has said that tests have passed"));
        }
        let (mut accepted, mut has_failed) = (Vec::new(), false);
        for (results, older) in suites.into_values().map(newest) {
            older.iter().for_each(|(by, _)| findings.refuse(by.reason(Why::Superseded, "there is a newer result")));
            for (by, told) in results {
                match told {
                    Ok(()) => accepted.push(by),
                    Err(reason) => {
                        has_failed = true;
                        findings.refuse(reason);
                    }
                }
            }
        }
        let has_enough = are_enough(&accepted, self.threshold, findings);
        case.knows_the_newest(findings) && has_enough && !has_failed
    }

    /// A result that may count, for or against. One that cannot be read may say anything.
    fn weigh<'a>(&self, case: &Case<'_>, attested: &Attested<'a>) -> Result<(Suite, Dated<Told<'a>>), Reason> {
        let by = attested.by;
        self.signers.check(&by)?;
        let at = self.time_field.as_deref().and_then(|field| time_at(&attested.predicate::<Value>().ok()?, field));
        if let Some(at) = at {
            case.check_age(&by, "the result", at, None)?;
        }
        let signer = by.verified.signer.to_string();
        let predicate: Predicate = match attested.predicate() {
            Ok(predicate) => predicate,
            Err(reason) => return Ok(((signer, BTreeSet::new()), Dated { at, item: (by, Err(reason)) })),
        };
        let told = self.check_result(attested, &predicate);
        match &told {
            Ok(()) => self.check_tests(attested, &predicate)?,
            Err(reason) if !self.may_be_about(&predicate) => return Err(reason.clone()),
            Err(_) => {}
        }
        let configurations = predicate.configuration.into_iter().map(|used| used.digest).collect();
        Ok(((signer, configurations), Dated { at, item: (by, told) }))
    }

    fn check_result(&self, attested: &Attested<'_>, predicate: &Predicate) -> Result<(), Reason> {
        let refuse = |code, text: String| Err(attested.by.reason(code, text));
        match predicate.result {
            Outcome::Passed => {}
            Outcome::Warned if self.allow_warnings => {}
            Outcome::Warned => return refuse(Why::TestResult, "the tests have passed with warnings".to_owned()),
            Outcome::Failed => return refuse(Why::TestResult, "the tests have failed".to_owned()),
        }
        if let Some(failed) = predicate.failed_tests.first() {
            return refuse(Why::TestResult, format!("{failed:?} has failed"));
        }
        if let Some(warned) = predicate.warned_tests.first().filter(|_| !self.allow_warnings) {
            return refuse(Why::TestResult, format!("{warned:?} has warned"));
        }
        Ok(())
    }

    /// Whether those tests were made that the rule asks for.
    fn check_tests(&self, attested: &Attested<'_>, predicate: &Predicate) -> Result<(), Reason> {
        let refuse = |code, text: String| Err(attested.by.reason(code, text));
        if predicate.configuration.is_empty() {
            return refuse(Why::Configuration, "it does not say what was tested with".to_owned());
        }
        if !predicate.configuration.iter().all(|used| self.knows(used)) {
            let text = "a configuration of the tests is none of those that are known";
            return refuse(Why::Configuration, text.to_owned());
        }
        let has_passed = |required: &&Pattern| {
            predicate.passed_tests.iter().chain(&predicate.warned_tests).any(|test| required.fits(test))
        };
        match self.required.iter().flat_map(Several::iter).find(|required| !has_passed(required)) {
            None => Ok(()),
            Some(missing) => refuse(Why::TestResult, format!("{:?} is not among the tests", missing.as_str())),
        }
    }

    /// Whether a result that is not good may be about tests that the rule asks for: with a configuration that it knows, and of a name that it
    /// requires, where the result says which it is about.
    fn may_be_about(&self, predicate: &Predicate) -> bool {
        let Predicate { configuration, passed_tests: passed, warned_tests: warned, failed_tests: failed, .. } =
            predicate;
        if !configuration.is_empty() && !configuration.iter().any(|used| self.knows(used)) {
            return false;
        }
        let names_none = warned.is_empty() && failed.is_empty();
        let is_required = |test: &String| self.required.as_ref().is_none_or(|required| required.fit(test));
        names_none || passed.iter().chain(warned).chain(failed).any(is_required)
    }

    fn knows(&self, used: &Configuration) -> bool {
        self.configurations.as_ref().is_none_or(|known| known.iter().any(|pinned| pinned.is(used)))
    }
}

impl Pinned {
    fn is(&self, used: &Configuration) -> bool {
        used.digest.get(&self.algorithm).is_some_and(|value| value.eq_ignore_ascii_case(&self.value))
    }
}

impl TryFrom<String> for Pinned {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "a digest is <algorithm>:<hex>, such as sha256:... or gitBlob:...";
        let (algorithm, value) = text.split_once(':').ok_or(wrong)?;
        let is_value = (16..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_hexdigit());
        if algorithm.is_empty() || !algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') || !is_value {
            return Err(wrong);
        }
        Ok(Self { algorithm: algorithm.to_owned(), value: value.to_owned() })
    }
}
