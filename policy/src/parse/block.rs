//! The `Condition` element.

use super::Element;
use crate::condition::{Condition, Operands, Operator};
use crate::error::ParseError;
use crate::json::Value;
use crate::key::{Key, KeyName, Source};

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

/// Whether a condition lets only some tokens of an issuer through.
pub(super) fn narrows_token(condition: &Condition) -> bool {
    let about_token = condition.key.name.source() == Source::Principal
        && !matches!(condition.key.name, KeyName::PrincipalType | KeyName::Issuer | KeyName::TokenIssueTime);
    let says_something = match &condition.operands {
        Operands::Texts(texts) | Operands::TextsInAnyCase(texts) => !texts.is_empty(),
        Operands::Patterns(patterns) | Operands::Arns(patterns) => {
            patterns.iter().all(|pattern| !pattern.is_only_wildcards())
        }
        Operands::Bools(_) | Operands::Numbers(..) => true,
        _ => false,
    };
    let operator = condition.operator;
    let needs_value = !operator.if_exists && operator.quantifier != crate::condition::Quantifier::All;
    about_token && says_something && needs_value && !operator.negated
}
