//! May they? A [`Permit`] is the proof that somebody asked the policy and it said yes.
//!
//! Every handler takes a permit, and only [`Authority::authorize`] makes one: a handler that can be called has been authorised.
//! Who asks is a [`Caller`]: the principal, and what is known of the request.
//! What does not live here: finding out who asks (`identity`), and the rules themselves (crate `zas-policy`).

mod authority;
mod caller;
mod conditions;
mod narrower;
mod policies;

pub use authority::{Authority, Taken};
pub use caller::Caller;
pub use conditions::Conditions;
pub use policies::Policies;

use zas_policy::{Action, Principal, Resource};

use crate::audit::{Decided, Kind, Record};

/// Proof that the caller may perform `action` on `resource`.
#[derive(Debug, Clone)]
pub struct Permit {
    caller: Caller,
    action: Action,
    resource: Resource,
    decided: Decided,
}

impl Permit {
    /// Who was authorised, to ask for more on their behalf.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who was authorised.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        self.caller.principal()
    }

    /// What was allowed.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// On what.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The record of a change that succeeds, to be committed with it; `None` where nothing is to be recorded.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        Some(self.recorded(Kind::Operation)?.answered(200, None))
    }

    /// A record of what was permitted, without its outcome; `None` where nothing is to be recorded.
    #[must_use]
    pub fn recorded(&self, kind: Kind) -> Option<Record> {
        Some(self.caller.record(kind, self.action, &self.resource)?.decided(&self.decided))
    }

    /// This permit; what it records names the statements of both. For what is one request, and was asked for part by part.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        for statement in &other.decided.statements {
            if !self.decided.statements.contains(statement) {
                self.decided.statements.push(statement.clone());
            }
        }
        self
    }
}
