//! [`Authority`]: the one place where a yes becomes a [`Permit`], and where a no is recorded.

use std::borrow::Cow;

use smallvec::SmallVec;
use zas_policy::{
    Action, Context, Decision, Effect, Empty, Explanation, Gate, Grant, Identity, KeyName, Policy, PolicySet,
    Principal, Reason, Request, Resource, StatementRef,
};

use super::conditions::{Existing, Known};
use super::gate::Shown;
use super::lists::{Listed, version};
use super::narrower::Narrower;
use super::{Caller, Conditions, Gated, Permit, Policies};
use crate::audit::{Decided, Facts, Journal, Kind, Record, Trail};
use crate::config::GateMode;
use crate::error::{Code, Error, Result};
use crate::index::{Index, Lists, Tags};
use crate::rates::Rates;

/// Asks the policy on behalf of callers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authority {
    journal: Journal,
    policies: Policies,
    narrower: Narrower,
    rates: Option<Rates>,
    gate: Gate,
    index: Option<Index>,
}

impl Authority {
    /// Records its refusals in this journal.
    #[must_use]
    pub fn new(journal: Journal, policies: Policies) -> Self {
        Self { journal, policies, narrower: Narrower::default(), rates: None, gate: Gate::default(), index: None }
    }

    /// Counts what it allows and what it denies.
    #[must_use]
    pub fn with_rates(mut self, rates: Rates) -> Self {
        self.rates = Some(rates);
        self
    }

    /// What denials count that depend on what is said of an artifact.
    #[must_use]
    pub fn with_gate(mut self, mode: GateMode) -> Self {
        self.gate = mode.into();
        self
    }

    /// Looks up tags of objects and access control lists here. Without it, what depends on them fails closed.
    #[must_use]
    pub fn with_tags_of(mut self, index: Index) -> Self {
        self.index = Some(index);
        self
    }

