//! [`Verifier`]: whom we believe, ready to be asked.

use super::{Evidence, Expected, Outcome, Refusal, Trust, TrustRoot, TrustedIdentity, TrustedKey, Withdrawn};
use crate::supply_chain::Malformed;
use crate::supply_chain::bundle::{Bundle, Claimed};
use crate::supply_chain::limits::EVIDENCE;

/// What the signatures of keys must have beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogPolicy {
    /// An entry in a transparency log, proven to be there.
    Required,
    /// Nothing; but an entry or a timestamp that is there must be true. Without a trusted root it cannot be, and does not count.
    #[default]
    WhenPresent,
    /// Nothing, and what is there is not believed either. An entry must be about the signature all the same.
    Waived,
}

/// Whom we believe. Made anew when that changes; asked as often as need be, by many at a time.
#[derive(Debug)]
pub struct Verifier {
    pub(super) keys: Vec<TrustedKey>,
    pub(super) identities: Vec<TrustedIdentity>,
    pub(super) roots: Vec<TrustRoot>,
    pub(super) nobody: TrustRoot,
    pub(super) log: LogPolicy,
}

impl Verifier {
    /// Believes these keys and identities; `roots` are what identities are proven with, and the logs and clocks that keys may have used:
    /// what one of them vouches for counts.
    /// # Errors
    /// Never; the library could refuse a root of nobody.
    pub fn new(trust: Trust, roots: impl IntoIterator<Item = TrustRoot>, log: LogPolicy) -> Result<Self, Malformed> {
        let roots = roots.into_iter().collect();
        let Trust { mut keys, identities, .. } = trust;
        // A key that is known by two names and was revoked under one of them is revoked.
        keys.sort_by_key(|key| key.validity.withdrawn != Some(Withdrawn::Revoked));
        Ok(Self { keys, identities, roots, nobody: TrustRoot::nobody()?, log })
    }

    /// What the first of the roots says that vouches for something; otherwise the last refusal. `what` needs a root.
    pub(super) fn by_any_root<T>(
        &self,
        what: &'static str,
        ask: impl Fn(&TrustRoot) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut outcome = Err(Refusal::NoTrustedRoot(what));
        for root in &self.roots {
            outcome = ask(root);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// What comes of each piece of evidence, in its order. Of more than 128 the rest is not looked at, and does not count.
    #[must_use]
    pub fn verify_all(&self, evidence: &[Evidence], expected: &Expected<'_>) -> Vec<Outcome> {
        let outcome = |(at, evidence)| {
            if at < EVIDENCE { self.verify(evidence, expected) } else { Err(Refusal::TooMuchEvidence) }
        };
        evidence.iter().enumerate().map(outcome).collect()
    }

    /// What comes of one piece of evidence.
    /// # Errors
    /// [`Refusal`] says why it does not count.
    pub fn verify(&self, evidence: &Evidence, expected: &Expected<'_>) -> Outcome {
        match evidence {
            Evidence::Legacy(layer) => self.legacy(layer, expected),
            Evidence::Bundle(json) => {
                let bundle = Bundle::parse(json)?;
                match &bundle.claimed {
                    Claimed::Key { hint } => self.keyed(&bundle, hint, expected),
                    Claimed::Certificate(_) => self.keyless(&bundle, expected),
                }
            }
        }
    }
}
