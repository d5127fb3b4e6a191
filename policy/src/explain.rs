//! Why a decision comes out as it does: every statement that was looked at, and what it said.

use crate::context::{Request, Scope};
use crate::decision::{Decision, Effect, StatementRef};
use crate::document::{Match, Policy};
use crate::resource::ResourceName;
use crate::set::PolicySet;

/// A decision with every statement that concerns the principal.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The decision, as [`PolicySet::decide`] gives it.
    pub decision: Decision,
    /// The statements, in the order in which they are looked at.
    pub statements: Vec<Considered>,
}

/// What a statement said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Which.
    pub statement: StatementRef,
    /// What it would do.
    pub effect: Effect,
    /// Whether it is of a policy that only narrows.
    pub narrows: bool,
    /// Whether it says itself that it is only put on record.
    pub is_audited: bool,
    /// Whether it matches, and if not, why.
    pub outcome: Outcome,
}

/// Whether a statement matches, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It matches.
    Matches,
    /// It depends on a key whose value cannot be told now.
    Unknown,
    /// It is about other actions.
    OtherAction,
    /// It is about other principals.
    OtherPrincipal,
    /// It is about other resources.
    OtherResource,
    /// A condition fails.
    ConditionFails {
        /// Its operator.
        operator: String,
        /// Its key.
        key: String,
    },
}

impl PolicySet {
    /// Decides a request, and tells what each statement said.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let name = ResourceName::new(request.action, request.resource);
        let scope = Scope::new(*request, false);
        let policies = self.concerning(request.principal, request.resource);
        let consider = |policy: &Policy, narrows| consider(policy, narrows, &scope, name.as_str());
        let statements = policies
            .iter()
            .flat_map(|policy| consider(policy, false))
            .chain(granted(request))
            .chain(request.narrowed_by.iter().flat_map(|policy| consider(policy, true)))
            .collect();
        Explanation { decision: self.decide(request), statements }
    }

    /// Decides whether a role may be taken, as [`Self::decide_trust`] does, and tells what each statement said; `None` where there
    /// is no such role. Of the policies that are attached to the caller only what denies counts, so that only that is told.
    #[must_use]
    pub fn explain_trust(&self, role: &str, request: &Request<'_>) -> Option<Explanation> {
        let decision = self.decide_trust(role, request)?;
        let trust = &self.role(role)?.trust;
        let name = ResourceName::new(request.action, request.resource);
        let scope = Scope::new(*request, false);
        let consider = |policy: &Policy, narrows| consider(policy, narrows, &scope, name.as_str());
        let attached = self.concerning(request.principal, request.resource);
        let denies =
            attached.iter().flat_map(|policy| consider(policy, false)).filter(|said| said.effect == Effect::Deny);
        let statements = consider(trust, false)
            .into_iter()
            .chain(denies)
            .chain(request.narrowed_by.iter().flat_map(|policy| consider(policy, true)))
            .collect();
        Some(Explanation { decision, statements })
    }
}

/// The line of an access control list that allows it, whatever policies say.
fn granted(request: &Request<'_>) -> Option<Considered> {
    let statement = request.context.lists()?.allowing(request.principal, request.action)?;
    let outcome = Outcome::Matches;
    Some(Considered { statement, effect: Effect::Allow, narrows: false, is_audited: false, outcome })
}

fn consider(policy: &Policy, narrows: bool, scope: &Scope<'_>, resource: &str) -> Vec<Considered> {
    let each = policy.statements.iter().enumerate();
    each.map(|(at, statement)| Considered {
        statement: policy.reference(at, statement),
        effect: statement.effect,
        narrows,
        is_audited: statement.is_audited,
        outcome: match statement.matches(scope, resource) {
            Match::Yes => Outcome::Matches,
            Match::Unknown => Outcome::Unknown,
            Match::OtherAction => Outcome::OtherAction,
            Match::OtherPrincipal => Outcome::OtherPrincipal,
            Match::OtherResource => Outcome::OtherResource,
            Match::Condition(failed) => {
                let condition = statement.conditions.get(failed);
                Outcome::ConditionFails {
                    operator: condition.map(|condition| condition.operator.to_string()).unwrap_or_default(),
                    key: condition.map(|condition| condition.key.to_string()).unwrap_or_default(),
                }
            }
        },
    })
    .collect()
}
