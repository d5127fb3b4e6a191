//! The policy of a form: until when it may be posted, and what its fields and its file must be (AWS, "POST policy").
//!
//! What does not live here: who has signed it (`signature`), and what whoever has may do (`authz`).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::form::Fields;
use crate::error::{Code, Error, Result, without_values};

/// Fields that no condition need be about.
const UNCOVERED: [&str; 2] = ["policy", "x-amz-signature"];

/// What such fields begin with that mean nothing to S3.
const IGNORED: &str = "x-ignore-";

/// The bucket that a form is posted to; conditions may ask for it as if it were a field.
const BUCKET: &str = "bucket";

/// A policy that can be read.
#[derive(Debug)]
pub(super) struct Policy {
    expiration: OffsetDateTime,
    conditions: Vec<Condition>,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, value: String },
    Length(Sizes),
}

/// How many bytes a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) min: u64,
    pub(super) max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    expiration: String,
    conditions: Vec<Condition>,
}

impl Policy {
    /// Reads the value of the field `policy`: a document in base64.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`, saying what is wrong.
    pub(super) fn read(encoded: &[u8]) -> Result<Self> {
        // Some encoders break lines, and browsers send them along.
        let encoded: Vec<u8> = encoded.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let document = STANDARD.decode(encoded).map_err(|error| invalid("it is no base64").source(error))?;
        let document: Document = serde_json::from_slice(&plain_json(&document))
            .map_err(|error| invalid(&without_values(&error.to_string())))?;
        let expiration = OffsetDateTime::parse(&document.expiration, &Rfc3339)
            .map_err(|error| invalid("the expiration must read like 2026-12-01T12:00:00.000Z").source(error))?;
        Ok(Self { expiration, conditions: document.conditions })
    }

    /// Whether a form may be posted now, to this bucket and with these fields. Fields have their final values.
    ///
    /// # Errors
    /// `ExpiredRequest`, `AccessDenied` naming the condition that fails or the field that none is about.
    pub(super) fn check(&self, bucket: &str, fields: &Fields, now: OffsetDateTime) -> Result<()> {
        if now >= self.expiration {
            return Err(Error::new(Code::ExpiredRequest, "Invalid according to Policy: Policy expired."));
        }
        let value_of = |field: &str| if field == BUCKET { Some(bucket) } else { fields.get(field) };
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(value_of)) {
            return Err(denied(format!("Policy Condition failed: {failed}")));
        }
        let names = fields.iter().map(|(name, _)| name).chain([BUCKET]);
        match names.filter(|name| !is_uncovered(name)).find(|name| !self.covers(name)) {
            Some(name) => Err(denied(format!("Extra input fields: {}", printable(name)))),
            None => Ok(()),
        }
    }

    /// How many bytes the file may have: as many as every condition about them allows.
    pub(super) fn sizes(&self) -> Sizes {
        let ranges = self.conditions.iter().filter_map(|condition| match condition {
            Condition::Length(sizes) => Some(*sizes),
            _ => None,
        });
        ranges.fold(Sizes::ANY, Sizes::within)
    }

    fn covers(&self, name: &str) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Equals { field, .. } | Condition::StartsWith { field, .. } => field == name,
            Condition::Length(_) => false,
        })
    }
}

impl Sizes {
    /// Any number.
    pub(super) const ANY: Self = Self { min: 0, max: u64::MAX };

    /// What both allow.
    pub(super) fn within(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: self.max.min(other.max) }
    }
}

impl Condition {
    fn holds<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::Equals { field, value } => value_of(field) == Some(value.as_str()),
            // Several types are a list, each of which must be one of them.
            Self::StartsWith { field, value } if field == "content-type" => {
                value_of(field).is_some_and(|list| list.split(',').all(|item| item.trim().starts_with(value.as_str())))
            }
            Self::StartsWith { field, value } => value_of(field).is_some_and(|found| found.starts_with(value.as_str())),
            // Asked while the file is read.
            Self::Length(_) => true,
        }
    }

    /// `["eq", "$acl", "private"]`
    fn of_list(operator: &str, first: Value, second: Value) -> Option<Self> {
        if operator.eq_ignore_ascii_case("content-length-range") {
            return Some(Self::Length(Sizes { min: first.as_u64()?, max: second.as_u64()? }));
        }
        let field = first.as_str()?.strip_prefix('$')?.to_ascii_lowercase();
        let value = second.as_str()?.to_owned();
        if operator.eq_ignore_ascii_case("eq") {
            Some(Self::Equals { field, value })
        } else if operator.eq_ignore_ascii_case("starts-with") {
            Some(Self::StartsWith { field, value })
        } else {
            None
        }
    }
}

