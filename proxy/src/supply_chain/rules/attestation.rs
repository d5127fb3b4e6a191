//! The rule `attestation`: a statement of any type, by those whom it names, with the values that it wants.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::evidence::{Attested, Case};
use super::policy::PolicyError;
use super::signatures::{check_threshold, one};
use super::signers::{Signers, are_enough};
use super::verdict::{Findings, Reason, Why};
use super::words::{Pattern, Places, Several, is_pointer};

/// A statement of one of these types.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attestation {
    /// Patterns of predicate types.
    predicate_types: Several<Pattern>,
    signers: Signers,
    #[serde(default = "one")]
    threshold: usize,
    /// What must stand at places of the predicate.
    #[serde(default)]
    fields: Places,
    /// The place of the time at which it was made.
    time_field: Option<String>,
    /// How old it may be.
    #[serde(default, with = "humantime_serde")]
    max_age: Option<Duration>,
}

impl Attestation {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        check_threshold(&self.signers, self.threshold, at)?;
        if self.time_field.as_deref().is_some_and(|field| !is_pointer(field)) {
            return Err(PolicyError::at(
                format!("{at}.time_field"),
                "is no JSON pointer, such as /metadata/finishedOn",
            ));
        }
        if self.max_age.is_some() && self.time_field.is_none() {
            return Err(PolicyError::at(
                format!("{at}.time_field"),
                "must say where the time is that max_age is about",
            ));
        }
        Ok(())
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        self.signers.note_unknown(case.known, findings);
        let mut accepted = Vec::new();
        let mut is_any = false;
        for attested in case.statements(|kind| self.predicate_types.fit(kind)) {
            is_any = true;
            match self.accept(case, &attested) {
                Ok(()) => accepted.push(attested.by),
                Err(reason) => findings.refuse(reason),
            }
        }
        if !is_any {
            findings.refuse(Reason::of_all(
                Why::NoEvidence,
                "there is no statement of such a type by anybody who is trusted",
            ));
        }
        are_enough(&accepted, self.threshold, findings)
    }

    fn accept(&self, case: &Case<'_>, attested: &Attested<'_>) -> Result<(), Reason> {
        self.signers.check(&attested.by)?;
        let predicate: Value = attested.predicate()?;
        if let Some(place) = self.fields.broken(&predicate) {
            return Err(attested.by.reason(Why::Field, format!("what stands at {place} is not what is wanted there")));
        }
        let Some(field) = &self.time_field else { return Ok(()) };
        let made = time_at(&predicate, field)
            .ok_or_else(|| attested.by.reason(Why::Time, format!("there is no time at {field} (RFC 3339)")))?;
        case.check_age(&attested.by, "the statement", made, self.max_age)
    }
}

/// The time that stands at a place of a predicate.
pub(super) fn time_at(predicate: &Value, field: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(predicate.pointer(field)?.as_str()?, &Rfc3339).ok()
}
