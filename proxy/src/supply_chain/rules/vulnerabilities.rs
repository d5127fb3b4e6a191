//! The rule `vulnerabilities`: a fresh scan of the artifact has found no more than may be, by the word of those who know better (VEX).
//!
//! Of all scans by those whom the rule names, with a scanner that it takes, the newest counts, and of all words about a vulnerability the latest:
//! what was found since is not undone by what was not known before. One that cannot be read may be the newest, and is never good.

mod exploitability;
mod package;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use exploitability::{Exploitability, is_vex};
use word::{Word, Words};

use super::evidence::{Attested, Case, Signed};
use super::newest::{Dated, newest};
use super::policy::PolicyError;
use super::signers::Signers;
use super::verdict::{Findings, Reason, Used, Why};
use super::words::{Pattern, Several, is_text};
use crate::supply_chain::licence::PurlPattern;
use crate::supply_chain::scan::{Finding, Head, Scan, Severity, is_scan};

/// Vulnerabilities that a refusal names.
const NAMED: usize = 5;

/// Exceptions of one rule.
const EXCEPTIONS: usize = 1024;

/// A scan has found no more than this.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vulnerabilities {
    /// Whose scans count.
    signers: Signers,
    /// How many there may be.
    max: Limits,
    /// How long ago the scan may have ended.
    #[serde(with = "humantime_serde")]
    max_scan_age: Duration,
    /// How old what it knew of vulnerabilities may be.
    #[serde(default, with = "humantime_serde")]
    max_db_age: Option<Duration>,
    /// Patterns of scanners' URIs. Unset: any.
    scanners: Option<Several<Pattern>>,
    /// Whose word counts that something is not affected, or fixed. Unset: nobody's.
    vex_signers: Option<Signers>,
    /// How old such a word may be.
    #[serde(default, with = "humantime_serde")]
    max_vex_age: Option<Duration>,
    /// Vulnerabilities that pass for a while.
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// How many vulnerabilities there may be of each severity; unset: any number. Of an unknown severity there may be as many as of the
/// gravest that is limited.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    critical: Option<usize>,
    high: Option<usize>,
    medium: Option<usize>,
    low: Option<usize>,
    unknown: Option<usize>,
}

/// A vulnerability that passes for a while.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// Its identifier.
    id: String,
    /// In which packages. Unset: any.
    purl: Option<PurlPattern>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Why; for people.
    reason: String,
}

/// What counts, by severity: each vulnerability once for each package.
type Counted<'f> = BTreeMap<Severity, BTreeSet<(&'f str, &'f str)>>;

/// What a word about vulnerabilities is called where it is refused.
const WORD: &str = "the word about vulnerabilities";

