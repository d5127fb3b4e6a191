//! What many rules share in a policy's document: lists that are not empty, patterns, and values that are wanted at places.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize as DeserializeMacro;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use zas_policy::matches_pattern;

use crate::supply_chain::limits::NAME_BYTES;

/// Entries of one list of a policy.
const ENTRIES: usize = 64;

/// A list of 1 to 64 entries.
#[derive(Debug, Clone, PartialEq, DeserializeMacro)]
#[serde(try_from = "Vec<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Several<T>(Vec<T>);

impl<T> Several<T> {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> TryFrom<Vec<T>> for Several<T> {
    type Error = String;

    fn try_from(entries: Vec<T>) -> Result<Self, String> {
        if (1..=ENTRIES).contains(&entries.len()) {
            Ok(Self(entries))
        } else {
            Err(format!("there must be 1 to {ENTRIES} entries, and there are {}", entries.len()))
        }
    }
}

/// A text in which `*` stands for any run of characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, DeserializeMacro)]
#[serde(try_from = "String")]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn fits(&self, text: &str) -> bool {
        matches_pattern(&self.0, text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_text(&text) { Ok(Self(text)) } else { Err(format!("1 to {NAME_BYTES} bytes, none of control")) }
    }
}

impl Several<Pattern> {
    pub(super) fn fit(&self, text: &str) -> bool {
        self.iter().any(|pattern| pattern.fits(text))
    }
}

/// Whether a text is one that a policy may hold.
pub(super) fn is_text(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What must stand at places of a JSON document; a place is a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Places(BTreeMap<String, Wanted>);

/// What is wanted at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// Something, whatever it is.
    Any,
    /// One of these; of texts, one that fits.
    OneOf(Vec<Value>),
}

impl Places {
    /// The first place at which something else stands.
    pub(super) fn broken(&self, document: &Value) -> Option<&str> {
        let is_broken = |(pointer, wanted): &(&String, &Wanted)| {
            !document.pointer(pointer).is_some_and(|value| wanted.is_met_by(value))
        };
        self.0.iter().find(is_broken).map(|(pointer, _)| pointer.as_str())
    }

    /// The first value of a document that none of the places has, nor is above or below of.
    pub(super) fn unknown(&self, document: &Value) -> Option<String> {
        self.unknown_below(document, &mut String::new())
    }

    fn unknown_below(&self, value: &Value, at: &mut String) -> Option<String> {
        if self.0.contains_key(at.as_str()) {
            return None;
        }
        let members: Vec<(String, &Value)> = match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
            }
            Value::Array(elements) if !elements.is_empty() => {
                elements.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
            }
            _ => return Some(at.clone()),
        };
        members.into_iter().find_map(|(name, value)| {
            let above = at.len();
            at.push('/');
            at.push_str(&name);
            let unknown = self.unknown_below(value, at);
            at.truncate(above);
            unknown
        })
    }
}

impl Wanted {
    fn is_met_by(&self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.iter().any(|wanted| is_same(wanted, value)),
        }
    }
}

/// Whether a value is the one that is wanted. `1` and `1.0` are one number.
fn is_same(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::String(pattern), Value::String(text)) => matches_pattern(pattern, text),
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => a.as_f64() == b.as_f64(),
        (wanted, value) => wanted == value,
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "any" => Ok(Self::Any),
            Value::Array(values) if (1..=ENTRIES).contains(&values.len()) => Ok(Self::OneOf(values)),
            _ => Err(D::Error::custom(format!("a list of 1 to {ENTRIES} values, or \"any\""))),
        }
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each)
    }
}

struct Each;

impl<'de> Visitor<'de> for Each {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON pointers with what is wanted there")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Places, A::Error> {
        let mut places = BTreeMap::new();
        while let Some((pointer, wanted)) = entries.next_entry::<String, Wanted>()? {
            if !is_pointer(&pointer) {
                return Err(A::Error::custom(format!("{pointer:?} is no JSON pointer, such as /workflow/ref")));
            }
            if places.len() >= ENTRIES {
                return Err(A::Error::custom(format!("there are more than {ENTRIES} places")));
            }
            if places.insert(pointer.clone(), wanted).is_some() {
                return Err(A::Error::custom(format!("{pointer:?} stands twice")));
            }
        }
        Ok(Places(places))
    }
}

