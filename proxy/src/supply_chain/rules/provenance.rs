//! The rule `provenance`: how the artifact was built, by whom and from what (SLSA 1.2, "Verifying artifacts").
//!
//! The level is the one that the policy gives to the pair of builder and signer, never one that a document claims.

mod predicate;
mod source;

use std::time::Duration;

use serde::Deserialize;

pub(super) use predicate::{Provenance, Resource, V0_2, V1, is_provenance};
use source::{SourceAt, SourceRule};

use super::evidence::{Attested, Case};
use super::policy::PolicyError;
use super::signers::Signers;
use super::verdict::{Findings, Reason, Why};
use super::words::{Pattern, Places, Several};

/// The highest level of the build track (SLSA 1.2, "Build track").
const HIGHEST: u8 = 3;

/// The artifact was built as it must be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProvenanceRule {
    builders: Several<Builder>,
    /// The least level.
    #[serde(default = "lowest")]
    min_level: u8,
    /// Patterns of build types. Unset: any.
    build_types: Option<Several<Pattern>>,
    /// What it may be built from. Unset: anything.
    sources: Option<Several<SourceRule>>,
    /// Where a build type of one's own says what it builds from.
    source_at: Option<SourceAt>,
    /// What the external parameters must be; what is not named here must not be there. Unset: anything.
    parameters: Option<Places>,
    /// How long ago the build may have ended.
    #[serde(default, with = "humantime_serde")]
    max_age: Option<Duration>,
}

/// A builder, by whom its word is signed, and what that is worth.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Builder {
    id: Pattern,
    signers: Signers,
    #[serde(default = "lowest")]
    level: u8,
}

const fn lowest() -> u8 {
    1
}

impl ProvenanceRule {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        let is_level = |level: u8| (1..=HIGHEST).contains(&level);
        if !is_level(self.min_level) {
            return Err(PolicyError::at(format!("{at}.min_level"), format!("must be from 1 to {HIGHEST}")));
        }
        if let Some(index) = self.builders.iter().position(|builder| !is_level(builder.level)) {
            let field = format!("{at}.builders[{index}].level");
            return Err(PolicyError::at(field, format!("must be from 1 to {HIGHEST}")));
        }
        if !self.builders.iter().any(|builder| builder.level >= self.min_level) {
            return Err(PolicyError::at(format!("{at}.min_level"), "no builder of this rule has such a level"));
        }
        for (index, source) in self.sources.iter().flat_map(Several::iter).enumerate() {
            source.check(&format!("{at}.sources[{index}]"))?;
        }
        match &self.source_at {
            Some(_) if self.sources.is_none() => {
                Err(PolicyError::at(format!("{at}.source_at"), "is of use with sources only"))
            }
            Some(source_at) => source_at.check(&format!("{at}.source_at")),
            None => Ok(()),
        }
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        self.builders.iter().for_each(|builder| builder.signers.note_unknown(case.known, findings));
        let (mut is_any, mut passed) = (false, false);
        for attested in case.statements(is_provenance) {
            is_any = true;
            match self.accept(case, &attested) {
                Ok(level) => {
                    passed = true;
                    findings.show_level(level);
                    findings.use_it(attested.by.used());
                }
                Err(reason) => findings.refuse(reason),
            }
        }
        if !is_any {
            findings.refuse(Reason::of_all(Why::NoEvidence, "there is no provenance by anybody who is trusted"));
        }
        passed
    }

    /// The level that a statement shows.
    fn accept(&self, case: &Case<'_>, attested: &Attested<'_>) -> Result<u8, Reason> {
        let refuse = |code, text: String| Err(attested.by.reason(code, text));
        let provenance = Provenance::read(attested)?;
        let level = self.level(attested, &provenance)?;
        if level < self.min_level {
            return refuse(Why::Level, format!("its builder and signer are worth level {level}"));
        }
        if self.build_types.as_ref().is_some_and(|types| !types.fit(&provenance.build_type)) {
            return refuse(Why::BuildType, format!("it is a build of the type {:?}", provenance.build_type));
        }
        if let Some(sources) = &self.sources {
            let told = source::told(&provenance, self.source_at.as_ref());
            source::check(&told, sources.iter()).map_err(|text| attested.by.reason(Why::Source, text))?;
        }
        if let Some(parameters) = &self.parameters {
            check_parameters(parameters, &provenance).map_err(|text| attested.by.reason(Why::Parameters, text))?;
        }
        self.check_times(case, attested, &provenance).map(|()| level)
    }

    /// What the builder's word is worth by this signer.
    fn level(&self, attested: &Attested<'_>, provenance: &Provenance) -> Result<u8, Reason> {
        let named = self.builders.iter().filter(|builder| builder.id.fits(&provenance.builder));
        let signed = named.filter(|builder| builder.signers.check(&attested.by).is_ok());
        signed.map(|builder| builder.level).max().ok_or_else(|| {
            let signer = &attested.by.verified.signer;
            let text = format!("{:?} with the signature of {signer} is no builder of this rule", provenance.builder);
            attested.by.reason(Why::Builder, text)
        })
    }

    fn check_times(&self, case: &Case<'_>, attested: &Attested<'_>, provenance: &Provenance) -> Result<(), Reason> {
        let (started, finished) = (provenance.started, provenance.finished);
        if let (Some(started), Some(finished)) = (started, finished)
            && started > finished
        {
            return Err(attested.by.reason(Why::Time, "the build ended before it began"));
        }
        match finished.or(started) {
            Some(made) => case.check_age(&attested.by, "the build", made, self.max_age),
            None if self.max_age.is_none() => Ok(()),
            None => Err(attested.by.reason(Why::Time, "it does not say when the build ended")),
        }
    }
}

fn check_parameters(wanted: &Places, provenance: &Provenance) -> Result<(), String> {
    if let Some(place) = wanted.broken(&provenance.parameters) {
        return Err(format!("the parameter {place} is not what is wanted"));
    }
    let is_empty = provenance.parameters.as_object().is_some_and(serde_json::Map::is_empty);
    match wanted.unknown(&provenance.parameters).filter(|_| !is_empty) {
        Some(place) => Err(format!("there is a parameter {place}, of which the rule says nothing")),
        None => Ok(()),
    }
}
