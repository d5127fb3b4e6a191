//! [`Caller`]: who asks, and what is known of the request besides.

use std::sync::Arc;

use zas_policy::Principal;

use super::Conditions;
use crate::audit::Trail;

/// Who asks, and what is known of the request besides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    trail: Trail,
    conditions: Arc<Conditions>,
}

impl Caller {
    /// Of a request.
    #[must_use]
    pub fn new(principal: Principal, trail: Trail, conditions: Conditions) -> Self {
        Self { principal, trail, conditions: Arc::new(conditions) }
    }

    /// Who asks.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What is known of the request.
    #[must_use]
    pub const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What the request says under the condition keys of policies.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }
}
