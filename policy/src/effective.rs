//! What a principal may do in a bucket, without asking for each key: the statements that reach into it.

use crate::context::{Request, Scope};
use crate::decision::{Effect, StatementRef};
use crate::document::{Policy, Resources};
use crate::resource::S3;
use crate::set::PolicySet;
use crate::template::{Fit, Template};
use crate::{Action, Context, Principal, Resource};

/// A statement that gives or takes an action in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The action.
    pub action: Action,
    /// Given or taken.
    pub effect: Effect,
    /// Whether for every object and the bucket itself; otherwise for some.
    pub everywhere: bool,
    /// Whether it depends on conditions.
    pub conditional: bool,
    /// Whether the policy of the session or service account gives it, which alone is not enough.
    pub narrows: bool,
    /// By which statement.
    pub statement: StatementRef,
}

impl PolicySet {
    /// Every action on a bucket and its objects that a statement gives to a principal, or takes.
    ///
    /// A denial wins where both stand; conditions are not evaluated, for they depend on the request.
    #[must_use]
    pub fn effective(
        &self,
        principal: &Principal,
        bucket: &str,
        context: &dyn Context,
        narrowed_by: &[&Policy],
    ) -> Vec<Grant> {
        let resource = Resource::bucket(bucket);
        let mut grants = Vec::new();
        for action in Action::ALL.iter().copied().filter(|action| is_about_buckets(*action)) {
            let request = Request { principal, action, resource: &resource, context, narrowed_by };
            let scope = Scope::new(request, false);
            let attached = self.concerning(principal, &resource).into_iter().map(|policy| (policy, false));
            for (policy, narrows) in attached.chain(narrowed_by.iter().map(|policy| (*policy, true))) {
                collect(policy, narrows, &scope, bucket, &mut grants);
            }
        }
        grants
    }
}

/// Whether an action can be about a bucket or an object.
fn is_about_buckets(action: Action) -> bool {
    use crate::action::Service;
    matches!(action.service(), Service::S3 | Service::Supply) && action != Action::ListAllMyBuckets
}

fn collect(policy: &Policy, narrows: bool, scope: &Scope<'_>, bucket: &str, grants: &mut Vec<Grant>) {
    // What is only put on record takes nothing.
    for (at, statement) in policy.statements.iter().enumerate().filter(|(_, statement)| !statement.is_audited) {
        if !statement.actions.contains(scope.request.action) || !statement.principals.include(scope.request.principal) {
            continue;
        }
        let Some(everywhere) = reach(&statement.resources, scope, bucket) else { continue };
        grants.push(Grant {
            action: scope.request.action,
            effect: statement.effect,
            everywhere,
            conditional: !statement.conditions.is_empty(),
            narrows,
            statement: policy.reference(at, statement),
        });
    }
}

/// Whether patterns reach into a bucket: `Some(true)` everywhere, `Some(false)` in places.
fn reach(resources: &Resources, scope: &Scope<'_>, bucket: &str) -> Option<bool> {
    let itself = format!("{S3}{bucket}");
    let inside = format!("{itself}/");
    let reaches = |pattern: &Template| {
        pattern.fits(&itself, scope) == Fit::Yes || pattern.fits_something_in(&inside, scope) == Fit::Yes
    };
    // Only a pattern that ends in a star at the latest where the key begins has all keys.
    let covers = |pattern: &Template| pattern.fits(&inside, scope) == Fit::Yes && pattern.ends_in_star();
    match resources {
        Resources::Own => None,
        Resources::Of(patterns) => patterns.iter().any(reaches).then(|| patterns.iter().any(covers)),
        Resources::AllBut(patterns) => (!patterns.iter().any(covers)).then(|| !patterns.iter().any(reaches)),
    }
}