/// As answers name it.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals { field, value } => write!(f, "[\"eq\", \"${}\", \"{}\"]", printable(field), printable(value)),
            Self::StartsWith { field, value } => {
                write!(f, "[\"starts-with\", \"${}\", \"{}\"]", printable(field), printable(value))
            }
            Self::Length(Sizes { min, max }) => write!(f, "[\"content-length-range\", {min}, {max}]"),
        }
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a condition: an object with one member, or a list of three")
    }

    /// `{"acl": "private"}`
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
        let first = map.next_entry::<String, String>()?;
        match (first, map.next_key::<IgnoredAny>()?) {
            (Some((field, value)), None) => Ok(Condition::Equals { field: field.to_ascii_lowercase(), value }),
            _ => Err(A::Error::custom("simple conditions must have exactly one property")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Condition, A::Error> {
        let malformed = || A::Error::custom("a condition is no list of an operator, a $field and a value");
        let operator: String = list.next_element()?.ok_or_else(malformed)?;
        let first: Value = list.next_element()?.ok_or_else(malformed)?;
        let second: Value = list.next_element()?.ok_or_else(malformed)?;
        if list.next_element::<IgnoredAny>()?.is_some() {
            return Err(malformed());
        }
        Condition::of_list(&operator, first, second).ok_or_else(malformed)
    }
}

fn is_uncovered(name: &str) -> bool {
    UNCOVERED.contains(&name) || name.starts_with(IGNORED)
}

/// Two escapes that AWS has for policies and JSON does not have: `\$` and `\v`.
fn plain_json(document: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(document.len());
    let mut bytes = document.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'$') => plain.push(b'$'),
                Some(b'v') => plain.extend_from_slice(b"\\u000b"),
                Some(escaped) => plain.extend_from_slice(&[b'\\', escaped]),
                None => plain.push(b'\\'),
            },
            byte => plain.push(byte),
        }
    }
    plain
}

fn invalid(what: &str) -> Error {
    Error::new(Code::InvalidPolicyDocument, format!("Invalid Policy: {what}."))
}

fn denied(what: String) -> Error {
    Error::new(Code::AccessDenied, format!("Invalid according to Policy: {what}"))
}

