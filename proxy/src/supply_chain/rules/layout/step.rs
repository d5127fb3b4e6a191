//! [`Step`]: one step of a layout, and what shows that it was carried out.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::supply_chain::rules::evidence::{Attested, Case, Signed, predicate};
use crate::supply_chain::rules::policy::PolicyError;
use crate::supply_chain::rules::provenance::{Provenance, Resource, is_provenance};
use crate::supply_chain::rules::signatures::{check_threshold, one};
use crate::supply_chain::rules::signers::{Signers, distinct};
use crate::supply_chain::rules::verdict::{Findings, Reason, Why};
use crate::supply_chain::rules::words::{Pattern, Several, is_text};
use crate::supply_chain::statement::Statement;

/// The predicate of a link.
pub(in crate::supply_chain::rules) const LINK: &str = "https://in-toto.io/attestation/link/v0.3";

/// Algorithms by which two things are held to be one.
const STRONG: [&str; 5] = ["sha256", "sha384", "sha512", "gitCommit", "gitTree"];

/// A step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    name: String,
    /// What shows it.
    #[serde(default)]
    shown_by: ShownBy,
    /// Where provenance shows it: patterns of builders.
    builders: Option<Several<Pattern>>,
    /// Who carries it out.
    functionaries: Signers,
    /// How many of them must have come to the same.
    #[serde(default = "one")]
    threshold: usize,
    /// What it may work on. Unset: something of the step before, and whatever else.
    materials: Option<Materials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShownBy {
    /// A link with the name of the step.
    #[default]
    Link,
    /// Provenance of one of the builders.
    Provenance,
}

/// What a step may work on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Materials {
    /// Earlier steps, of each of which something must be among the materials.
    #[serde(default)]
    from: Vec<String>,
    /// Patterns of names and URIs of materials that need not come from them. Unset: all must.
    allow: Option<Several<Pattern>>,
}

/// What shows a step: attestations that say the same, by enough of those who carry it out.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) members: Vec<Signed<'a>>,
    made: Made,
}

/// What a step has worked on and made, in an order of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    products: Vec<Digests>,
    materials: Vec<(String, Digests)>,
}

type Digests = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Link {
    name: String,
    #[serde(default)]
    materials: Option<Vec<Resource>>,
}

