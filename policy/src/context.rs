//! What a request asks, and where the values of condition keys are found.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use smallvec::{SmallVec, smallvec};

use crate::document::Policy;
use crate::key::{Key, KeyName, Source};
use crate::{AccessLists, Action, Identity, Principal, Resource};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// The request has no such key.
    Missing,
    /// It cannot be told now: an `Allow` that needs it does not match, a `Deny` that needs it does.
    Unknown,
    /// Its values; none is as good as missing.
    Values(SmallVec<[Cow<'a, str>; 4]>),
}

impl<'a> Found<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Self {
        Self::Values(smallvec![value.into()])
    }

    /// A value, or nothing.
    pub fn maybe(value: Option<impl Into<Cow<'a, str>>>) -> Self {
        value.map_or(Self::Missing, Self::one)
    }

    /// A list.
    pub fn list(values: &'a [String]) -> Self {
        Self::Values(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect())
    }
}

/// The values of the keys that do not come from the principal.
pub trait Context {
    /// What is known of a key whose source is the request or the artifact.
    fn find<'a>(&'a self, key: &Key) -> Found<'a>;

    /// What denials count that depend on what is known of an artifact.
    fn gate(&self) -> Gate {
        Gate::Enforce
    }

    /// The access control lists that count for the request; none where lists count for nothing, or nobody has looked at them.
    fn lists(&self) -> Option<AccessLists<'_>> {
        None
    }
}

/// What a `Deny` counts whose conditions ask for signatures, reports and attestations of an artifact. An `Allow` with such conditions
/// counts always as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// As it is written.
    #[default]
    Enforce,
    /// It denies nothing, and the decision names it where it would have.
    Audit,
    /// Nothing.
    Off,
}

/// A context without any key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty;

impl Context for Empty {
    fn find<'a>(&'a self, _: &Key) -> Found<'a> {
        Found::Missing
    }
}

/// A question: may `principal` perform `action` on `resource`?
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// For what.
    pub action: Action,
    /// On what.
    pub resource: &'a Resource,
    /// What is known besides.
    pub context: &'a dyn Context,
    /// Policies that must allow it too: a session's policy, the policy of a service account. They only narrow.
    pub narrowed_by: &'a [&'a Policy],
}

/// A request while it is decided: looks keys up, and notes which were missing or unknown.
pub(crate) struct Scope<'a> {
    pub request: Request<'a>,
    missing: RefCell<SmallVec<[Key; 0]>>,
    unknown: RefCell<SmallVec<[Key; 0]>>,
    /// Whether notes are taken: they allocate, and only a refusal needs them.
    takes_notes: bool,
    left_out: Cell<bool>,
}

/// The most keys that are noted.
const NOTES: usize = 16;

impl<'a> Scope<'a> {
    pub(crate) fn new(request: Request<'a>, takes_notes: bool) -> Self {
        Self {
            request,
            missing: RefCell::default(),
            unknown: RefCell::default(),
            takes_notes,
            left_out: Cell::new(false),
        }
    }

    pub(crate) fn find(&self, key: &Key) -> Found<'a> {
        match (key.name.source(), self.request.principal) {
            (Source::Principal, Principal::Identity(identity)) => of_identity(identity, key),
            (Source::Principal, other) => of_nobody(other, key),
            _ => self.request.context.find(key),
        }
    }

    /// Notes that a key was missing where a value was needed.
    pub(crate) fn missing(&self, key: &Key) {
        self.note(&self.missing, key);
    }

    /// Notes that a key's value could not be told.
    pub(crate) fn unknown(&self, key: &Key) {
        self.note(&self.unknown, key);
    }

    fn note(&self, notes: &RefCell<SmallVec<[Key; 0]>>, key: &Key) {
        if !self.takes_notes {
            self.left_out.set(true);
            return;
        }
        let mut notes = notes.borrow_mut();
        if notes.len() < NOTES && !notes.contains(key) {
            notes.push(key.clone());
        }
    }

    /// Whether there was something to note, and no notes were taken.
    pub(crate) fn left_notes_out(&self) -> bool {
        self.left_out.get()
    }

    /// The keys that were missing, and those that were unknown.
    pub(crate) fn take_notes(&self) -> (Vec<Key>, Vec<Key>) {
        (self.missing.take().into_vec(), self.unknown.take().into_vec())
    }
}

fn of_identity<'a>(identity: &'a Identity, key: &Key) -> Found<'a> {
    let session = identity.session.as_ref();
    match key.name {
        KeyName::Username => Found::one(&identity.name),
        KeyName::UserId => Found::one(&identity.id),
        KeyName::PrincipalType => Found::one(if session.is_some() { "AssumedRole" } else { "User" }),
        KeyName::PrincipalArn => Found::one(match (session, identity.roles.first()) {
            (Some(_), Some(role)) => format!("arn:aws:iam:::role/{role}"),
            _ => format!("arn:aws:iam:::user/{}", identity.name),
        }),
        KeyName::TokenIssueTime => Found::maybe(session.map(|session| session.issued_at.to_string())),
        KeyName::Groups => Found::list(&identity.groups),
        KeyName::Roles => Found::list(&identity.roles),
        KeyName::Issuer if identity.issuer.is_empty() => Found::Missing,
        KeyName::Issuer => Found::one(&identity.issuer),
        KeyName::Jwt if &*key.part == "sub" && !identity.issuer.is_empty() => {
            Found::maybe(identity.id.strip_prefix(&identity.issuer).and_then(|rest| rest.strip_prefix('/')))
        }
        KeyName::Jwt | KeyName::PrincipalTag => {
            identity.attributes.get(&*key.part).map_or(Found::Missing, |values| Found::list(values))
        }
        _ => Found::Missing,
    }
}

fn of_nobody<'a>(principal: &'a Principal, key: &Key) -> Found<'a> {
    match (key.name, principal) {
        (KeyName::PrincipalType, Principal::Anonymous) => Found::one("Anonymous"),
        (KeyName::PrincipalType, _) => Found::one("Account"),
        (KeyName::Username, Principal::Root { .. }) => Found::one("root"),
        _ => Found::Missing,
    }
}
