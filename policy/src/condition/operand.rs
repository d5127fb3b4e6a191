//! The values that conditions compare with, read once; and reading the request's value as the same type.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

use super::{Family, any, fit};
use crate::context::Scope;
use crate::template::{Fit, Syntax, Template};

/// How two ordered values shall relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Values of one type, with how they are compared.
#[derive(Debug, Clone)]
pub(crate) enum Operands {
    /// The same text.
    Texts(Vec<Template>),
    /// The same text, whatever its case.
    TextsInAnyCase(Vec<Template>),
    /// A text that fits.
    Patterns(Vec<Template>),
    /// Resource names: six parts, each of which fits.
    Arns(Vec<Template>),
    Numbers(Relation, Vec<f64>),
    /// Nanoseconds since 1970.
    Dates(Relation, Vec<i128>),
    Bools(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    Networks(Vec<IpNet>),
    /// Whether the key shall be missing.
    Null(Vec<bool>),
}

impl Operands {
    /// Reads the values for an operator.
    ///
    /// # Errors
    /// The number of the value that cannot be read, and why.
    pub(crate) fn parse(family: Family, values: &[&str], variables: bool) -> Result<Self, (usize, String)> {
        let texts = |wildcards| each(values, |text| Template::parse(text, Syntax { wildcards, variables }));
        let numbers =
            |relation| Ok(Self::Numbers(relation, each(values, |text| known(number(text), text, "a number"))?));
        let dates =
            |relation| Ok(Self::Dates(relation, each(values, |text| known(date(text), text, "a date (RFC 3339)"))?));
        match family {
            Family::StringEquals => Ok(Self::Texts(texts(false)?)),
            Family::StringEqualsIgnoreCase => Ok(Self::TextsInAnyCase(texts(false)?)),
            Family::StringLike => Ok(Self::Patterns(texts(true)?)),
            Family::Arn => Ok(Self::Arns(each(values, |text| arn_pattern(text, variables))?)),
            Family::NumericEquals => numbers(Relation::Equal),
            Family::NumericLessThan => numbers(Relation::Less),
            Family::NumericLessThanEquals => numbers(Relation::LessOrEqual),
            Family::NumericGreaterThan => numbers(Relation::Greater),
            Family::NumericGreaterThanEquals => numbers(Relation::GreaterOrEqual),
            Family::DateEquals => dates(Relation::Equal),
            Family::DateLessThan => dates(Relation::Less),
            Family::DateLessThanEquals => dates(Relation::LessOrEqual),
            Family::DateGreaterThan => dates(Relation::Greater),
            Family::DateGreaterThanEquals => dates(Relation::GreaterOrEqual),
            Family::Bool => Ok(Self::Bools(each(values, |text| known(boolean(text), text, "true or false"))?)),
            Family::Null => Ok(Self::Null(each(values, |text| known(boolean(text), text, "true or false"))?)),
            Family::BinaryEquals => Ok(Self::Binary(each(values, |text| known(binary(text), text, "base64"))?)),
            Family::IpAddress => {
                Ok(Self::Networks(each(values, |text| known(network(text), text, "an address or a network (CIDR)"))?))
            }
        }
    }

    /// Whether one of the values accepts this one.
    pub(crate) fn accept(&self, value: &str, scope: &Scope<'_>) -> Fit {
        match self {
            Self::Texts(texts) => any(texts.iter().map(|text| same(text, value, scope, str::eq))),
            Self::TextsInAnyCase(texts) => any(texts.iter().map(|text| same(text, value, scope, equal_in_any_case))),
            Self::Patterns(patterns) => any(patterns.iter().map(|pattern| pattern.fits(value, scope))),
            Self::Arns(patterns) if value.splitn(6, ':').count() == 6 => {
                any(patterns.iter().map(|pattern| pattern.fits(value, scope)))
            }
            Self::Arns(_) => Fit::Unknown,
            Self::Numbers(relation, numbers) => {
                compared(number(value), |value| numbers.iter().any(|number| relation.holds(value.partial_cmp(number))))
            }
            Self::Dates(relation, dates) => {
                compared(date(value), |value| dates.iter().any(|date| relation.holds(Some(value.cmp(date)))))
            }
            Self::Bools(bools) | Self::Null(bools) => compared(boolean(value), |value| bools.contains(&value)),
            Self::Binary(expected) => compared(binary(value), |value| expected.contains(&value)),
            Self::Networks(networks) => compared(value.parse().ok(), |address: IpAddr| {
                networks.iter().any(|network| network.contains(&address.to_canonical()))
            }),
        }
    }
}

impl Relation {
    fn holds(self, ordering: Option<std::cmp::Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        })
    }
}

fn each<T>(values: &[&str], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, (usize, String)> {
    values.iter().enumerate().map(|(at, text)| read(text).map_err(|message| (at, message))).collect()
}

fn known<T>(value: Option<T>, text: &str, what: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("{text:?} is not {what}."))
}

/// A value that cannot be read as the operator's type is not different: it is unknown.
fn compared<T>(value: Option<T>, test: impl FnOnce(T) -> bool) -> Fit {
    value.map_or(Fit::Unknown, |value| fit(test(value)))
}

fn same(expected: &Template, value: &str, scope: &Scope<'_>, equal: impl Fn(&str, &str) -> bool) -> Fit {
    match expected.resolve(scope) {
        Ok(expected) => fit(equal(&expected, value)),
        Err(unresolved) => unresolved,
    }
}

fn equal_in_any_case(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

/// A pattern of six parts; AWS wants the wildcards of a part to stay within it, so that there must be five colons.
fn arn_pattern(text: &str, variables: bool) -> Result<Template, String> {
    if text.splitn(6, ':').count() != 6 || !text.starts_with("arn:") {
        return Err(format!("{text:?} is no resource name: arn:partition:service:region:account:resource."));
    }
    Template::parse(text, Syntax { wildcards: true, variables })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// RFC 3339, a date alone, or seconds since 1970.
fn date(text: &str) -> Option<i128> {
    let nanoseconds = |instant: OffsetDateTime| instant.unix_timestamp_nanos();
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(i128::from(seconds) * 1_000_000_000);
    }
    let instant = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(text, &Iso8601::PARSING));
    let day = || Date::parse(text, &Iso8601::PARSING).ok().map(|day| day.midnight().assume_utc());
    instant.ok().or_else(day).map(nanoseconds)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn binary(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