    /// The policies that it decides by.
    #[must_use]
    pub const fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Asks the policy; a yes is a [`Permit`], and a no to somebody who is known is on record before it is answered.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] where nobody asked, [`Code::AccessDenied`] where the policy says no; both carry the reason.
    /// `PoliciesUnavailable` where the policies are not known well enough; `SlowDown` where the refusal cannot be recorded in time;
    /// `RateExceeded` where the caller has asked too often for what it may do, `DeniedTooOften` for what it may not;
    /// `IndexUnavailable` where it depends on the tags of an object, or on access control lists, and they cannot be looked up.
    pub async fn authorize(&self, caller: &Caller, action: Action, resource: Resource) -> Result<Permit> {
        let (caller, decision) = self.weigh(Cow::Borrowed(caller), action, &resource, Shown::Nothing).await?;
        self.conclude(&caller, action, resource, &decision).await
    }

    /// Decides; where that depends on the tags that an object has, once more for a caller who knows them, and where no policy has decided,
    /// once more for one who knows the access control lists.
    pub(super) async fn weigh<'a>(
        &self,
        caller: Cow<'a, Caller>,
        action: Action,
        resource: &Resource,
        shown: Shown<'_>,
    ) -> Result<(Cow<'a, Caller>, Decision)> {
        let (caller, decision) = self.weigh_tags(caller, action, resource, shown).await?;
        self.weigh_lists(caller, action, resource, shown, decision).await
    }

    /// Tags are not looked up before a statement that is about the request asks for them.
    async fn weigh_tags<'a>(
        &self,
        caller: Cow<'a, Caller>,
        action: Action,
        resource: &Resource,
        shown: Shown<'_>,
    ) -> Result<(Cow<'a, Caller>, Decision)> {
        let decision = self.decide(&caller, action, resource, shown);
        let asks = decision.unknown.iter().any(|key| key.name == KeyName::ExistingObjectTag);
        let (true, Resource::Object { bucket, key }, Some(index)) = (asks, resource, &self.index) else {
            return Ok((caller, decision));
        };
        if caller.tags_of(resource).is_some() {
            return Ok((caller, decision));
        }
        let tags = match Box::pin(index.version(bucket, key, caller.version())).await {
            Ok(object) => object.head.tags,
            // A delete marker has no tags either.
            Err(error) if error.code().is_nothing_there() || error.code() == Code::MethodNotAllowed => Tags::new(),
            Err(error) => return Err(error),
        };
        let caller = Cow::Owned(caller.into_owned().knowing(resource.clone(), tags));
        let decision = self.decide(&caller, action, resource, shown);
        Ok((caller, decision))
    }

    /// Permits somebody who is known to ask for a list of which they are shown what they may see: the handler leaves out the rest. Counted and
    /// on record as what it is, whether all of it is shown or some.
    ///
    /// # Errors
    /// As [`Self::authorize`]; nobody is told to say who they are.
    pub async fn authorize_filtered(&self, caller: &Caller, action: Action, resource: Resource) -> Result<Permit> {
        let decision = self.decide(caller, Action::GetCallerIdentity, &resource, Shown::Nothing);
        self.conclude(caller, action, resource, &decision).await
    }

    /// From a decision to a permit, or to a refusal that is on record.
    pub(super) async fn conclude(
        &self,
        caller: &Caller,
        action: Action,
        resource: Resource,
        decision: &Decision,
    ) -> Result<Permit> {
        let decided = decided(decision);
        let principal = caller.principal();
        if decided.allowed {
            if let Some(rates) = &self.rates {
                rates.check_principal(principal, caller.address(), action)?;
            }
            tracing::trace!(%principal, %action, %resource, reason = %decision.reason, "allowed");
            let audited = audited(decision);
            if !audited.is_empty() {
                tracing::info!(%principal, %action, %resource, rules = ?audited, "a rule that is audited would have denied it");
            }
            return Ok(Permit { caller: caller.clone(), action, resource, decided, audited, gated: Gated::No });
        }
        tracing::debug!(%principal, %action, %resource, reason = %decision.reason, "denied");
        if decision.reason == Reason::PoliciesAreStale {
            return Err(Code::PoliciesUnavailable.into());
        }
        // Neither counted nor on record: clients of the registry ask so first, to be told how to log in.
        if principal.is_anonymous() {
            return Err(refusal(Code::Unauthenticated, action, &resource, decision));
        }
        let error = refusal(Code::AccessDenied, action, &resource, decision);
        Err(self.refuse_with(caller, action, &resource, decision, error).await)
    }

    /// A refusal to somebody who is known, once it is counted and on record; or what keeps it from being.
    pub(super) async fn refuse_with(
        &self,
        caller: &Caller,
        action: Action,
        resource: &Resource,
        decision: &Decision,
        refusal: Error,
    ) -> Error {
        if caller.principal().is_anonymous() {
            return refusal;
        }
        let record = caller.record(Kind::Denial, action, resource).map(|record| record.decided(&decided(decision)));
        self.deny(caller, record, refusal).await
    }

    /// Counts a refusal and puts it on record; the refusal, or what keeps it from being.
    async fn deny(&self, caller: &Caller, record: Option<Record>, refusal: Error) -> Error {
        if let Err(too_often) = self.count_denial(caller) {
            return too_often;
        }
        let Some(record) = record else { return refusal };
        match self.journal.record(record.answered(refusal.row().status, Some(refusal.code()))).await {
            Ok(()) => refusal,
            Err(error) => error,
        }
    }

    /// What a statement that has decided asks of an artifact.
    pub(super) fn asked_for(
        &self,
        caller: &Caller,
        action: Action,
        resource: &Resource,
        statement: &StatementRef,
    ) -> Vec<KeyName> {
        let principal = caller.principal();
        let context = self.known(caller, existing(caller, resource), Shown::Nothing);
        let narrower = self.narrower.of(principal);
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        let request = Request { principal, action, resource, context: &context, narrowed_by: &narrowed_by };
        self.policies.latest().evidence_asked_for(&request, statement)
    }

    /// Whether a policy that concerns the request asks for a key.
    pub(super) fn asks_for(&self, caller: &Caller, action: Action, resource: &Resource, key: KeyName) -> bool {
        let principal = caller.principal();
        let context = self.known(caller, existing(caller, resource), Shown::Nothing);
        let narrower = self.narrower.of(principal);
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        let request = Request { principal, action, resource, context: &context, narrowed_by: &narrowed_by };
        self.policies.latest().asks_for(&request, key)
    }

    /// Each denial has its record, so that somebody who asks for nothing else would fill the log: beyond the rate they are told to
    /// wait, which is counted, and on record once a minute.
    fn count_denial(&self, caller: &Caller) -> Result<()> {
        match &self.rates {
            Some(rates) => {
                let (principal, address) = (caller.principal(), caller.address());
                let checked = rates.check_denial(principal, address);
                checked.inspect_err(|_| self.journal.denied_too_often(principal, address))
            }
            None => Ok(()),
        }
    }

    /// What the service does of itself, because somebody who may has told it to: a rule of a bucket, say. No policy is asked; the record
    /// names the task as `user/system/<task>`, a name that nobody else can have.
    #[must_use]
    pub fn itself(&self, task: &'static str, action: Action, resource: Resource) -> Permit {
        let caller = Caller::new(system(task), Trail::of(Facts::of_the_service()), Conditions::default());
        let decided = Decided { allowed: true, statements: Vec::new() };
        Permit { caller, action, resource, decided, audited: Vec::new(), gated: Gated::No }
    }

    /// A no to somebody whom the policy lets, for a rule that no policy can lift: on record like every other. `AccessDenied`; or
    /// `SlowDown` where it cannot be recorded in time, and `DeniedTooOften` as [`Self::authorize`].
    pub async fn refuse(&self, permit: &Permit, why: &'static str) -> Error {
        let record = permit.recorded(Kind::Denial).map(|record| record.decided(&Decided::default()));
        self.deny(permit.caller(), record, Error::new(Code::AccessDenied, why)).await
    }

    /// Asks whether one of several actions is allowed somewhere in a bucket: for what is sent ahead before it is known to which
    /// object it belongs. The permit is about the bucket; whoever goes by it asks again when the object is known.
    ///
    /// Conditions are not looked at, for they may depend on the object.
    ///
    /// # Errors
    /// As [`Self::authorize`].
    pub async fn authorize_somewhere(&self, caller: &Caller, actions: &[Action], bucket: &str) -> Result<Permit> {
        let first = actions.first().copied().ok_or_else(|| Error::internal("no action is asked for"))?;
        let set = self.policies.current();
        let principal = caller.principal();
        if let (Principal::Identity(_) | Principal::Anonymous, Ok(set)) = (principal, &set) {
            for action in actions.iter().copied() {
                if let Some(decision) = self.somewhere(set, caller, action, bucket) {
                    return self.conclude(caller, action, Resource::bucket(bucket), &decision).await;
                }
            }
        }
        // Root; and a refusal, which is put in words and on record there.
        self.authorize(caller, first, Resource::bucket(bucket)).await
    }

    /// A decision that allows, where some statement gives the action in the bucket and none takes it everywhere.
    fn somewhere(&self, set: &PolicySet, caller: &Caller, action: Action, bucket: &str) -> Option<Decision> {
        let context = self.known(caller, Existing::NoObject, Shown::Nothing);
        let narrower = self.narrower.of(caller.principal());
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        let grants = set.effective(caller.principal(), bucket, &context, &narrowed_by);
        let of_action: Vec<_> = grants.into_iter().filter(|grant| grant.action == action).collect();
        if of_action.iter().any(|grant| grant.effect == Effect::Deny && grant.everywhere && !grant.conditional) {
            return None;
        }
        let given = |narrows: bool, policy: Option<&str>| {
            of_action.iter().find(|grant| {
                grant.effect == Effect::Allow
                    && grant.narrows == narrows
                    && policy.is_none_or(|policy| grant.statement.policy.as_ref() == policy)
            })
        };
        let mut decision = Decision::new(Effect::Allow, Reason::StatementAllows);
        decision.statements.push(given(false, None)?.statement.clone());
        for policy in narrowed_by {
            decision.statements.push(given(true, Some(policy.name()))?.statement.clone());
        }
        Some(decision)
    }

    /// Asks whether a role may be taken, as [`Self::authorize`] asks for everything else; with no role named, for the one role that
    /// may be.
    ///
    /// # Errors
    /// As [`Self::authorize`]: a role that there is not may not be taken. `InvalidArgument`: none is named, and several may be taken.
    pub async fn authorize_role(&self, caller: &Caller, action: Action, role: Option<&str>) -> Result<(Permit, Taken)> {
        let set = match (caller.principal(), self.policies.current()) {
            (_, Ok(set)) => set,
            (Principal::Root { .. }, Err(_)) => self.policies.latest(),
            (_, Err(error)) => return Err(error),
        };
        let name = match role {
            Some(name) => name.to_owned(),
            None => self.only_role(&set, caller, action)?,
        };
        let resource = Resource::role(&name);
        let decision = self.trust(&set, caller, action, &name);
        let permit = self.conclude(caller, action, resource, &decision).await?;
        let max_session = set.role(&name).map_or(0, |role| role.max_session);
        Ok((permit, Taken { name, max_session }))
    }

    fn only_role(&self, set: &PolicySet, caller: &Caller, action: Action) -> Result<String> {
        let may_take = |name: &str| self.trust(set, caller, action, name).is_allowed();
        let mut roles = set.roles().map(|(name, _)| name).filter(|name| may_take(name));
        match (roles.next(), roles.next()) {
            (Some(only), None) => Ok(only.to_owned()),
            (Some(_), Some(_)) => {
                let text = "RoleArn is missing, and there is more than one role that you may take.";
                Err(Error::new(Code::InvalidArgument, text).with("field", "RoleArn"))
            }
            // Denied by the name of no role.
            (None, _) => Ok(String::new()),
        }
    }

    fn trust(&self, set: &PolicySet, caller: &Caller, action: Action, role: &str) -> Decision {
        let principal = caller.principal();
        let context = self.known(caller, Existing::NoObject, Shown::Nothing);
        let narrower = self.narrower.of(principal);
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        let resource = Resource::role(role);
        let request = Request { principal, action, resource: &resource, context: &context, narrowed_by: &narrowed_by };
        let denied = || Decision::new(Effect::Deny, Reason::NoStatementAllows);
        set.decide_trust(role, &request).unwrap_or_else(denied)
    }

    /// What the policy would say: for what is shown or left out, and for an offer that may be declined in silence. A handler
    /// cannot be called on it, and nothing is recorded.
    #[must_use]
    pub fn may(&self, caller: &Caller, action: Action, resource: &Resource) -> bool {
        self.decide(caller, action, resource, Shown::Nothing).is_allowed()
    }

    /// Why the policies that are decided by now would say what they would say to somebody: for whoever looks after policies. To take
    /// a role is decided by its trust policy, as [`Self::authorize_role`] does it. Access control lists are looked at as they are.
    ///
    /// # Errors
    /// `PoliciesUnavailable` where the policies are not known well enough, `IndexUnavailable` where lists cannot be looked at.
    pub async fn explain(
        &self,
        principal: &Principal,
        action: Action,
        resource: &Resource,
        context: &(dyn Context + Sync),
    ) -> Result<Explanation> {
        let lists = self.lists(action, resource, version(context).as_deref()).await?;
        let context = &Listed { context, lists: lists.as_ref().and_then(Lists::that_count) };
        let set = self.policies.current()?;
        let narrower = self.narrower.of(principal);
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        let request = Request { principal, action, resource, context, narrowed_by: &narrowed_by };
        let takes_a_role = matches!(action, Action::AssumeRole | Action::AssumeRoleWithWebIdentity);
        Ok(match resource {
            Resource::Role { name } if takes_a_role => set.explain_trust(name, &request).unwrap_or_else(|| {
                let decision = Decision::new(Effect::Deny, Reason::NoStatementAllows);
                Explanation { decision, statements: Vec::new() }
            }),
            _ => set.explain(&request),
        })
    }

    /// What statements give somebody in a bucket, and take; those of the credential's own policies too.
    ///
    /// # Errors
    /// `PoliciesUnavailable` where the policies are not known well enough.
    pub fn effective(&self, principal: &Principal, bucket: &str) -> Result<Vec<Grant>> {
        let narrower = self.narrower.of(principal);
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        Ok(self.policies.current()?.effective(principal, bucket, &Empty, &narrowed_by))
    }

    /// What the policy would say of an action somewhere in a bucket, as [`authorize_somewhere`](Self::authorize_somewhere) asks it.
    #[must_use]
    pub fn may_somewhere(&self, caller: &Caller, action: Action, bucket: &str) -> bool {
        match (caller.principal(), self.policies.current()) {
            (Principal::Root { .. }, _) => true,
            (_, Ok(set)) => self.somewhere(&set, caller, action, bucket).is_some(),
            (_, Err(_)) => false,
        }
    }

    /// Where tags and lists are looked up.
    pub(super) const fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// What policies see of a request.
    fn known<'a>(&self, caller: &'a Caller, existing: Existing<'a>, artifact: Shown<'a>) -> Known<'a> {
        let (conditions, facts) = (caller.conditions(), caller.trail().facts());
        Known { conditions, facts, existing, artifact, gate: self.gate, lists: None }
    }

    pub(super) fn decide(&self, caller: &Caller, action: Action, resource: &Resource, shown: Shown<'_>) -> Decision {
        // Root is not asked, so that policies that cannot be read can be mended.
        let set = match (caller.principal(), self.policies.current()) {
            (_, Ok(set)) => set,
            (Principal::Root { .. }, Err(_)) => self.policies.latest(),
            (_, Err(_)) => return Decision::new(Effect::Deny, Reason::PoliciesAreStale),
        };
        let principal = caller.principal();
        let lists = caller.lists_of(resource).and_then(Lists::that_count);
        let context = Known { lists, ..self.known(caller, existing(caller, resource), shown) };
        let narrower = self.narrower.of(principal);
        let narrowed_by: SmallVec<[&Policy; 2]> = narrower.iter().collect();
        set.decide(&Request { principal, action, resource, context: &context, narrowed_by: &narrowed_by })
    }
}

