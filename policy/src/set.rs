//! Everything that decisions are made by: policies, what they are attached to, buckets' policies, roles.
//!
//! A set is made once and never changed; a change makes another. What does not live here: where the documents are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::builtin;
use crate::context::{Request, Scope};
use crate::decision::{Decision, Effect, Reason, StatementRef};
use crate::document::{Match, Policy, Statement};
use crate::key::KeyName;
use crate::resource::ResourceName;
use crate::{Action, Identity, Principal, Resource};

/// What a policy is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A user, by the name with the issuer's prefix.
    User(String),
    /// A role.
    Role(String),
    /// A group.
    Group(String),
}

/// A role that can be taken.
#[derive(Debug, Clone)]
pub struct Role {
    /// Who may take it.
    pub trust: Policy,
    /// The longest session, in seconds.
    pub max_session: u32,
}

/// Policies, attachments and roles, ready to be asked.
#[derive(Debug, Default)]
pub struct PolicySet {
    policies: BTreeMap<String, Policy>,
    users: HashMap<String, Vec<Policy>>,
    role_policies: HashMap<String, Vec<Policy>>,
    groups: HashMap<String, Vec<Policy>>,
    buckets: HashMap<String, Policy>,
    /// Buckets whose policy is public, and lets in only who is known all the same.
    restricted: HashSet<String>,
    roles: BTreeMap<String, Role>,
}

/// Collects what a [`PolicySet`] is made of.
#[derive(Debug)]
pub struct PolicySetBuilder {
    set: PolicySet,
    attachments: Vec<(String, Target)>,
}

/// The policies that concern a request.
pub(crate) type Concerning<'a> = SmallVec<[&'a Policy; 8]>;

impl PolicySet {
    /// A set with the built-in policies, to be filled.
    #[must_use]
    pub fn builder() -> PolicySetBuilder {
        let mut builder = PolicySetBuilder { set: Self::default(), attachments: Vec::new() };
        for builtin in builtin::all() {
            builder.set.policies.insert(builtin.name.to_owned(), builtin.policy());
        }
        builder
    }

