//! One statement, with what its kind of document asks of it.

use super::Element;
use super::element::{actions, principals, resources};
use crate::action::{ActionSet, Service};
use crate::decision::Effect;
use crate::document::{Kind, Principals, Resources, Statement};
use crate::error::ParseError;
use crate::principals::PrincipalPattern;
use crate::{Action, parse::block};

/// How statements are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grammar {
    pub kind: Kind,
    /// Whether `${…}` is a variable.
    pub variables: bool,
    /// Whether it was taken before: what it may no longer name is passed over then.
    pub is_stored: bool,
}

#[derive(Default)]
struct Parts<'a> {
    sid: Option<&'a str>,
    effect: Option<Effect>,
    actions: Option<ActionSet>,
    principals: Option<Principals>,
    resources: Option<Resources>,
    conditions: Vec<crate::condition::Condition>,
    is_audited: bool,
}

impl Grammar {
    pub(super) fn statement(self, element: &Element<'_>) -> Result<Statement, ParseError> {
        let mut parts = Parts::default();
        for (member, value) in element.members()? {
            self.part(&mut parts, element, member, &value)?;
        }
        let effect = parts.effect.ok_or_else(|| element.error("A statement has an Effect."))?;
        let actions = parts.actions.ok_or_else(|| element.error("A statement has an Action or a NotAction."))?;
        let statement = Statement {
            sid: parts.sid.map(Into::into),
            effect,
            actions: self.within(element, actions)?,
            principals: self.principals(element, parts.principals)?,
            resources: self.resources(element, parts.resources)?,
            conditions: parts.conditions.into(),
            is_audited: parts.is_audited,
        };
        if statement.is_audited && (statement.effect == Effect::Allow || self.kind == Kind::Trust) {
            return Err(element.error("Only a Deny can be audited, and not in a trust policy."));
        }
        if self.kind == Kind::Trust {
            careful(element, &statement)?;
        }
        Ok(statement)
    }

    fn part<'a>(
        self,
        parts: &mut Parts<'a>,
        element: &Element<'a>,
        member: &crate::json::Member,
        value: &Element<'a>,
    ) -> Result<(), ParseError> {
        match member.name.as_str() {
            // An empty one names nothing: libraries write it into every statement, and AWS takes it.
            "Sid" => parts.sid = Some(value.text()?).filter(|sid| !sid.is_empty()),
            "Effect" => parts.effect = Some(effect(value)?),
            "Action" => once(element, &mut parts.actions, self.named(value)?, "Action", "NotAction")?,
            "NotAction" => once(element, &mut parts.actions, actions(value)?.complement(), "Action", "NotAction")?,
            "Principal" => {
                once(element, &mut parts.principals, Principals::Of(principals(value)?), "Principal", "NotPrincipal")?;
            }
            "NotPrincipal" => {
                once(
                    element,
                    &mut parts.principals,
                    Principals::AllBut(principals(value)?),
                    "Principal",
                    "NotPrincipal",
                )?;
            }
            "Resource" => {
                let patterns = Resources::Of(resources(value, self.variables)?);
                once(element, &mut parts.resources, patterns, "Resource", "NotResource")?;
            }
            "NotResource" => {
                let patterns = Resources::AllBut(resources(value, self.variables)?);
                once(element, &mut parts.resources, patterns, "Resource", "NotResource")?;
            }
            "Condition" => parts.conditions = block::conditions(value, self.variables)?,
            "Mode" => parts.is_audited = is_audited(value)?,
            _ => return Err(element.unknown(member)),
        }
        Ok(())
    }

    /// The actions of an `Action`. Whoever may put a bucket's policy cannot give themselves rights that are the administrators' to give, and
    /// is told so.
    fn named(self, element: &Element<'_>) -> Result<ActionSet, ParseError> {
        let all = actions(element)?;
        if self.kind == Kind::Bucket && !self.is_stored {
            for item in element.some()? {
                let pattern = item.text()?;
                if !ActionSet::matching(pattern).iter().any(is_of_buckets) {
                    return Err(item.error(format!(
                        "A bucket's policy is about what is in the bucket, and the bucket itself: s3, oci and supply. {pattern:?} is given \
                         and taken by policies of users, roles and groups."
                    )));
                }
            }
        }
        Ok(all)
    }

    /// A trust policy is about taking a role, and a bucket's policy about the bucket, whatever their stars say.
    fn within(self, element: &Element<'_>, actions: ActionSet) -> Result<ActionSet, ParseError> {
        match self.kind {
            Kind::Identity | Kind::Session => return Ok(actions),
            Kind::Bucket => return Ok(actions.iter().filter(|action| is_of_buckets(*action)).collect()),
            Kind::Trust => {}
        }
        let sts: ActionSet = actions.iter().filter(|action| action.service() == Service::Sts).collect();
        if sts.is_empty() {
            return Err(element.error("A trust policy is about sts:AssumeRole and sts:AssumeRoleWithWebIdentity."));
        }
        Ok(sts)
    }

    fn principals(self, element: &Element<'_>, found: Option<Principals>) -> Result<Principals, ParseError> {
        match (self.kind, found) {
            (Kind::Identity | Kind::Session, None) => Ok(Principals::Attached),
            (Kind::Identity | Kind::Session, Some(_)) => Err(element
                .error("A policy of users, roles, groups or sessions names no Principal: it is attached to them.")),
            (Kind::Bucket | Kind::Trust, Some(principals)) => Ok(principals),
            (Kind::Bucket | Kind::Trust, None) => Err(element.error("The statement names its Principal.")),
        }
    }

    fn resources(self, element: &Element<'_>, found: Option<Resources>) -> Result<Resources, ParseError> {
        match (self.kind, found) {
            (Kind::Trust, None) => Ok(Resources::Own),
            (Kind::Trust, Some(_)) => Err(element.error("A trust policy names no Resource: it is about its role.")),
            (_, Some(resources)) => Ok(resources),
            (_, None) => Err(element.error("A statement has a Resource or a NotResource.")),
        }
    }
}

