//! One operation with all that is needed to try it: the request, who is refused and how, and who is served.

use serde_json::{Value, json};
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};

/// What is allowed to everybody's setup: it prepares what operations are about.
pub(crate) const PREPARER: &str = "/preparers";

/// One operation.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) door: Door,
    /// As the code names it.
    pub(crate) operation: String,
    pub(crate) ask: Ask,
    pub(crate) refused: Vec<Attempt>,
    /// What the record of having done it may name, besides what the refusals lacked.
    pub(crate) recorded: Option<Action>,
    /// Who does it in the end.
    pub(crate) allowed: Who,
    /// The status of having done it.
    pub(crate) success: u16,
    /// Whether an answer of that status shows that it was done.
    pub(crate) is_done: fn(&Answer) -> bool,
    /// Whether the registry does it.
    pub(crate) is_forwarded: bool,
}

/// Somebody who tries, and what comes of it.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) who: Who,
    pub(crate) says: Says,
    /// What the record of the refusal says was asked for; none: there is no such record.
    pub(crate) denied: Option<Action>,
    /// Requests that the registry may see: whether a tag exists it alone can tell.
    pub(crate) upstream: u64,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Shows nothing.
    Nobody,
    /// Shows a token of the issuer.
    Person { name: String, policy: Option<Value> },
    /// Shows a token of the registry that is for nothing, of somebody who may do everything.
    Holder { token: String },
}

/// How an attempt is answered.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    /// As the protocol refuses whoever may not.
    Denied,
    /// As the protocol refuses whoever does not say who they are, or shows a token for something else.
    WhoAreYou,
    /// With this status, and a body of which this holds.
    This(u16, fn(&Answer) -> bool),
}

/// A right on something.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) action: Action,
    pub(crate) resource: Resource,
}

/// The need for a right.
pub(crate) const fn need(action: Action, resource: Resource) -> Need {
    Need { action, resource }
}

impl Who {
    pub(crate) fn person(name: impl Into<String>, policy: Option<Value>) -> Self {
        Self::Person { name: name.into(), policy }
    }

    /// The group that a person's policy is attached to.
    pub(crate) fn group(name: &str) -> String {
        format!("/gate/{name}")
    }
}

impl Attempt {
    pub(crate) const fn new(who: Who, says: Says, denied: Option<Action>) -> Self {
        Self { who, says, denied, upstream: 0 }
    }
}

impl Case {
    /// An operation that needs these rights, in the order in which they are asked for. `id` is its own.
    pub(crate) fn new(door: Door, id: &str, operation: &str, ask: Ask, needs: &[Need], success: u16) -> Self {
        let first = needs.first().map(|need| need.action);
        let mut refused = vec![
            Attempt::new(Who::Nobody, Says::WhoAreYou, None),
            Attempt::new(Who::person(format!("{id}-none"), None), Says::Denied, first),
        ];
        for (number, need) in needs.iter().enumerate() {
            let who = Who::person(format!("{id}-lacks{number}"), Some(all_but(need)));
            refused.push(Attempt::new(who, Says::Denied, Some(need.action)));
        }
        let allowed = Who::person(format!("{id}-only"), Some(only(needs)));
        Self {
            door,
            operation: operation.to_owned(),
            ask,
            refused,
            recorded: None,
            allowed,
            success,
            is_done: |_| true,
            is_forwarded: false,
        }
    }

    /// An operation for whoever is known.
    pub(crate) fn for_the_known(door: Door, id: &str, operation: &str, ask: Ask, success: u16) -> Self {
        let refused = vec![Attempt::new(Who::Nobody, Says::WhoAreYou, None)];
        let allowed = Who::person(format!("{id}-only"), None);
        Self {
            door,
            operation: operation.to_owned(),
            ask,
            refused,
            recorded: None,
            allowed,
            success,
            is_done: |_| true,
            is_forwarded: false,
        }
    }
}

/// Everything on everything else, and everything else on this.
pub(crate) fn all_but(need: &Need) -> Value {
    let action = need.action.as_str();
    let statements = match &need.resource {
        Resource::Service => json!([
            {"Effect": "Allow", "Action": "*", "Resource":
                ["arn:aws:s3:::?*", "arn:zas:oci:::?*", "arn:zas:admin:::?*", "arn:aws:iam:::?*"]},
            {"Effect": "Allow", "NotAction": action, "Resource": "*"},
        ]),
        named => json!([
            {"Effect": "Allow", "Action": "*", "NotResource": named.to_string()},
            {"Effect": "Allow", "NotAction": action, "Resource": named.to_string()},
        ]),
    };
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Everything but these rights, where any of them is enough.
pub(crate) fn all_but_any(needs: &[Need]) -> Value {
    let named: Vec<String> = needs.iter().map(|need| need.resource.to_string()).collect();
    let mut statements = vec![json!({"Effect": "Allow", "Action": "*", "NotResource": named})];
    for resource in &named {
        let of = needs.iter().filter(|need| need.resource.to_string() == *resource);
        let actions: Vec<&str> = of.map(|need| need.action.as_str()).collect();
        statements.push(json!({"Effect": "Allow", "NotAction": actions, "Resource": resource}));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// These rights and no others.
pub(crate) fn only(needs: &[Need]) -> Value {
    let statement =
        |need: &Need| json!({"Effect": "Allow", "Action": need.action.as_str(), "Resource": need.resource.to_string()});
    json!({"Version": "2012-10-17", "Statement": needs.iter().map(statement).collect::<Vec<_>>()})
}
