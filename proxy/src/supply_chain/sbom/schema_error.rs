//! What a schema finds, in words that hold no more of the document than a short piece.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::finding::{Place, Report, Rule, excerpt};
use super::pointer::Pointer;

/// Most values of a choice that are listed.
const MOST_OPTIONS: usize = 8;

/// Most levels of choices that are looked into for the error that was likely meant.
const MOST_LEVELS: usize = 8;

/// Adds an error that was found in the value at `at`.
pub(super) fn add(error: &ValidationError<'_>, at: &Pointer<'_>, report: &mut Report) {
    let likely = likely(error, 0);
    report.add(Rule::Schema, || Place::at(format!("{at}{}", likely.instance_path())), || describe(likely));
}

/// Of a choice that nothing fits: the error of the alternative that came nearest.
fn likely<'a, 'i>(error: &'a ValidationError<'i>, level: usize) -> &'a ValidationError<'i>
where
    'i: 'a,
{
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else { return error };
    if level == MOST_LEVELS {
        return error;
    }
    // Deeper errors are of an alternative whose beginning fits.
    let depth = |error: &ValidationError<'_>| error.instance_path().as_str().matches('/').count();
    let best = context
        .iter()
        .filter_map(|branch| branch.first().map(|first| (branch.len(), first)))
        .max_by_key(|(errors, first)| (depth(first), std::cmp::Reverse(*errors)));
    match best {
        Some((_, first)) if depth(first) > depth(error) => likely(first, level + 1),
        _ => error,
    }
}

fn describe(error: &ValidationError<'_>) -> String {
    match error.kind() {
        Kind::Required { property } => format!("the member {} is missing", value(property)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("unknown members: {}", list(unexpected.iter().map(String::as_str)))
        }
        Kind::Type { kind: TypeKind::Single(kind) } => format!("must be of the type {kind}"),
        Kind::Type { .. } => "is of another type than it may be".into(),
        Kind::Enum { options } => {
            let options = options.as_array().into_iter().flatten();
            let options: Vec<String> = options.map(value).collect();
            format!("{} is not one of: {}", value(error.instance()), list(options.iter().map(String::as_str)))
        }
        Kind::Constant { expected_value } => format!("must be {}", value(expected_value)),
        Kind::Pattern { pattern } => format!("{} does not match {}", value(error.instance()), excerpt(pattern)),
        Kind::Format { format } => format!("{} is no {format}", value(error.instance())),
        Kind::MinLength { limit } => format!("has fewer than {limit} characters"),
        Kind::MaxLength { limit } => format!("has more than {limit} characters"),
        Kind::MinItems { limit } => format!("has fewer than {limit} elements"),
        Kind::MaxItems { limit } => format!("has more than {limit} elements"),
        Kind::Minimum { limit } => format!("is less than {}", value(limit)),
        Kind::Maximum { limit } => format!("is more than {}", value(limit)),
        Kind::UniqueItems => "two elements are equal".into(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "fits none of the alternatives that the schema has".into(),
        Kind::OneOfMultipleValid { .. } => "fits several alternatives of which only one may be".into(),
        Kind::FalseSchema => "must not be here".into(),
        kind => format!("breaks the rule `{}` of the schema", excerpt(kind.keyword())),
    }
}

/// A scalar as JSON writes it; what is larger only by its kind.
fn value(value: &Value) -> String {
    match value {
        Value::Array(_) => "the list".into(),
        Value::Object(_) => "the object".into(),
        Value::String(text) => format!("`{}`", excerpt(text)),
        scalar => scalar.to_string(),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut items = items.map(excerpt);
    let mut out = items.by_ref().take(MOST_OPTIONS).collect::<Vec<_>>().join(", ");
    let more = items.count();
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}