/// Whether a text is a JSON pointer to something within a document.
pub(super) fn is_pointer(text: &str) -> bool {
    let escapes_are_whole = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    text.starts_with('/') && text.len() <= NAME_BYTES && escapes_are_whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn places(value: Value) -> Places {
        serde_json::from_value(value).unwrap()
    }

    fn refused<T: serde::de::DeserializeOwned + fmt::Debug>(text: &str) -> String {
        serde_json::from_str::<T>(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wanted_stands_at_its_place() {
        let wanted = places(json!({"/a/b": ["x-*", 1], "/c~1d": "any", "/list/0": [{"k": null}]}));
        for (a, broken) in
            [(json!("x-y"), None), (json!(1.0), None), (json!("y"), Some("/a/b")), (json!("1"), Some("/a/b"))]
        {
            let document = json!({"a": {"b": a}, "c/d": false, "list": [{"k": null}]});
            assert_eq!(wanted.broken(&document), broken, "{document}");
        }
        assert_eq!(wanted.broken(&json!({"a": {"b": 1}, "list": [{"k": null}]})), Some("/c~1d"));
        assert_eq!(Places::default().broken(&json!(null)), None);
    }

    #[test]
    fn numbers_above_what_a_fraction_can_tell_apart_are_told_apart() {
        assert!(!is_same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(is_same(&json!(2), &json!(2.0)));
    }

    #[test]
    fn a_value_that_no_place_speaks_of_is_unknown() {
        let wanted = places(json!({"/workflow/ref": "any", "/inputs": [{}]}));
        let unknown = |document: Value| wanted.unknown(&document);
        assert_eq!(unknown(json!({"workflow": {"ref": {"deep": [1, 2]}}, "inputs": {"a": 1}})), None);
        assert_eq!(unknown(json!({"workflow": {"ref": "r", "path": "p"}})).as_deref(), Some("/workflow/path"));
        assert_eq!(unknown(json!({"other": []})).as_deref(), Some("/other"));
        assert_eq!(unknown(json!({"a/b": {"c": [0]}})).as_deref(), Some("/a~1b/c/0"));
        assert_eq!(unknown(json!({})).as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_list_no_pattern_and_no_place_is_refused() {
        assert!(refused::<Several<Pattern>>("[]").contains("1 to 64"));
        assert!(refused::<Several<Pattern>>(r#"["a", ""]"#).contains("1 to 2048 bytes"));
        assert!(refused::<Pattern>(r#""a\nb""#).contains("none of control"));
        assert!(refused::<Places>(r#"{"a": "any"}"#).contains("no JSON pointer"));
        assert!(refused::<Places>(r#"{"/a~2": "any"}"#).contains("no JSON pointer"));
        assert!(refused::<Places>(r#"{"/a": "any", "/a": [1]}"#).contains("twice"));
        for wanted in ["[]", "\"some\"", "1", "{}", "null"] {
            assert!(refused::<Wanted>(wanted).contains("or \"any\""), "{wanted}");
        }
        let many: Vec<String> = (0..=ENTRIES).map(|at| format!("\"/{at}\": \"any\"")).collect();
        assert!(refused::<Places>(&format!("{{{}}}", many.join(","))).contains("more than"));
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c/~]{1,2}", inner, 0..3).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_unknown_is_there(document in document()) {
            let unknown = Places::default().unknown(&document).unwrap();
            prop_assert!(document.pointer(&unknown).is_some());
            // Once its place is known it is the next one that is unknown, or none.
            if is_pointer(&unknown) {
                let known = Places(BTreeMap::from([(unknown.clone(), Wanted::Any)]));
                prop_assert_ne!(known.unknown(&document), Some(unknown));
            }
        }
    }
}
