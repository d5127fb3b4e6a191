//! Asking the verifier about all that was found: about the artifact, and then about what it was made from.
//!
//! A layout speaks of steps whose products are not the artifact but went into it. Who they are signed by is asked only of what is
//! about the materials of statements that were verified before, so that nothing counts that does not lead to the artifact.

use std::collections::BTreeSet;

use super::layout;
use super::provenance::{V0_2, V1};
use crate::digest::Digest;
use crate::supply_chain::legacy::Repository;
use crate::supply_chain::limits::EVIDENCE;
use crate::supply_chain::verify::{Accept, Evidence, Expected, Outcome, Refusal, Said, Verifier};

/// How many steps back it is gone.
const ROUNDS: usize = 16;

/// Materials that are asked about in one round.
const MATERIALS: usize = 10_000;

/// What comes of each piece of evidence, in its order. `expected` says what the artifact is; what is to be said of it is nobody's concern
/// yet. `repositories` are all the names under which it may have been signed. Of more than 128 pieces the rest does not count.
#[must_use]
pub fn judge(
    verifier: &Verifier,
    evidence: &[&Evidence],
    expected: &Expected<'_>,
    repositories: &[Repository<'_>],
) -> Vec<Outcome> {
    let expected = Expected { accept: Accept::Anything, repository: repositories.first().copied(), ..*expected };
    let first = |(at, evidence): (usize, &&Evidence)| {
        if at < EVIDENCE { in_any(verifier, evidence, &expected, repositories) } else { Err(Refusal::TooMuchEvidence) }
    };
    let mut outcomes: Vec<Outcome> = evidence.iter().enumerate().map(first).collect();
    let mut asked: BTreeSet<Digest> = expected.artifacts.iter().copied().collect();
    for _ in 0..ROUNDS {
        let materials: Vec<Digest> = materials(&outcomes).difference(&asked).copied().take(MATERIALS).collect();
        if materials.is_empty() || !outcomes.iter().any(is_of_another) {
            break;
        }
        let back =
            Expected { artifacts: &materials, accept: Accept::Statements(&[layout::LINK, V1, V0_2]), ..expected };
        for (outcome, evidence) in outcomes.iter_mut().zip(evidence).filter(|(outcome, _)| is_of_another(outcome)) {
            if let Ok(verified) = verifier.verify(evidence, &back) {
                *outcome = Ok(verified);
            }
        }
        asked.extend(materials);
    }
    outcomes
}

/// What comes of a piece of evidence, by whichever of its names the artifact was signed.
fn in_any(
    verifier: &Verifier,
    evidence: &Evidence,
    expected: &Expected<'_>,
    repositories: &[Repository<'_>],
) -> Outcome {
    let mut outcome = verifier.verify(evidence, expected);
    for repository in repositories.iter().skip(1) {
        if !matches!(outcome, Err(Refusal::OtherRepository(_))) {
            break;
        }
        outcome = verifier.verify(evidence, &Expected { repository: Some(*repository), ..*expected });
    }
    outcome
}

fn is_of_another(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Refusal::OtherArtifact))
}

/// What the verified statements say that things were made from.
fn materials(outcomes: &[Outcome]) -> BTreeSet<Digest> {
    let mut all = BTreeSet::new();
    for verified in outcomes.iter().flatten() {
        let Said::Statement(statement) = &verified.said else { continue };
        let materials = layout::materials(statement);
        let digests = materials.iter().filter_map(|material| material.digest.get("sha256"));
        all.extend(digests.filter_map(|hex| format!("sha256:{}", hex.to_ascii_lowercase()).parse::<Digest>().ok()));
    }
    all
}
