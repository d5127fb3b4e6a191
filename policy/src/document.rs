//! A policy as it is decided by: read once from its JSON, each statement with its actions as bits and its patterns taken apart.
//!
//! What does not live here: reading the JSON (`parse`), and what the statements of several policies say together (`set`).

use std::sync::Arc;

use crate::Principal;
use crate::action::ActionSet;
use crate::condition::{self, Condition, fit};
use crate::context::{Gate, Scope};
use crate::decision::{Effect, StatementRef};
use crate::principals::PrincipalPattern;
use crate::template::{Fit, Template};

/// What a document is for: each kind has its own grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Attached to users, roles and groups: has no `Principal`.
    Identity,
    /// Of a bucket: every statement has a `Principal`, its resources lie in the bucket, and management is none of its actions.
    Bucket,
    /// Of a role: who may take it. Every statement has a `Principal`, none a `Resource`.
    Trust,
    /// Narrows a session: as [`Kind::Identity`].
    Session,
}

/// A policy that was read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) name: Arc<str>,
    pub(crate) statements: Arc<[Statement]>,
    /// What any `Allow` and any `Deny` is about: most policies are passed over by these.
    allowed: About,
    denied: About,
}

/// The statements of one effect.
#[derive(Debug, Clone)]
struct About {
    actions: ActionSet,
    /// Their places.
    statements: Arc<[usize]>,
    /// Whether some of them may be put on record alone.
    may_be_audited: bool,
}

/// One statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub sid: Option<Arc<str>>,
    pub effect: Effect,
    pub actions: ActionSet,
    pub principals: Principals,
    pub resources: Resources,
    /// Those that may have to be looked up stand last.
    pub conditions: Box<[Condition]>,
    /// Whether it says itself that it denies nothing, and is only put on record.
    pub is_audited: bool,
}

/// What a denial counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    /// It denies.
    Denies,
    /// It is put on record.
    IsAudited,
    /// Nothing.
    None,
}

/// Whom a statement is about.
#[derive(Debug, Clone)]
pub(crate) enum Principals {
    /// Whoever the policy is attached to.
    Attached,
    Of(Box<[PrincipalPattern]>),
    AllBut(Box<[PrincipalPattern]>),
}

/// What a statement is about.
#[derive(Debug, Clone)]
pub(crate) enum Resources {
    /// A trust policy's role.
    Own,
    Of(Box<[Template]>),
    AllBut(Box<[Template]>),
}

/// Whether a statement is about a request, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    /// It depends on a key whose value cannot be told now.
    Unknown,
    OtherAction,
    OtherPrincipal,
    OtherResource,
    /// The number of the condition that fails.
    Condition(usize),
}

impl Policy {
    pub(crate) fn new(name: &str, statements: Vec<Statement>) -> Self {
        let of = |effect| {
            let about = || statements.iter().enumerate().filter(move |(_, statement)| statement.effect == effect);
            let actions = about().fold(ActionSet::default(), |all, (_, statement)| all.union(&statement.actions));
            let may_be_audited = about().any(|(_, statement)| statement.is_audited || statement.asks_for_evidence());
            About { actions, statements: about().map(|(at, _)| at).collect(), may_be_audited }
        };
        Self { name: name.into(), allowed: of(Effect::Allow), denied: of(Effect::Deny), statements: statements.into() }
    }

    /// A policy that denies everything: stands for a document that cannot be read, so that nothing it denied becomes allowed.
    #[must_use]
    pub fn deny_all(name: &str) -> Self {
        let statement = Statement {
            sid: Some("CannotBeRead".into()),
            effect: Effect::Deny,
            actions: ActionSet::all(),
            principals: Principals::AllBut(Box::new([])),
            resources: Resources::AllBut(Box::new([])),
            conditions: Box::new([]),
            is_audited: false,
        };
        Self::new(name, vec![statement])
    }

