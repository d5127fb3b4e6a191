//! Licences: what the components of a bill of materials are under, held against what may be.
//!
//! [`evaluate`] is a pure function of components, a policy and a time; every decision that is not a plain yes leaves evidence:
//! which component, which expression, which rule. Expressions are evaluated, never compared as texts: of `A OR B` one of both
//! must be acceptable, of `A AND B` both. docs/sbom.md, "Licences", has the rules.

mod evidence;
mod exception;
mod pattern;
mod policy;
mod weigh;

pub use evidence::{Basis, Decision, Evidence, Reason, Verdict};
pub use exception::{LicenceException, PurlPattern};
pub use pattern::{LicencePattern, ParsePatternError};
pub use policy::{Claims, LicencePolicy, Treatment};

use spdx::{Expression, ParseMode};
use time::OffsetDateTime;

use self::weigh::weigh;
use super::sbom::Component;

/// Longest expression that is read, in bytes.
const LONGEST: usize = 16 << 10;

/// A text that is no licence expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseLicenceError {
    /// It breaks the grammar, or names what is on no list.
    #[error("{0}")]
    Grammar(String),
    /// It has more than 16 KiB.
    #[error("an expression of more than {LONGEST} bytes")]
    TooLong,
}

/// Reads an expression (SPDX 2.3, annex D): `AND`, `OR`, `WITH`, `+`, parentheses, `LicenseRef-`; deprecated identifiers are
/// read too, and `GPL-2.0+` as `GPL-2.0-or-later`.
/// # Errors
/// The syntax is wrong, or an identifier is on neither of SPDX's lists.
pub fn parse(text: &str) -> Result<Expression, ParseLicenceError> {
    const MODE: ParseMode = ParseMode {
        allow_slash_as_or_operator: false,
        allow_imprecise_license_names: false,
        allow_postfix_plus_on_gpl: true,
        allow_deprecated: true,
        allow_unknown: false,
    };
    if text.len() > LONGEST {
        return Err(ParseLicenceError::TooLong);
    }
    Expression::parse_mode(text, MODE).map_err(|error| {
        let at = text.get(error.span.clone()).map(str::trim).filter(|at| !at.is_empty());
        let at = at.map(|at| format!(" at `{}`", super::sbom::excerpt(at))).unwrap_or_default();
        ParseLicenceError::Grammar(format!("{}{at}", error.reason))
    })
}

/// Holds the components of a document against a policy, as of `now`. Evidence is given for at most `most` components; all are
/// counted.
#[must_use]
pub fn evaluate<'c>(
    components: impl IntoIterator<Item = &'c Component>,
    policy: &LicencePolicy,
    now: OffsetDateTime,
    most: usize,
) -> Verdict {
    let mut verdict = Verdict::default();
    for component in components {
        let (decision, evidence) = weigh(component, policy, now);
        verdict.count(decision);
        if let Some(evidence) = evidence.filter(|_| verdict.evidence.len() < most) {
            verdict.evidence.push(evidence);
        }
    }
    verdict
}

#[cfg(test)]
mod tests;
