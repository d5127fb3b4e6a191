//! Pure policy decisions: `(principal, action, resource, context) -> Decision`.
//!
//! What lives here: the types that a decision needs, and the rule that decides. No I/O, no async, no clock: the same
//! inputs give the same [`Decision`] on every replica and in every test.
//! What does not: finding out who asks (the proxy's `identity`), and turning a decision into a permit (its `authz`).
//!
//! For now there is one rule: the root principal may do everything, nobody else may do anything.

mod action;
mod decision;
mod principal;
mod resource;

pub use action::{Action, ParseActionError};
pub use decision::{Decision, Effect, Reason};
pub use principal::{Identity, Principal, Session};
pub use resource::Resource;

/// Decides whether `principal` may perform `action` on `resource`.
///
/// Default deny: only [`Principal::Root`] is allowed, whatever the action and the resource.
#[must_use]
pub fn decide(principal: &Principal, _action: Action, _resource: &Resource) -> Decision {
    match principal {
        Principal::Root { .. } => Decision::allow(Reason::RootMayDoEverything),
        Principal::Identity(_) | Principal::Anonymous => Decision::deny(Reason::NoStatementAllows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn actions() -> impl Strategy<Value = Action> {
        proptest::sample::select(Action::ALL)
    }

    fn resources() -> impl Strategy<Value = Resource> {
        prop_oneof![
            Just(Resource::Service),
            "[a-z0-9-]{3,20}".prop_map(Resource::bucket),
            ("[a-z0-9-]{3,20}", ".{1,40}").prop_map(|(b, k)| Resource::object(b, k)),
            "[a-z0-9/]{1,30}".prop_map(Resource::repository),
        ]
    }

    proptest! {
        #[test]
        fn root_may_do_everything(action in actions(), resource in resources()) {
            let root = Principal::root("AKIAROOT");
            prop_assert_eq!(decide(&root, action, &resource).effect, Effect::Allow);
        }

        #[test]
        fn an_anonymous_request_may_do_nothing(action in actions(), resource in resources()) {
            prop_assert_eq!(decide(&Principal::Anonymous, action, &resource).effect, Effect::Deny);
        }
    }
}
