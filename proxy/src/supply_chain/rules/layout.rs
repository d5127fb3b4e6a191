//! The rule `layout`: the artifact went through certain steps, each shown by those who carry it out, each working on what the ones
//! before it had made (in-toto specification 1.0, "Layout"; ITE-10 for attestations in place of links).
//!
//! A step is shown by a link (`https://in-toto.io/attestation/link/v0.3`) or by provenance. Steps hang together by digests: the
//! materials of one are products of others, and the products of the last are the artifact. Where several attestations show a step,
//! any of them may be the one that fits the rest.

mod step;

use serde::Deserialize;

use step::{Candidate, Step};
pub(super) use step::{LINK, materials};

use super::evidence::{Case, Signed};
use super::policy::PolicyError;
use super::verdict::{Findings, Reason, Why};
use super::words::Several;

/// Ways of fitting steps together that are tried. Only whoever a layout trusts can make it so many.
const TRIES: usize = 100_000;

/// Steps in their order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    steps: Several<Step>,
}

/// Steps with what shows them, while it is tried to fit them together.
struct Fit<'f, 'a> {
    steps: Vec<(&'f Step, Vec<Candidate<'a>>)>,
    tries: usize,
    /// How many steps fitted together, where it came furthest.
    furthest: usize,
}

impl Layout {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        let mut names: Vec<&str> = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            step.check(&format!("{at}.steps[{index}]"), &names)?;
            names.push(step.name());
        }
        // Otherwise it could be a step of something else.
        let is_used = |index: usize, name: &str| {
            self.steps.iter().enumerate().skip(index + 1).any(|(later, step)| step.takes_from(name, later, &names))
        };
        let last = names.len().saturating_sub(1);
        match names.iter().enumerate().take(last).find(|(index, name)| !is_used(*index, name)) {
            None => Ok(()),
            Some((index, _)) => {
                Err(PolicyError::at(format!("{at}.steps[{index}].name"), "no later step takes what this one makes"))
            }
        }
    }

    pub(super) fn hold(&self, case: &Case<'_>, findings: &mut Findings) -> bool {
        let mut steps = Vec::new();
        let mut is_shown = true;
        for (index, step) in self.steps.iter().enumerate() {
            let is_last = index + 1 == self.steps.len();
            let candidates = step.candidates(case, is_last, findings);
            if candidates.is_empty() {
                is_shown = false;
                findings.refuse(Reason::of_all(Why::Step, format!("the step {} is not shown", step.name())));
            }
            steps.push((step, candidates));
        }
        if !is_shown {
            return false;
        }
        let mut fit = Fit { steps, tries: 0, furthest: 0 };
        let mut chosen = Vec::new();
        if !fit.fits(&mut chosen) {
            findings.refuse(fit.reason());
            return false;
        }
        fit.members(&chosen).for_each(|signed| findings.use_it(signed.used()));
        true
    }
}

impl<'a> Fit<'_, 'a> {
    /// Whether the steps behind those that are chosen can be chosen so that all fit together; then they are.
    fn fits(&mut self, chosen: &mut Vec<usize>) -> bool {
        let index = chosen.len();
        self.furthest = self.furthest.max(index);
        if index == self.steps.len() {
            return true;
        }
        let many = self.steps.get(index).map_or(0, |(_, candidates)| candidates.len());
        for number in 0..many {
            self.tries += 1;
            if self.tries > TRIES {
                return false;
            }
            if !self.is_chained(chosen, number) {
                continue;
            }
            chosen.push(number);
            if self.fits(chosen) {
                return true;
            }
            chosen.pop();
        }
        false
    }

    /// Whether a candidate of the next step works on what the chosen ones have made.
    fn is_chained(&self, chosen: &[usize], number: usize) -> bool {
        let Some((step, candidates)) = self.steps.get(chosen.len()) else { return false };
        let Some(candidate) = candidates.get(number) else { return false };
        let earlier: Vec<(&str, &Candidate<'a>)> = self
            .steps
            .iter()
            .zip(chosen)
            .filter_map(|((step, candidates), number)| Some((step.name(), candidates.get(*number)?)))
            .collect();
        step.is_chained(candidate, &earlier)
    }

    /// Why they do not fit.
    fn reason(&self) -> Reason {
        if self.tries > TRIES {
            return Reason::of_all(Why::Chain, "there are too many ways in which the steps could fit together");
        }
        let name = self.steps.get(self.furthest).map_or("", |(step, _)| step.name());
        Reason::of_all(
            Why::Chain,
            format!("the materials of the step {name} are not the products of the steps before it"),
        )
    }

    /// All that shows the chosen ones.
    fn members<'c>(&'c self, chosen: &'c [usize]) -> impl Iterator<Item = Signed<'a>> + 'c {
        let candidates = self.steps.iter().zip(chosen).filter_map(|((_, candidates), number)| candidates.get(*number));
        candidates.flat_map(|candidate| candidate.members.iter().copied())
    }
}
