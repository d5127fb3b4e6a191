//! The elements of a statement that are lists: actions, principals, resources.

use super::Element;
use crate::action::ActionSet;
use crate::error::ParseError;
use crate::json::Value;
use crate::principals::PrincipalPattern;
use crate::resource::{OCI, S3};
use crate::template::{Syntax, Template};

/// The actions that the patterns name. A pattern that names none is refused: it is a misspelling.
pub(super) fn actions(element: &Element<'_>) -> Result<ActionSet, ParseError> {
    element.some()?.iter().try_fold(ActionSet::default(), |all, item| {
        let pattern = item.text()?;
        let named = ActionSet::matching(pattern);
        if named.is_empty() {
            return Err(item.error(format!("There is no action {pattern:?}.")));
        }
        Ok(all.union(&named))
    })
}

/// `"*"`, or an object with `AWS` and `Federated`.
pub(super) fn principals(element: &Element<'_>) -> Result<Box<[PrincipalPattern]>, ParseError> {
    if let Value::Text(text) = &element.node.value {
        return match text.as_str() {
            "*" => Ok(Box::new([PrincipalPattern::Everybody])),
            _ => Err(element.error("The Principal is \"*\" or an object such as {\"AWS\": [\"user/alice\"]}.")),
        };
    }
    let mut all = Vec::new();
    for (member, value) in element.members()? {
        for item in value.some()? {
            all.push(match member.name.as_str() {
                "AWS" => PrincipalPattern::parse(item.text()?).map_err(|message| item.error(message))?,
                "Federated" => issuer(&item)?,
                _ => return Err(element.unknown(member)),
            });
        }
    }
    if all.is_empty() { Err(element.error("At least one principal stands here.")) } else { Ok(all.into()) }
}

/// An issuer by its name in the configuration, also after `arn:aws:iam::…:oidc-provider/`.
fn issuer(element: &Element<'_>) -> Result<PrincipalPattern, ParseError> {
    let text = element.text()?;
    let name = text.rsplit_once(":oidc-provider/").map_or(text, |(_, name)| name);
    if name.is_empty() || name.contains(['*', '?']) {
        return Err(element.error("Federated names an issuer of the configuration, without wildcards."));
    }
    Ok(PrincipalPattern::Issuer(name.into()))
}

/// Patterns of resource names. One without `arn:` is about both doors: `prod/*` is the objects of the bucket `prod`, and the
/// repositories whose names begin so.
pub(super) fn resources(element: &Element<'_>, variables: bool) -> Result<Box<[Template]>, ParseError> {
    let mut all = Vec::new();
    for item in element.some()? {
        let text = item.text()?;
        if text.is_empty() {
            return Err(item.error("A resource is not empty."));
        }
        let template =
            Template::parse(text, Syntax { wildcards: true, variables }).map_err(|message| item.error(message))?;
        if text == "*" {
            all.push(template);
        } else if text.starts_with("arn:") {
            check_arn(&item, text)?;
            all.push(template);
        } else {
            all.push(template.clone().after(S3));
            all.push(template.after(OCI));
        }
    }
    Ok(all.into())
}

fn check_arn(item: &Element<'_>, text: &str) -> Result<(), ParseError> {
    let mut parts = text.splitn(6, ':');
    let partition = parts.nth(1).unwrap_or_default();
    let service = parts.next().unwrap_or_default();
    let known = matches!((partition, service), ("aws", "s3" | "iam" | "sts") | ("zas", "oci" | "admin"));
    let complete = parts.count() == 3;
    if known && complete {
        return Ok(());
    }
    Err(item.error(format!(
        "{text:?} names no resource: \"bucket\", \"bucket/prefix/*\", \"arn:aws:s3:::bucket/key\", \"arn:zas:oci:::repository\", \
         \"arn:aws:iam:::role/name\" or \"arn:zas:admin:::policy/name\"."
    )))
}
