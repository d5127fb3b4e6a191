//! [`Authority`]: the one place where a yes becomes a [`Permit`], and where a no is recorded.

use zas_policy::{Action, Decision, Resource};

use super::{Caller, Permit};
use crate::audit::{Decided, Journal, Kind};
use crate::error::{Code, Error, Result};

/// Asks the policy on behalf of callers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authority {
    journal: Journal,
}

impl Authority {
    /// Records its refusals in this journal.
    #[must_use]
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
    }

    /// Asks the policy; a yes is a [`Permit`], and a no to somebody who is known is on record before it is answered.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] where nobody asked, [`Code::AccessDenied`] where the policy says no; both carry the reason.
    /// `SlowDown` where the refusal cannot be recorded in time.
    pub async fn authorize(&self, caller: &Caller, action: Action, resource: Resource) -> Result<Permit> {
        let decision = decide(caller, action, &resource);
        let decided = Decided { allowed: decision.is_allowed(), statements: Vec::new() };
        let principal = caller.principal();
        if decided.allowed {
            tracing::trace!(%principal, %action, %resource, reason = %decision.reason, "allowed");
            return Ok(Permit { caller: caller.clone(), action, resource, decided });
        }
        tracing::debug!(%principal, %action, %resource, reason = %decision.reason, "denied");
        if principal.is_anonymous() {
            return Err(refusal(Code::Unauthenticated, action, &resource, &decision));
        }
        if let Some(record) = caller.trail().record(Kind::Denial, principal, action, &resource) {
            let status = Code::AccessDenied.row().status;
            self.journal.record(record.decided(&decided).answered(status, Some(Code::AccessDenied))).await?;
        }
        Err(refusal(Code::AccessDenied, action, &resource, &decision))
    }

    /// What the policy would say: for what is shown or left out, and for an offer that may be declined in silence. A handler
    /// cannot be called on it, and nothing is recorded.
    #[must_use]
    pub fn may(&self, caller: &Caller, action: Action, resource: &Resource) -> bool {
        decide(caller, action, resource).is_allowed()
    }
}

fn decide(caller: &Caller, action: Action, resource: &Resource) -> Decision {
    zas_policy::decide(caller.principal(), action, resource)
}

fn refusal(code: Code, action: Action, resource: &Resource, decision: &Decision) -> Error {
    Error::from(code).with("action", action).with("resource", resource).with("reason", decision.reason)
}
