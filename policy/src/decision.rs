//! The answer, and why it is what it is.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::key::Key;

/// What a decision says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The principal is known, and that is enough for this action.
    EverybodyKnownMay,
    /// A statement allows it, and none denies it.
    StatementAllows,
    /// An access control list allows it, and no statement denies it.
    ListAllows,
    /// A statement denies it.
    StatementDenies,
    /// A statement denies it unless something is known that cannot be told now.
    StateIsUnknown,
    /// Nothing allows it, and the default is to deny.
    NoStatementAllows,
    /// The policy of the session, or of the service account, does not allow it.
    NotWithinNarrowerPolicy,
    /// What is known of the policies is too old to decide by.
    PoliciesAreStale,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatementRef {
    /// The policy's name, such as `bucket/releases` or `ci-push`.
    pub policy: Arc<str>,
    /// The statement's place in it, from 0.
    pub index: u32,
    /// Its `Sid`.
    pub sid: Option<Arc<str>>,
}

/// An effect with its reasons; the audit record and a refusal carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// The statements that decided; of an access control list the grant, as `acl/object#READ:<grantee>`.
    pub statements: SmallVec<[StatementRef; 2]>,
    /// Of a refusal: the keys that statements asked for and the request did not have.
    pub missing: Vec<Key>,
    /// Of a refusal: the keys whose values could not be told.
    pub unknown: Vec<Key>,
    /// Of a permission: statements that would have denied, and are only put on record (`"Mode": "Audit"`, [`Gate::Audit`](crate::Gate)).
    pub audited: SmallVec<[StatementRef; 1]>,
    /// Those of [`audited`](Self::audited) that may have denied: it depends on a key whose value cannot be told.
    pub unsure: SmallVec<[StatementRef; 1]>,
    /// Whether it could come out otherwise, or name other statements, if what is said of the artifact were known.
    pub is_open: bool,
}

impl Decision {
    /// A decision by no statement.
    #[must_use]
    pub fn new(effect: Effect, reason: Reason) -> Self {
        Self {
            effect,
            reason,
            statements: SmallVec::new(),
            missing: Vec::new(),
            unknown: Vec::new(),
            audited: SmallVec::new(),
            unsure: SmallVec::new(),
            is_open: false,
        }
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allow
    }
}

/// `ci-push#0` or `ci-push#AllowPush`.
impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "{}#{sid}", self.policy),
            None => write!(f, "{}#{}", self.policy, self.index),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RootMayDoEverything => "the principal is root",
            Self::EverybodyKnownMay => "everybody who is known may",
            Self::StatementAllows => "a statement allows it",
            Self::ListAllows => "an access control list allows it",
            Self::StatementDenies => "a statement denies it",
            Self::StateIsUnknown => "a statement denies it unless something is known that cannot be told now",
            Self::NoStatementAllows => "no statement allows it",
            Self::NotWithinNarrowerPolicy => "the policy of the session or of the service account does not allow it",
            Self::PoliciesAreStale => "the policies known here are too old to decide by",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_said_in_words() {
        assert_eq!((Effect::Allow.to_string(), Effect::Deny.to_string()), ("Allow".to_owned(), "Deny".to_owned()));
        assert_eq!(Reason::NoStatementAllows.to_string(), "no statement allows it");
        assert_eq!(Reason::PoliciesAreStale.to_string(), "the policies known here are too old to decide by");
    }
}
