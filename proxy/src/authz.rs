//! May they? A [`Permit`] is the proof that somebody asked the policy and it said yes.
//!
//! Every handler takes a permit, and only [`authorize`] makes one: a handler that can be called has been authorised.
//! What does not live here: finding out who asks (`identity`), and the rule itself (crate `zas-policy`).

use zas_policy::{Action, Principal, Resource};

use crate::error::{Code, Error};

/// Proof that `principal` may perform `action` on `resource`.
#[derive(Debug, Clone)]
pub struct Permit {
    principal: Principal,
    action: Action,
    resource: Resource,
}

impl Permit {
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
        return Ok(Permit { principal: principal.clone(), action, resource });
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