    /// Decides a request: an explicit deny first, then what allows, a policy or an access control list, by default no. Root is not asked.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        if let Some(decision) = without_policies(request) {
            return decision;
        }
        let policies = self.concerning(request.principal, request.resource);
        let scope = Scope::new(*request, false);
        let decision = weigh(&scope, &policies);
        if decision.is_allowed() || !scope.left_notes_out() {
            return decision;
        }
        weigh(&Scope::new(*request, true), &policies)
    }

    /// Decides whether a role may be taken; `None` where there is no such role.
    ///
    /// The role's trust policy alone allows; a policy of the caller can only deny. What narrows the caller must allow it too.
    #[must_use]
    pub fn decide_trust(&self, role: &str, request: &Request<'_>) -> Option<Decision> {
        let trust = &self.roles.get(role)?.trust;
        if matches!(request.principal, Principal::Root { .. }) {
            return Some(Decision::new(Effect::Allow, Reason::RootMayDoEverything));
        }
        let scope = Scope::new(*request, true);
        let name = ResourceName::new(request.action, request.resource);
        let attached = self.concerning(request.principal, request.resource);
        let denied = attached.iter().copied().chain([trust]).chain(request.narrowed_by.iter().copied());
        if let Some(denial) = denial(denied, &scope, name.as_str()) {
            return Some(with_notes(denial, &scope));
        }
        let allows = |policy: &&Policy| policy.first(Effect::Allow, &scope, name.as_str()).is_some();
        let decision = match trust.first(Effect::Allow, &scope, name.as_str()) {
            Some(_) if !request.narrowed_by.iter().all(allows) => {
                with_notes(Decision::new(Effect::Deny, Reason::NotWithinNarrowerPolicy), &scope)
            }
            Some((statement, _)) => by(Effect::Allow, Reason::StatementAllows, smallvec![statement]),
            None => with_notes(Decision::new(Effect::Deny, Reason::NoStatementAllows), &scope),
        };
        Some(decision)
    }

    /// What a statement asks of an artifact, of those that concern a request.
    #[must_use]
    pub fn evidence_asked_for(&self, request: &Request<'_>, statement: &StatementRef) -> Vec<KeyName> {
        let policies = self.concerning(request.principal, request.resource);
        let mut all = policies.iter().chain(request.narrowed_by).filter(|policy| policy.name() == &*statement.policy);
        let found = all.find_map(|policy| policy.statements.get(usize::try_from(statement.index).ok()?));
        let keys =
            found.into_iter().flat_map(|statement| statement.conditions.iter().map(|condition| condition.key.name));
        let mut keys: Vec<KeyName> = keys.filter(|key| key.is_evidence()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Whether a statement that is about a request's action asks for a key, of the policies that concern the request; whatever else it asks.
    #[must_use]
    pub fn asks_for(&self, request: &Request<'_>, key: KeyName) -> bool {
        let policies = self.concerning(request.principal, request.resource);
        let asks = |statement: &Statement| {
            statement.actions.contains(request.action)
                && statement.conditions.iter().any(|condition| condition.key.name == key)
        };
        policies.iter().chain(request.narrowed_by).any(|policy| policy.statements.iter().any(asks))
    }

    /// A policy by its name.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// A bucket's policy.
    #[must_use]
    pub fn bucket_policy(&self, bucket: &str) -> Option<&Policy> {
        self.buckets.get(bucket)
    }

    /// A role by its name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// Every role, by name.
    pub fn roles(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.roles.iter().map(|(name, role)| (name.as_str(), role))
    }

    /// The policies that may allow: those of the principal, and that of the bucket.
    pub(crate) fn concerning<'a>(&'a self, principal: &Principal, resource: &Resource) -> Concerning<'a> {
        let mut policies = Concerning::new();
        if let Principal::Identity(identity) = principal {
            self.attached_to(identity, &mut policies);
        }
        let bucket = resource.bucket_name().filter(|bucket| !self.shuts_out(principal, bucket));
        policies.extend(bucket.and_then(|bucket| self.buckets.get(bucket)));
        policies
    }

    /// Whether the policy of a bucket counts for nothing for somebody who is not known.
    fn shuts_out(&self, principal: &Principal, bucket: &str) -> bool {
        matches!(principal, Principal::Anonymous) && self.restricted.contains(bucket)
    }

    fn attached_to<'a>(&'a self, identity: &Identity, policies: &mut Concerning<'a>) {
        // A session acts as its role alone.
        if identity.session.is_none() {
            policies.extend(self.users.get(&identity.name).into_iter().flatten());
            for group in &identity.groups {
                policies.extend(self.groups.get(group).into_iter().flatten());
            }
        }
        for role in &identity.roles {
            policies.extend(self.role_policies.get(role).into_iter().flatten());
        }
    }
}

impl PolicySetBuilder {
    /// Adds an identity policy, in place of one of the same name.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.set.policies.insert(policy.name().to_owned(), policy);
        self
    }

    /// Attaches a policy by its name; one that there is not says nothing.
    #[must_use]
    pub fn attach(mut self, policy: impl Into<String>, target: Target) -> Self {
        self.attachments.push((policy.into(), target));
        self
    }

    /// Sets the policy of a bucket.
    #[must_use]
    pub fn bucket(mut self, bucket: impl Into<String>, policy: Policy) -> Self {
        self.set.buckets.insert(bucket.into(), policy);
        self
    }

    /// Keeps the policy of a bucket, where it is public, from letting in anybody who is not known (AWS, "RestrictPublicBuckets").
    #[must_use]
    pub fn restrict(mut self, bucket: impl Into<String>) -> Self {
        self.set.restricted.insert(bucket.into());
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, name: impl Into<String>, role: Role) -> Self {
        self.set.roles.insert(name.into(), role);
        self
    }

    /// The set.
    #[must_use]
    pub fn build(mut self) -> Arc<PolicySet> {
        for (name, target) in self.attachments {
            let Some(policy) = self.set.policies.get(&name).cloned() else { continue };
            let (map, target) = match target {
                Target::User(user) => (&mut self.set.users, user),
                Target::Role(role) => (&mut self.set.role_policies, role),
                Target::Group(group) => (&mut self.set.groups, group),
            };
            map.entry(target).or_default().push(policy);
        }
        let buckets = &self.set.buckets;
        self.set.restricted.retain(|bucket| buckets.get(bucket).is_some_and(Policy::is_public));
        Arc::new(self.set)
    }
}

