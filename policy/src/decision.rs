//! The answer, and why it is what it is.

use std::fmt;

/// What a decision says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The request may go on.
    Allow,
    /// The request is refused.
    Deny,
}

/// Why a decision came out as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The principal is root.
    RootMayDoEverything,
    /// Nothing allows it, and the default is to deny.
    NoStatementAllows,
}

/// An effect with its reason; the audit record and a refusal carry both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    /// An allowing decision.
    #[must_use]
    pub const fn allow(reason: Reason) -> Self {
        Self { effect: Effect::Allow, reason }
    }

    /// A refusing decision.
    #[must_use]
    pub const fn deny(reason: Reason) -> Self {
        Self { effect: Effect::Deny, reason }
    }

    /// Whether the request may go on.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self.effect, Effect::Allow)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RootMayDoEverything => "the principal is root",
            Self::NoStatementAllows => "no statement allows it",
        })
    }
}
