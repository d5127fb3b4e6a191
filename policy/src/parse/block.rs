//! The `Condition` element.

use super::Element;
use crate::condition::{Condition, Family, Operands, Operator, Quantifier};
use crate::error::ParseError;
use crate::json::Value;
use crate::key::{Key, KeyName, Source};
use crate::template::Template;

/// Reads a block: operators, each with keys, each with values. The conditions that may need a look-up come last.
pub(super) fn conditions(element: &Element<'_>, variables: bool) -> Result<Vec<Condition>, ParseError> {
    let mut all = Vec::new();
    for (member, keys) in element.members()? {
        let operator = Operator::parse(&member.name).map_err(|message| keys.error(message))?;
        for (member, values) in keys.members()? {
            let key = Key::parse(&member.name).map_err(|message| values.error(message))?;
            let operands = operands(operator, &values, variables)?;
            all.push(Condition { operator, key, operands });
        }
    }
    all.sort_by_key(|condition| condition.key.name.source());
    Ok(all)
}

fn operands(operator: Operator, element: &Element<'_>, variables: bool) -> Result<Operands, ParseError> {
    let items = element.some()?;
    let texts: Vec<&str> = items.iter().map(value).collect::<Result<_, _>>()?;
    Operands::parse(operator.family, &texts, variables)
        .map_err(|(at, message)| items.get(at).unwrap_or(element).error(message))
}

/// A value as text: AWS takes numbers and booleans with and without quotes.
fn value<'a>(element: &Element<'a>) -> Result<&'a str, ParseError> {
    match &element.node.value {
        Value::Bool(true) => Ok("true"),
        Value::Bool(false) => Ok("false"),
        Value::Number(number) => Ok(number),
        _ => element.text(),
    }
}

/// Claims that every token of an issuer has alike: whoever names one of them has named nobody. Of whom a token was issued to (`azp`)
/// there is one for each program that people log in with, and all of them may use it.
const OF_EVERY_TOKEN: [&str; 3] = ["aud", "azp", "iss"];

/// Whether a condition lets only some of those through that an issuer vouches for.
pub(super) fn narrows_token(condition: &Condition) -> bool {
    let operator = condition.operator;
    let needs_value = !operator.if_exists && operator.quantifier != Quantifier::All;
    is_about_token(&condition.key) && says_something(condition) && needs_value && !operator.negated
}

fn is_about_token(key: &Key) -> bool {
    match key.name {
        KeyName::PrincipalType | KeyName::Issuer | KeyName::TokenIssueTime => false,
        KeyName::Jwt | KeyName::PrincipalTag => !OF_EVERY_TOKEN.contains(&&*key.part),
        name => name.source() == Source::Principal,
    }
}

/// Whether its values are some of all that there are: no wildcards alone, no variables, nothing that each name of an issuer begins with.
fn says_something(condition: &Condition) -> bool {
    match &condition.operands {
        Operands::Texts(texts) | Operands::TextsInAnyCase(texts) => {
            !texts.is_empty() && texts.iter().all(Template::is_fixed)
        }
        Operands::Patterns(patterns) | Operands::Arns(patterns) => patterns.iter().all(is_for_some),
        Operands::Bools(bools) => !(bools.contains(&true) && bools.contains(&false)),
        Operands::Numbers(..) => condition.operator.family == Family::NumericEquals,
        _ => false,
    }
}

/// `repo:*`, `kc/*` and `arn:aws:iam:::user/*` are for everybody: what stands before the wildcards has no separator but the last.
fn is_for_some(pattern: &Template) -> bool {
    const SEPARATORS: [char; 2] = [':', '/'];
    const STARTS: [&str; 3] = ["arn:aws:iam:::user/", "arn:aws:iam:::role/", "arn:aws:iam:::"];
    if pattern.has_variables() || !pattern.has_letters() {
        return false;
    }
    let Some(opening) = pattern.opening() else { return true };
    let name = STARTS.iter().find_map(|start| opening.strip_prefix(*start)).unwrap_or(opening);
    !name.is_empty() && name.strip_suffix(SEPARATORS).is_none_or(|issuer| issuer.contains(SEPARATORS))
}
