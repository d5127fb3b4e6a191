//! Conditions: an operator, a key and values (IAM JSON policy elements: Condition operators).
//!
//! Values of one key are alternatives, keys are all needed, negated operators mean "none of them". A missing key fails a positive
//! operator and satisfies a negated one; `…IfExists` and `ForAllValues` are satisfied by it; `Null` asks for it.
//! A value of the request that an operator cannot read (a number that is none) is unknown, not different.

mod operand;
mod operator;

pub(crate) use operand::Operands;
pub use operator::condition_operators;
pub(crate) use operator::{Family, Operator};

use crate::context::{Found, Scope};
use crate::key::Key;
use crate::template::Fit;

/// One line of a `Condition` block.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub operator: Operator,
    pub key: Key,
    pub operands: Operands,
}

/// How the values of a key are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// One value is expected; of several, one that fits is enough, and a negated operator wants none that fits.
    Plain,
    /// `ForAllValues:`, true where there is none.
    All,
    /// `ForAnyValue:`, false where there is none.
    Any,
}

impl Condition {
    /// Whether it holds. [`Fit::Void`]: a negated operator compares with a variable that has no value.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Fit {
        match scope.find(&self.key) {
            Found::Unknown => {
                scope.unknown(&self.key);
                Fit::Unknown
            }
            Found::Values(values) if !values.is_empty() => self.compare(&values, scope),
            _ => self.without_value(scope),
        }
    }

    fn without_value(&self, scope: &Scope<'_>) -> Fit {
        if let Operands::Null(wanted) = &self.operands {
            return fit(wanted.contains(&true));
        }
        scope.missing(&self.key);
        let holds = match self.operator.quantifier {
            Quantifier::All => true,
            _ if self.operator.if_exists => true,
            Quantifier::Any => false,
            Quantifier::Plain => self.operator.negated,
        };
        fit(holds)
    }

    fn compare(&self, values: &[std::borrow::Cow<'_, str>], scope: &Scope<'_>) -> Fit {
        if let Operands::Null(wanted) = &self.operands {
            return fit(wanted.contains(&false));
        }
        let negated = self.operator.negated;
        let fits = values.iter().map(|value| self.operands.accept(value, scope));
        // Inside the quantifier: "every value is none of these", "some value is none of these".
        let each = fits.map(|fit| if negated { not(fit) } else { positive(fit) });
        let outcome = match (self.operator.quantifier, negated) {
            (Quantifier::All, _) | (Quantifier::Plain, true) => all(each),
            (Quantifier::Any, _) | (Quantifier::Plain, false) => any(each),
        };
        if outcome == Fit::Unknown {
            scope.unknown(&self.key);
        }
        outcome
    }
}

pub(crate) const fn fit(yes: bool) -> Fit {
    if yes { Fit::Yes } else { Fit::No }
}

/// "None of these": comparing with a variable that has no value makes nothing true.
const fn not(fit: Fit) -> Fit {
    match fit {
        Fit::Yes => Fit::No,
        Fit::No => Fit::Yes,
        other => other,
    }
}

/// A variable without a value fits nothing.
const fn positive(fit: Fit) -> Fit {
    match fit {
        Fit::Void => Fit::No,
        other => other,
    }
}

/// All of them; what cannot be told matters only where nothing else fails.
pub(crate) fn all(fits: impl Iterator<Item = Fit>) -> Fit {
    let mut outcome = Fit::Yes;
    for fit in fits {
        match fit {
            Fit::No | Fit::Void => return fit,
            Fit::Unknown => outcome = Fit::Unknown,
            Fit::Yes => {}
        }
    }
    outcome
}

/// One of them; what cannot be told matters only where no other holds.
pub(crate) fn any(fits: impl Iterator<Item = Fit>) -> Fit {
    let mut outcome = Fit::No;
    for fit in fits {
        match (fit, outcome) {
            (Fit::Yes, _) => return Fit::Yes,
            (Fit::Unknown, _) => outcome = Fit::Unknown,
            (Fit::Void, Fit::No) => outcome = Fit::Void,
            _ => {}
        }
    }
    outcome
}
