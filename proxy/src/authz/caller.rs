//! [`Caller`]: who asks, and what is known of the request besides.

use zas_policy::Principal;

use crate::audit::Trail;

/// Who asks, and what is known of the request besides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    trail: Trail,
}

impl Caller {
    /// Of a request.
    #[must_use]
    pub const fn new(principal: Principal, trail: Trail) -> Self {
        Self { principal, trail }
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
}