/// What a link or provenance says that something was made from; nothing for other statements, and for those that cannot be read.
pub(in crate::supply_chain::rules) fn materials(statement: &Statement) -> Vec<Resource> {
    match statement.predicate_type.as_str() {
        LINK => predicate::<Link>(statement).map(|link| link.materials.unwrap_or_default()).unwrap_or_default(),
        kind if is_provenance(kind) => Provenance::of(statement).map(|made| made.materials).unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Step {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `earlier`: the names of the steps before it.
    pub(super) fn check(&self, at: &str, earlier: &[&str]) -> Result<(), PolicyError> {
        check_threshold(&self.functionaries, self.threshold, at)?;
        if !is_text(&self.name) || earlier.contains(&self.name.as_str()) {
            return Err(PolicyError::at(format!("{at}.name"), "a step has a name of its own"));
        }
        match (self.shown_by, &self.builders) {
            (ShownBy::Provenance, None) => {
                return Err(PolicyError::at(format!("{at}.builders"), "must say whose provenance shows the step"));
            }
            (ShownBy::Link, Some(_)) => {
                return Err(PolicyError::at(format!("{at}.builders"), "are of provenance, and a link shows the step"));
            }
            _ => {}
        }
        let Some(materials) = &self.materials else { return Ok(()) };
        match materials.from.iter().position(|name| !earlier.contains(&name.as_str())) {
            None => Ok(()),
            Some(index) => Err(PolicyError::at(format!("{at}.materials.from[{index}]"), "is no earlier step")),
        }
    }

    /// Whether it works on what an earlier step makes; `index` is its own place among the names of all.
    pub(super) fn takes_from(&self, name: &str, index: usize, names: &[&str]) -> bool {
        match &self.materials {
            Some(materials) => materials.from.iter().any(|from| from == name),
            None => index.checked_sub(1).and_then(|before| names.get(before)) == Some(&name),
        }
    }

    /// What shows it. Of the last step the artifact must be among the products.
    pub(super) fn candidates<'a>(&self, case: &Case<'a>, is_last: bool, findings: &mut Findings) -> Vec<Candidate<'a>> {
        self.functionaries.note_unknown(case.known, findings);
        let mut groups: BTreeMap<Made, Vec<Signed<'a>>> = BTreeMap::new();
        for attested in case.all_statements() {
            match self.read(&attested) {
                Ok(Some(made)) if !is_last || case.is_about(&attested) => {
                    groups.entry(made).or_default().push(attested.by);
                }
                Ok(_) => {}
                Err(reason) => findings.refuse(reason),
            }
        }
        let mut candidates = Vec::new();
        for (made, members) in groups {
            let signers = distinct(members.iter().map(|signed| signed.verified));
            if signers >= self.threshold {
                candidates.push(Candidate { members, made });
            } else {
                let text =
                    format!("{signers} have carried out the step {} alike, and {} must", self.name, self.threshold);
                findings.refuse(Reason::of_all(Why::TooFewSigners, text));
            }
        }
        candidates
    }

    /// What a statement says was worked on and made in this step; `None`: it is about something else.
    fn read(&self, attested: &Attested<'_>) -> Result<Option<Made>, Reason> {
        let materials = match self.shown_by {
            ShownBy::Link if attested.statement.predicate_type == LINK => {
                let link: Link = attested.predicate()?;
                if link.name != self.name {
                    return Ok(None);
                }
                link.materials.unwrap_or_default()
            }
            ShownBy::Provenance if is_provenance(&attested.statement.predicate_type) => {
                let provenance = Provenance::read(attested)?;
                if !self.builders.as_ref().is_some_and(|builders| builders.fit(&provenance.builder)) {
                    return Ok(None);
                }
                provenance.materials
            }
            ShownBy::Link | ShownBy::Provenance => return Ok(None),
        };
        self.functionaries.check(&attested.by)?;
        let products = attested.statement.subjects.iter().map(|subject| subject.digest.to_map());
        let materials = materials.into_iter().map(|material| {
            let name = if material.name.is_empty() { material.uri } else { material.name };
            (name, material.digest)
        });
        let (mut products, mut materials): (Vec<_>, Vec<_>) = (products.collect(), materials.collect());
        products.sort_unstable();
        materials.sort_unstable();
        Ok(Some(Made { products, materials }))
    }

    /// Whether it works on what it may work on; `earlier` are the steps before it, in their order.
    pub(super) fn is_chained(&self, candidate: &Candidate<'_>, earlier: &[(&str, &Candidate<'_>)]) -> bool {
        let is_from = |name: &str| match &self.materials {
            Some(materials) => materials.from.iter().any(|from| from == name),
            None => earlier.last().is_some_and(|(last, _)| *last == name),
        };
        let is_allowed = |name: &str| match &self.materials {
            Some(Materials { allow: Some(allow), .. }) => allow.fit(name),
            Some(Materials { allow: None, .. }) => false,
            None => true,
        };
        let sources: Vec<&Made> =
            earlier.iter().filter(|(name, _)| is_from(name)).map(|(_, candidate)| &candidate.made).collect();
        let materials = &candidate.made.materials;
        let comes_from =
            |source: &Made, digests: &Digests| source.products.iter().any(|product| is_same(product, digests));
        sources.iter().all(|source| materials.iter().any(|(_, digests)| comes_from(source, digests)))
            && materials
                .iter()
                .all(|(name, digests)| is_allowed(name) || sources.iter().any(|source| comes_from(source, digests)))
    }
}

/// Whether two sets of digests are of one thing: they share a strong one, and differ in none that both have.
fn is_same(a: &Digests, b: &Digests) -> bool {
    let shared = a.iter().filter_map(|(algorithm, value)| Some((algorithm, value, b.get(algorithm)?)));
    let (mut is_strong, mut differs) = (false, false);
    for (algorithm, value, other) in shared {
        is_strong |= STRONG.contains(&algorithm.as_str());
        differs |= !value.eq_ignore_ascii_case(other);
    }
    is_strong && !differs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_the_same_by_a_strong_digest_and_by_no_other_against_it() {
        let digests = |pairs: &[(&str, &str)]| -> Digests {
            pairs.iter().map(|&(algorithm, value)| (algorithm.to_owned(), value.to_owned())).collect()
        };
        for (a, b, same) in [
            (digests(&[("sha256", "aa")]), digests(&[("sha256", "AA")]), true),
            (digests(&[("sha256", "aa")]), digests(&[("sha256", "bb")]), false),
            (digests(&[("md5", "aa")]), digests(&[("md5", "aa")]), false),
            (digests(&[("sha256", "aa"), ("sha512", "b")]), digests(&[("sha256", "aa"), ("sha512", "c")]), false),
            (digests(&[("sha256", "aa")]), digests(&[("sha512", "aa")]), false),
            (digests(&[]), digests(&[]), false),
        ] {
            assert_eq!(is_same(&a, &b), same, "{a:?} {b:?}");
        }
    }
}
