//! May they? A [`Permit`] is the proof that somebody asked the policy and it said yes.
//!
//! Every handler takes a permit, and only [`authorize`] makes one: a handler that can be called has been authorised.
//! What does not live here: finding out who asks (`identity`), and the rule itself (crate `zas-policy`).

use zas_policy::{Action, Principal, Resource};

use crate::audit::{Kind, Record, Trail};
use crate::error::{Code, Error};

/// Proof that `principal` may perform `action` on `resource`.
#[derive(Debug, Clone)]
pub struct Permit {
    principal: Principal,
    action: Action,
    resource: Resource,
    trail: Trail,
}

impl Permit {
    /// Adds what is known of the request, so that what is done on it is recorded.
    #[must_use]
    pub fn with_trail(mut self, trail: Trail) -> Self {
        self.trail = trail;
        self
    }

    /// The record of a change that succeeds, to be committed with it; `None` where nothing is to be recorded.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        let record = self.trail.record(Kind::Operation, &self.principal, self.action, &self.resource)?;
        Some(record.answered(200, None))
    }

    /// What is known of the request.
    #[must_use]
    pub const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Who was authorised.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
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
}

/// Asks the policy; a yes is a [`Permit`].
///
/// # Errors
/// [`Code::Unauthenticated`] where nobody asked, [`Code::AccessDenied`] where the policy says no; both carry the reason.
pub fn authorize(principal: &Principal, action: Action, resource: Resource) -> Result<Permit, Error> {
    let decision = zas_policy::decide(principal, action, &resource);
    if decision.is_allowed() {
        tracing::trace!(%principal, %action, %resource, reason = %decision.reason, "allowed");
        return Ok(Permit { principal: principal.clone(), action, resource, trail: Trail::none() });
    }
    tracing::debug!(%principal, %action, %resource, reason = %decision.reason, "denied");
    let code = match principal {
        Principal::Anonymous => Code::Unauthenticated,
        Principal::Root { .. } | Principal::Identity(_) => Code::AccessDenied,
    };
    Err(Error::from(code).with("action", action).with("resource", &resource).with("reason", decision.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anonymous_request_gets_no_permit_and_reads_why() {
        let error = authorize(&Principal::Anonymous, Action::GetObject, Resource::object("b", "k")).unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated);
        assert!(error.details().any(|detail| detail == ("reason", "no statement allows it")));
    }

    #[test]
    fn a_permit_names_what_it_permits() {
        let permit = authorize(&Principal::root("AKIA"), Action::PutObject, Resource::object("b", "k")).unwrap();
        assert_eq!(permit.action(), Action::PutObject);
        assert_eq!(permit.resource(), &Resource::object("b", "k"));
    }
}