/// Whether a bucket's policy can give or take it. Management, records and roles are not the bucket's, also where they are about it.
const fn is_of_buckets(action: Action) -> bool {
    match action.service() {
        Service::S3 | Service::Oci | Service::Supply => true,
        Service::Admin | Service::Audit | Service::Sts => false,
    }
}

fn effect(element: &Element<'_>) -> Result<Effect, ParseError> {
    match element.text()? {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(element.error(format!("The Effect is \"Allow\" or \"Deny\", not {other:?}."))),
    }
}

/// Ours, and not AWS's: a rule can be watched before it counts.
fn is_audited(element: &Element<'_>) -> Result<bool, ParseError> {
    match element.text()? {
        "Enforce" => Ok(false),
        "Audit" => Ok(true),
        other => Err(element.error(format!("The Mode is \"Enforce\" or \"Audit\", not {other:?}."))),
    }
}

fn once<T>(element: &Element<'_>, part: &mut Option<T>, value: T, one: &str, other: &str) -> Result<(), ParseError> {
    if part.replace(value).is_some() {
        return Err(element.error(format!("A statement has {one} or {other}, not both.")));
    }
    Ok(())
}

/// Those whom an issuer vouches for are trusted by what their tokens say, never all of them: an issuer of CI tokens has the whole world
/// as users. They take a role with a web identity, and, for a token is a credential of one's own too, by `sts:AssumeRole`.
fn careful(element: &Element<'_>, statement: &Statement) -> Result<(), ParseError> {
    let web = statement.actions.contains(Action::AssumeRoleWithWebIdentity);
    let own = statement.actions.contains(Action::AssumeRole) && is_open(&statement.principals);
    if statement.effect == Effect::Deny || !(web || own) {
        return Ok(());
    }
    if web && matches!(statement.principals, Principals::AllBut(_)) {
        return Err(element.error("A web identity is trusted by its issuer: NotPrincipal cannot allow it."));
    }
    if statement.conditions.iter().any(block::narrows_token) {
        return Ok(());
    }
    let (who, example) = if web {
        ("A web identity needs", "jwt:sub, jwt:<claim>, aws:groups or zas:Roles")
    } else {
        (
            "\"*\", Federated and NotPrincipal let in whoever has a token of an issuer: sts:AssumeRole needs",
            "aws:groups, zas:Roles or jwt:sub",
        )
    };
    Err(element.error(format!(
        "{who} a Condition on what its token says, such as {example}, with a value that is more than wildcards, and more than what \
         every token has (jwt:iss, jwt:aud, jwt:azp)."
    )))
}

/// Whether others are among them than those that are named.
fn is_open(principals: &Principals) -> bool {
    match principals {
        Principals::Attached | Principals::AllBut(_) => true,
        Principals::Of(patterns) => {
            patterns.iter().any(|one| matches!(one, PrincipalPattern::Everybody | PrincipalPattern::Issuer(_)))
        }
    }
}
