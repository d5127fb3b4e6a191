//! Pure policy decisions: `(principal, action, resource, context) -> Decision`, in AWS's policy language.
//!
//! What lives here: the language (`parse`), what it means (`document`, `condition`, `template`), the set of all policies that is
//! asked ([`PolicySet`]), and why it answers so ([`PolicySet::explain`], [`PolicySet::effective`], [`Policy::is_public`]).
//! No I/O, no async, no clock: the same inputs give the same [`Decision`] on every replica and in every test.
//! What does not: finding out who asks (the proxy's `identity`), turning a decision into a permit (its `authz`), and where
//! documents are kept (its `index`).
//!
//! The rules are those of AWS (IAM User Guide, "Policy evaluation logic"): an explicit deny wins, then one allow is enough, and
//! nothing is allowed by default. Where AWS has accounts there is one here. Access control lists ([`AccessLists`]) allow besides policies.

#![forbid(unsafe_code)]

mod acl;
mod action;
mod builtin;
mod condition;
mod context;
mod decision;
mod document;
mod effective;
mod error;
mod explain;
mod glob;
mod json;
mod key;
mod parse;
mod principal;
mod principals;
mod public;
mod resource;
mod set;
mod template;
mod within;

pub use acl::{AccessControlList, AccessLists, AclGrant, Grantee, Permission, UnknownGrant};
pub use action::{Action, ActionSet, ParseActionError, Service};
pub use builtin::{Builtin, all as builtin_policies, named as builtin_policy};
pub use condition::condition_operators;
pub use context::{Context, Empty, Found, Gate, Request};
pub use decision::{Decision, Effect, Reason, StatementRef};
pub use document::{Kind, Policy};
pub use effective::Grant;
pub use error::ParseError;
pub use explain::{Considered, Explanation, Outcome};
pub use glob::matches_pattern;
pub use key::{Key, KeyName, Source};
pub use parse::MAX_DOCUMENT;
pub use principal::{Identity, Principal, Session};
pub use resource::{Resource, UnknownResource};
pub use set::{PolicySet, PolicySetBuilder, Role, Target};