impl Vulnerabilities {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        if self.max.gravest().is_none() {
            return Err(PolicyError::at(
                format!("{at}.max"),
                "must limit one of critical, high, medium and low at least",
            ));
        }
        if self.max_vex_age.is_some() && self.vex_signers.is_none() {
            return Err(PolicyError::at(format!("{at}.max_vex_age"), "is of use with vex_signers only"));
        }
        if self.exceptions.len() > EXCEPTIONS {
            let text = format!("there are more than {EXCEPTIONS} exceptions");
            return Err(PolicyError::at(format!("{at}.exceptions"), text));
        }
        let is_wrong = |exception: &Exception| !is_text(&exception.id) || !is_text(&exception.reason);
        match self.exceptions.iter().position(is_wrong) {
            Some(index) => Err(PolicyError::at(format!("{at}.exceptions[{index}]"), "must have an id and a reason")),
            None => Ok(()),
        }
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        self.signers.note_unknown(case.known, findings);
        let words = self.words(case, findings);
        let (mut is_any, mut scans) = (false, Vec::new());
        for attested in case.statements(is_scan) {
            is_any = true;
            match self.candidate(case, attested) {
                Ok(dated) => scans.push(dated),
                Err(reason) => findings.refuse(reason),
            }
        }
        if !is_any {
            findings.refuse(Reason::of_all(Why::NoEvidence, "there is no scan by anybody who is trusted"));
        }
        let (scans, older) = newest(scans);
        older.iter().for_each(|scan| findings.refuse(scan.by.reason(Why::Superseded, "there is a newer scan")));
        let mut passed = !scans.is_empty();
        for attested in scans {
            match read(&attested).and_then(|scan| self.accept(case, &attested.by, &scan, &words)) {
                Ok(used) => {
                    findings.use_it(attested.by.used());
                    used.into_iter().for_each(|used| findings.use_it(used));
                }
                Err(reason) => {
                    passed = false;
                    findings.refuse(reason);
                }
            }
        }
        case.knows_the_newest(findings) && passed
    }

    /// What those say whose word counts.
    fn words(&self, case: &Case<'_>, findings: &mut Findings) -> Words {
        let mut words = Words::default();
        let Some(signers) = &self.vex_signers else { return words };
        signers.note_unknown(case.known, findings);
        for attested in case.statements(is_vex) {
            if let Err(reason) = self.hear(case, signers, &attested, &mut words) {
                findings.refuse(reason);
            }
        }
        words
    }

    /// Takes a word in, as far as it counts.
    fn hear(
        &self,
        case: &Case<'_>,
        signers: &Signers,
        attested: &Attested<'_>,
        words: &mut Words,
    ) -> Result<(), Reason> {
        signers.check(&attested.by)?;
        let vex = match Exploitability::read(attested, &case.subject.digests, &case.clock) {
            Ok(vex) => vex,
            Err(reason) => {
                let made = exploitability::made(attested);
                if let Some(made) = made {
                    case.check_age(&attested.by, WORD, made, None)?;
                }
                words.add_unread(made);
                return Err(reason);
            }
        };
        case.check_age(&attested.by, WORD, vex.made, None)?;
        let age = case.check_age(&attested.by, WORD, vex.made, self.max_vex_age);
        words.add(Word { used: attested.by.used(), vex, is_stale: age.is_err() });
        age
    }

    /// A scan that may be the one that counts: by whom the rule names, by a scanner that it takes, and not of the future; as far as that can be
    /// told of one that nobody has read yet.
    fn candidate<'a>(&self, case: &Case<'_>, attested: Attested<'a>) -> Result<Dated<Attested<'a>>, Reason> {
        self.signers.check(&attested.by)?;
        let Head { scanner, finished } = Head::read(attested.statement);
        if let (Some(known), Some(scanner)) = (&self.scanners, &scanner)
            && !known.fit(scanner)
        {
            return Err(attested.by.reason(Why::Scanner, format!("{scanner:?} is no scanner of this rule")));
        }
        if let Some(finished) = finished {
            case.check_age(&attested.by, "the scan", finished, None)?;
        }
        Ok(Dated { at: finished, item: attested })
    }

    /// Accepts a scan, with the words that it took.
    fn accept(&self, case: &Case<'_>, by: &Signed<'_>, scan: &Scan, words: &Words) -> Result<BTreeSet<Used>, Reason> {
        let refuse = |code, text: String| by.reason(code, text);
        case.check_age(by, "the scan", scan.finished, Some(self.max_scan_age))?;
        if let Some(most) = self.max_db_age {
            let made = scan.data_of.ok_or_else(|| {
                refuse(Why::Database, "it does not say how old the data was that it was made with".to_owned())
            })?;
            case.check_age(by, "the vulnerability data", made, Some(most))
                .map_err(|reason| Reason { code: Why::Database, ..reason })?;
        }
        let (counted, used) = self.weigh(case, &scan.findings, words);
        match self.max.broken(&counted) {
            None => Ok(used),
            Some(text) => Err(refuse(Why::Vulnerability, text)),
        }
    }

    /// What is left of the findings, by severity; and the words that took others away.
    fn weigh<'f>(&self, case: &Case<'_>, findings: &'f [Finding], words: &Words) -> (Counted<'f>, BTreeSet<Used>) {
        let (mut counted, mut used) = (Counted::new(), BTreeSet::new());
        for finding in findings {
            match words.clearing(finding) {
                Some(clearing) => used.extend(clearing.into_iter().cloned()),
                None if self.exceptions.iter().any(|exception| exception.covers(finding, case)) => {}
                None => {
                    let named = (finding.id.as_str(), finding.package_name.as_str());
                    counted.entry(finding.severity).or_default().insert(named);
                }
            }
        }
        (counted, used)
    }
}

/// Reads a scan; what cannot be read is a reason against it.
fn read(attested: &Attested<'_>) -> Result<Scan, Reason> {
    Scan::read(attested.statement).map_err(|unreadable| {
        let code = if unreadable.is_about_time() { Why::Time } else { Why::Malformed };
        attested.by.reason(code, unreadable.to_string())
    })
}

impl Exception {
    fn covers(&self, finding: &Finding, case: &Case<'_>) -> bool {
        let is_package = |pattern: &PurlPattern| finding.package.as_ref().is_some_and(|purl| pattern.matches(purl));
        finding.is_called(&self.id)
            && self.purl.as_ref().is_none_or(is_package)
            && !case.clock.has_come(self.expires_at)
    }
}

impl Limits {
    /// The limit of the gravest severity that has one.
    fn gravest(&self) -> Option<usize> {
        [self.critical, self.high, self.medium, self.low].into_iter().flatten().next()
    }

    fn of(&self, severity: Severity) -> Option<usize> {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::None => None,
            Severity::Unknown => self.unknown.or_else(|| self.gravest()),
        }
    }

    /// What there is too much of.
    fn broken(&self, counted: &Counted<'_>) -> Option<String> {
        let mut texts = Vec::new();
        for (severity, findings) in counted.iter().rev() {
            let Some(most) = self.of(*severity).filter(|most| findings.len() > *most) else { continue };
            let names: Vec<_> = findings.iter().take(NAMED).map(|(id, _)| *id).collect();
            texts.push(format!(
                "{} vulnerabilities are {}, and {most} may be: {}",
                findings.len(),
                severity.as_str(),
                names.join(", ")
            ));
        }
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