fn without_policies(request: &Request<'_>) -> Option<Decision> {
    match (request.principal, request.action) {
        (Principal::Root { .. }, _) => Some(Decision::new(Effect::Allow, Reason::RootMayDoEverything)),
        // Nobody can be kept from asking who they are (AWS STS, GetCallerIdentity).
        (Principal::Identity(_), Action::GetCallerIdentity) => {
            Some(Decision::new(Effect::Allow, Reason::EverybodyKnownMay))
        }
        _ => None,
    }
}

fn weigh(scope: &Scope<'_>, policies: &[&Policy]) -> Decision {
    let request = &scope.request;
    let name = ResourceName::new(request.action, request.resource);
    let everything = policies.iter().chain(request.narrowed_by).copied();
    if let Some(denial) = denial(everything, scope, name.as_str()) {
        return with_notes(denial, scope);
    }
    let allows = |policy: &&Policy| policy.first(Effect::Allow, scope, name.as_str()).map(|(statement, _)| statement);
    let by_list = || request.context.lists()?.allowing(request.principal, request.action);
    let of_policies = policies.iter().find_map(allows).map(|statement| (Reason::StatementAllows, statement));
    let Some((reason, allowing)) = of_policies.or_else(|| by_list().map(|grant| (Reason::ListAllows, grant))) else {
        return with_notes(Decision::new(Effect::Deny, Reason::NoStatementAllows), scope);
    };
    let mut statements: SmallVec<[StatementRef; 2]> = smallvec![allowing];
    for narrower in request.narrowed_by {
        match allows(narrower) {
            Some(statement) => statements.push(statement),
            None => return with_notes(Decision::new(Effect::Deny, Reason::NotWithinNarrowerPolicy), scope),
        }
    }
    let mut decision = by(Effect::Allow, reason, statements);
    for policy in policies.iter().chain(request.narrowed_by) {
        for (statement, matched) in policy.audited(scope, name.as_str()) {
            if matched == Match::Unknown {
                decision.is_open = true;
                decision.unsure.push(statement.clone());
            }
            decision.audited.push(statement);
        }
    }
    decision
}

/// The first statement that denies: one that surely does before one that may.
fn denial<'a>(policies: impl Iterator<Item = &'a Policy>, scope: &Scope<'_>, resource: &str) -> Option<Decision> {
    let mut perhaps = None;
    for policy in policies {
        match policy.first(Effect::Deny, scope, resource) {
            Some((statement, Match::Unknown)) => perhaps = perhaps.or(Some(statement)),
            Some((statement, _)) => return Some(by(Effect::Deny, Reason::StatementDenies, smallvec![statement])),
            None => {}
        }
    }
    perhaps.map(|statement| by(Effect::Deny, Reason::StateIsUnknown, smallvec![statement]))
}

fn by(effect: Effect, reason: Reason, statements: SmallVec<[StatementRef; 2]>) -> Decision {
    Decision { statements, ..Decision::new(effect, reason) }
}

fn with_notes(mut decision: Decision, scope: &Scope<'_>) -> Decision {
    (decision.missing, decision.unknown) = scope.take_notes();
    // What surely denies, nothing that is still to be learned can undo.
    decision.is_open =
        decision.reason != Reason::StatementDenies && decision.unknown.iter().any(|key| key.name.is_evidence());
    decision
}