/// What a client sent, short enough and plain enough to repeat.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-25 12:00 UTC);

    fn policy(conditions: &str) -> Result<Policy> {
        read(&format!(r#"{{"expiration": "2026-11-25T12:00:01.000Z", "conditions": [{conditions}]}}"#))
    }

    fn read(document: &str) -> Result<Policy> {
        Policy::read(STANDARD.encode(document).as_bytes())
    }

    fn refusal(conditions: &str, fields: &[(&str, &str)]) -> Option<String> {
        let conditions = format!(r#"{{"bucket": "b"}}, {conditions}"#);
        let checked = policy(&conditions).unwrap().check("b", &Fields::of(fields), NOW);
        checked.err().map(|error| {
            assert_eq!(error.code(), Code::AccessDenied);
            error.message().strip_prefix("Invalid according to Policy: ").unwrap().to_owned()
        })
    }

    #[test]
    fn conditions_hold_or_are_named() {
        let failed = |condition: &str| Some(format!("Policy Condition failed: {condition}"));
        for (condition, value, expected) in [
            (r#"{"Key": "a"}"#, "a", None),
            (r#"{"key": "a"}"#, "b", failed(r#"["eq", "$key", "a"]"#)),
            (r#"["eq", "$KEY", "a"]"#, "a", None),
            (r#"["eq", "$key", "a"]"#, "A", failed(r#"["eq", "$key", "a"]"#)),
            (r#"["starts-with", "$key", "user/"]"#, "user/x", None),
            (r#"["starts-with", "$key", ""]"#, "anything", None),
            (r#"["starts-with", "$key", "user/"]"#, "other", failed(r#"["starts-with", "$key", "user/"]"#)),
            (r#"["starts-with", "$key", "\$x"]"#, "$x.txt", None),
            (r#"["starts-with", "$key", "\\$x"]"#, "\\$x.txt", None),
        ] {
            assert_eq!(refusal(condition, &[("key", value)]), expected, "{condition} {value}");
        }
    }

    #[test]
    fn every_field_needs_a_condition_and_every_condition_its_field() {
        let extra = |name: &str| Some(format!("Extra input fields: {name}"));
        let key = r#"{"key": "a"}"#;
        for (fields, expected) in [
            (&[("key", "a"), ("policy", "x"), ("x-amz-signature", "x"), ("x-ignore-this", "x")][..], None),
            (&[("key", "a"), ("acl", "private")][..], extra("acl")),
            (&[("key", "a"), ("x-amz-meta-a", "x")][..], extra("x-amz-meta-a")),
            (&[][..], Some(r#"Policy Condition failed: ["eq", "$key", "a"]"#.to_owned())),
        ] {
            assert_eq!(refusal(key, fields), expected, "{fields:?}");
        }
        let missing = refusal(r#"{"key": "a"}, ["starts-with", "$acl", ""]"#, &[("key", "a")]);
        assert_eq!(missing.unwrap(), r#"Policy Condition failed: ["starts-with", "$acl", ""]"#);
    }

    #[test]
    fn the_bucket_is_part_of_what_is_asked() {
        let other = policy(r#"{"bucket": "other"}, {"key": "a"}"#).unwrap();
        let none = policy(r#"{"key": "a"}"#).unwrap();
        for policy in [other, none] {
            let error = policy.check("b", &Fields::of(&[("key", "a")]), NOW).unwrap_err();
            assert_eq!(error.code(), Code::AccessDenied);
        }
    }

    #[test]
    fn a_list_of_content_types_is_held_to_its_condition_one_by_one() {
        let images = r#"["starts-with", "$Content-Type", "image/"]"#;
        assert_eq!(refusal(images, &[("content-type", "image/png, image/gif")]), None);
        assert!(refusal(images, &[("content-type", "image/png,text/html")]).is_some());
        // In no other field.
        assert_eq!(refusal(r#"["starts-with", "$key", "a"]"#, &[("key", "a,b")]), None);
    }

    #[test]
    fn a_policy_ends() {
        let policy = policy(r#"{"bucket": "b"}"#).unwrap();
        assert!(policy.check("b", &Fields::default(), NOW).is_ok());
        let late = policy.check("b", &Fields::default(), NOW + time::Duration::SECOND).unwrap_err();
        assert_eq!(
            (late.code(), late.message()),
            (Code::ExpiredRequest, "Invalid according to Policy: Policy expired.")
        );
    }

    #[test]
    fn sizes_are_those_that_every_condition_allows() {
        assert_eq!(policy(r#"{"key": "a"}"#).unwrap().sizes(), Sizes::ANY);
        let two = r#"["content-length-range", 1, 10], ["content-length-range", 5, 20]"#;
        assert_eq!(policy(two).unwrap().sizes(), Sizes { min: 5, max: 10 });
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for conditions in [
            "{}",
            r#"{"a": "b", "c": "d"}"#,
            r#"{"a": "b", "a": "b"}"#,
            r#"{"a": 1}"#,
            r#""key""#,
            "[]",
            r#"["eq", "$key"]"#,
            r#"["eq", "$key", "a", "b"]"#,
            r#"["eq", "key", "a"]"#,
            r#"["eq", "$key", 1]"#,
            r#"["ends-with", "$key", "a"]"#,
            r#"["content-length-range", 0]"#,
            r#"["content-length-range", -1, 0]"#,
            r#"["content-length-range", 0, 1.5]"#,
        ] {
            assert_eq!(policy(conditions).unwrap_err().code(), Code::InvalidPolicyDocument, "{conditions}");
        }
        for document in [
            "",
            "[]",
            r#"{"conditions": []}"#,
            r#"{"expiration": "2026-11-25T12:00:00Z"}"#,
            r#"{"expiration": "tomorrow", "conditions": []}"#,
            r#"{"expiration": 1, "conditions": []}"#,
            r#"{"EXPIRATION": "2026-11-25T12:00:00Z", "conditions": []}"#,
            r#"{"expiration": "2026-11-25T12:00:00Z", "conditions": [], "more": 1}"#,
            r#"{"expiration": "2026-11-25T12:00:00Z", "expiration": "2027-11-25T12:00:00Z", "conditions": []}"#,
        ] {
            assert_eq!(read(document).unwrap_err().code(), Code::InvalidPolicyDocument, "{document}");
        }
        assert_eq!(Policy::read(b"not base64!").unwrap_err().code(), Code::InvalidPolicyDocument);
    }

    #[test]
    fn line_breaks_in_base64_are_none_of_it() {
        let encoded = STANDARD.encode(r#"{"expiration": "2026-11-25T12:00:01Z", "conditions": []}"#);
        let (first, second) = encoded.split_at(40);
        assert!(Policy::read(format!("{first}\r\n{second}\n").as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Policy::read(&bytes);
            let _ = Policy::read(STANDARD.encode(&bytes).as_bytes());
        }

        #[test]
        fn no_document_of_json_makes_the_reader_panic(conditions in "[\\[\\]{}\",:a-z$0-9 \\\\]{0,80}") {
            let _ = policy(&conditions);
        }
    }
}