/// What the caller knows of the tags of what is asked for.
fn existing<'a>(caller: &'a Caller, resource: &Resource) -> Existing<'a> {
    match resource {
        Resource::Object { .. } => caller.tags_of(resource).map_or(Existing::Unknown, Existing::Are),
        _ => Existing::NoObject,
    }
}

/// A decision, for the record.
fn decided(decision: &Decision) -> Decided {
    let statements = decision.statements.iter().map(ToString::to_string).collect();
    Decided { allowed: decision.is_allowed(), statements }
}

/// The statements that are only put on record, for the record: those of which it cannot be told are said to be so.
fn audited(decision: &Decision) -> Vec<String> {
    let said = |statement: &StatementRef| {
        let unknown = if decision.unsure.contains(statement) { " (unknown)" } else { "" };
        format!("{statement}{unknown}")
    };
    decision.audited.iter().map(said).collect()
}

/// The service itself, at a task.
fn system(task: &str) -> Principal {
    let name = format!("system/{task}");
    Principal::identity(Identity { id: name.clone(), name, ..Identity::default() })
}

/// A role that may be taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// The longest session, in seconds.
    pub max_session: u32,
}

/// What a refusal tells: the reason and the statements, never what policies say.
fn refusal(code: Code, action: Action, resource: &Resource, decision: &Decision) -> Error {
    let error = Error::from(code).with("action", action).with("resource", resource).with("reason", decision.reason);
    let lists = [
        ("statements", listed(&decision.statements)),
        ("missing", listed(&decision.missing)),
        ("unknown", listed(&decision.unknown)),
    ];
    let some = lists.into_iter().filter(|(_, list)| !list.is_empty());
    some.fold(error, |error, (name, list)| error.with(name, list))
}

pub(super) fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
