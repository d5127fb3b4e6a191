//! May they? A [`Permit`] is the proof that somebody asked the policy and it said yes.
//!
//! Every handler takes a permit, and only [`Authority::authorize`] makes one: a handler that can be called has been authorised.
//! Who asks is a [`Caller`]: the principal, and what is known of the request.
//! What does not live here: finding out who asks (`identity`), and the rules themselves (crate `zas-policy`).

mod authority;
mod caller;
mod conditions;
mod gate;
mod lists;
mod narrower;
mod policies;

pub use authority::{Authority, Taken};
pub use caller::Caller;
pub use conditions::Conditions;
pub use gate::{Artifact, LookUp};
pub use policies::Policies;

use zas_policy::{Action, Principal, Resource};

use crate::audit::{Decided, Kind, Record};
use crate::digest::Digest;

/// Proof that the caller may perform `action` on `resource`.
#[derive(Debug, Clone)]
pub struct Permit {
    caller: Caller,
    action: Action,
    resource: Resource,
    decided: Decided,
    audited: Vec<String>,
    gated: Gated,
}

/// Which artifact a permit is for, where a policy has asked what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gated {
    /// No policy has: it is for whatever the resource is.
    No,
    /// For none: there was no artifact that rules are for.
    ForNone,
    /// For the one whose manifest has this digest.
    For(Digest),
}

impl Gated {
    /// Whether it is for this artifact.
    #[must_use]
    pub fn is_for(self, digest: Option<&Digest>) -> bool {
        match self {
            Self::No => true,
            Self::ForNone => false,
            Self::For(permitted) => digest == Some(&permitted),
        }
    }
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

    /// The one artifact that it is for, where a policy has asked what is known of it. Whoever hands out bytes makes sure that they are of
    /// that one.
    #[must_use]
    pub const fn gated(&self) -> Gated {
        self.gated
    }

    /// The statements that would have denied it, and are only put on record; behind those of which that cannot be told stands
    /// `(unknown)`.
    #[must_use]
    pub fn audited(&self) -> &[String] {
        &self.audited
    }

    const fn of(mut self, gated: Gated) -> Self {
        self.gated = gated;
        self
    }

    /// The record of a change that succeeds, to be committed with it; `None` where nothing is to be recorded.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        Some(self.recorded(Kind::Operation)?.answered(200, None))
    }

    /// A record of what was permitted, without its outcome; `None` where nothing is to be recorded.
    #[must_use]
    pub fn recorded(&self, kind: Kind) -> Option<Record> {
        let record = self.caller.record(kind, self.action, &self.resource)?.decided(&self.decided);
        if self.audited.is_empty() {
            return Some(record);
        }
        Some(record.note(format!("would be denied by {}", self.audited.join(", "))))
    }

    /// This permit; what it records names the statements of both. For what is one request, and was asked for part by part.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        for statement in &other.decided.statements {
            if !self.decided.statements.contains(statement) {
                self.decided.statements.push(statement.clone());
            }
        }
        for statement in &other.audited {
            if !self.audited.contains(statement) {
                self.audited.push(statement.clone());
            }
        }
        self
    }
}
