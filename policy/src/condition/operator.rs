//! The names of operators: `StringLike`, `ForAnyValue:StringNotEqualsIgnoreCaseIfExists`.

use std::fmt;

use super::Quantifier;

/// What an operator compares, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    NumericEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    /// `ArnEquals` and `ArnLike`, which AWS treats alike.
    Arn,
    Null,
}

/// An operator as a policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub family: Family,
    pub negated: bool,
    pub if_exists: bool,
    pub quantifier: Quantifier,
    /// Its own name, without prefix and suffix.
    name: &'static str,
}

const NAMES: &[(&str, Family, bool)] = &[
    ("StringEquals", Family::StringEquals, false),
    ("StringNotEquals", Family::StringEquals, true),
    ("StringEqualsIgnoreCase", Family::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Family::StringEqualsIgnoreCase, true),
    ("StringLike", Family::StringLike, false),
    ("StringNotLike", Family::StringLike, true),
    ("NumericEquals", Family::NumericEquals, false),
    ("NumericNotEquals", Family::NumericEquals, true),
    ("NumericLessThan", Family::NumericLessThan, false),
    ("NumericLessThanEquals", Family::NumericLessThanEquals, false),
    ("NumericGreaterThan", Family::NumericGreaterThan, false),
    ("NumericGreaterThanEquals", Family::NumericGreaterThanEquals, false),
    ("DateEquals", Family::DateEquals, false),
    ("DateNotEquals", Family::DateEquals, true),
    ("DateLessThan", Family::DateLessThan, false),
    ("DateLessThanEquals", Family::DateLessThanEquals, false),
    ("DateGreaterThan", Family::DateGreaterThan, false),
    ("DateGreaterThanEquals", Family::DateGreaterThanEquals, false),
    ("Bool", Family::Bool, false),
    ("BinaryEquals", Family::BinaryEquals, false),
    ("IpAddress", Family::IpAddress, false),
    ("NotIpAddress", Family::IpAddress, true),
    ("ArnEquals", Family::Arn, false),
    ("ArnNotEquals", Family::Arn, true),
    ("ArnLike", Family::Arn, false),
    ("ArnNotLike", Family::Arn, true),
    ("Null", Family::Null, false),
];

/// The name of every condition operator, without `IfExists`, `ForAllValues:` and `ForAnyValue:`: so that whoever tests or describes the
/// language leaves none out.
pub fn condition_operators() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, ..)| *name)
}

impl Operator {
    /// Reads an operator's name, exactly as AWS writes it.
    ///
    /// # Errors
    /// Why there is no such operator.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (quantifier, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            _ => (Quantifier::Plain, text),
        };
        let (wanted, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (name, family, negated) = NAMES
            .iter()
            .find(|(name, ..)| *name == wanted)
            .ok_or_else(|| format!("There is no condition operator {text:?}."))?;
        if *family == Family::Null && (if_exists || quantifier != Quantifier::Plain) {
            return Err(format!("{text:?} is no operator: Null asks whether the key exists, and nothing else."));
        }
        Ok(Self { family: *family, negated: *negated, if_exists, quantifier, name })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.quantifier {
            Quantifier::Plain => "",
            Quantifier::All => "ForAllValues:",
            Quantifier::Any => "ForAnyValue:",
        };
        write!(f, "{prefix}{}{}", self.name, if self.if_exists { "IfExists" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_read_back_with_every_prefix_and_suffix() {
        for (name, ..) in NAMES {
            for text in
                [format!("{name}IfExists"), format!("ForAnyValue:{name}"), format!("ForAllValues:{name}IfExists")]
            {
                match Operator::parse(&text) {
                    Ok(operator) => assert_eq!(operator.to_string(), text),
                    Err(_) => assert_eq!(*name, "Null"),
                }
            }
            assert_eq!(Operator::parse(name).unwrap().to_string(), *name);
        }
    }

    #[test]
    fn a_misspelt_operator_is_refused() {
        for text in ["stringequals", "StringEqualsifexists", "ForSomeValue:StringLike", "ForAnyValue:", "IfExists", ""]
        {
            assert!(Operator::parse(text).is_err(), "{text}");
        }
    }
}