    /// The name that decisions know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many statements it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The first statement of an effect that matches: for a `Deny` one that may match is enough.
    pub(crate) fn first(&self, effect: Effect, scope: &Scope<'_>, resource: &str) -> Option<(StatementRef, Match)> {
        let about = if effect == Effect::Deny { &self.denied } else { &self.allowed };
        if !about.actions.contains(scope.request.action) {
            return None;
        }
        about.statements.iter().find_map(|at| {
            let statement = self.statements.get(*at)?;
            if effect == Effect::Deny && statement.force(scope.request.context.gate()) != Force::Denies {
                return None;
            }
            let matched = statement.matches(scope, resource);
            let counts = matched == Match::Yes || (matched == Match::Unknown && effect == Effect::Deny);
            counts.then(|| (self.reference(*at, statement), matched))
        })
    }

    /// The statements that would deny, and are only put on record.
    pub(crate) fn audited<'a>(
        &'a self,
        scope: &'a Scope<'_>,
        resource: &'a str,
    ) -> impl Iterator<Item = (StatementRef, Match)> + 'a {
        let concerned = self.denied.may_be_audited && self.denied.actions.contains(scope.request.action);
        let places = if concerned { &*self.denied.statements } else { &[] };
        places.iter().filter_map(move |at| {
            let statement = self.statements.get(*at)?;
            if statement.force(scope.request.context.gate()) != Force::IsAudited {
                return None;
            }
            let matched = statement.matches(scope, resource);
            matches!(matched, Match::Yes | Match::Unknown).then(|| (self.reference(*at, statement), matched))
        })
    }

    pub(crate) fn reference(&self, at: usize, statement: &Statement) -> StatementRef {
        StatementRef {
            policy: self.name.clone(),
            index: u32::try_from(at).unwrap_or(u32::MAX),
            sid: statement.sid.clone(),
        }
    }
}

impl Statement {
    /// Whether a condition asks for what is said of an artifact.
    pub(crate) fn asks_for_evidence(&self) -> bool {
        self.conditions.iter().any(|condition| condition.key.name.is_evidence())
    }

    fn force(&self, gate: Gate) -> Force {
        match gate {
            Gate::Off if self.asks_for_evidence() => Force::None,
            Gate::Audit if self.asks_for_evidence() => Force::IsAudited,
            _ if self.is_audited => Force::IsAudited,
            _ => Force::Denies,
        }
    }

    /// Whether it is about the request of the scope; `resource`: its resource's name.
    pub(crate) fn matches(&self, scope: &Scope<'_>, resource: &str) -> Match {
        if !self.actions.contains(scope.request.action) {
            return Match::OtherAction;
        }
        if !self.principals.include(scope.request.principal) {
            return Match::OtherPrincipal;
        }
        let on = self.resources.include(resource, scope);
        if matches!(on, Fit::No | Fit::Void) {
            return Match::OtherResource;
        }
        let mut unknown = on == Fit::Unknown;
        for (at, condition) in self.conditions.iter().enumerate() {
            match condition.holds(scope) {
                Fit::Yes => {}
                Fit::Unknown => unknown = true,
                Fit::No | Fit::Void => return Match::Condition(at),
            }
        }
        if unknown { Match::Unknown } else { Match::Yes }
    }
}

impl Principals {
    pub(crate) fn include(&self, principal: &Principal) -> bool {
        match self {
            Self::Attached => true,
            Self::Of(patterns) => patterns.iter().any(|pattern| pattern.is_about(principal)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| pattern.is_about(principal)),
        }
    }
}

impl Resources {
    fn include(&self, resource: &str, scope: &Scope<'_>) -> Fit {
        let fits = |patterns: &[Template]| condition::any(patterns.iter().map(|pattern| pattern.fits(resource, scope)));
        match self {
            Self::Own => Fit::Yes,
            Self::Of(patterns) => fits(patterns),
            Self::AllBut(patterns) => match fits(patterns) {
                known @ (Fit::Yes | Fit::No) => fit(known == Fit::No),
                other => other,
            },
        }
    }
}
