//! Whether two elements of a list are equal, without keeping the elements.

use std::collections::HashSet;

use serde_json::Value;

use crate::digest::{Digest, Hasher};

/// The digests of the elements so far.
#[derive(Debug, Default)]
pub(super) struct Unique(HashSet<Digest>);

impl Unique {
    /// Whether no element before was equal to this one, as JSON Schema has equality: `1` equals `1.0`, the order of members
    /// means nothing.
    pub(super) fn is_new(&mut self, element: &Value) -> bool {
        let mut hasher = Hasher::default();
        feed(&mut hasher, element);
        self.0.insert(hasher.finish())
    }
}

/// Every value is a tag, its length, and its content, so that no two values are the same bytes.
fn feed(hasher: &mut Hasher, value: &Value) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(value) => hasher.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => feed_text(hasher, b"#", &number_text(number)),
        Value::String(text) => feed_text(hasher, b"s", text),
        Value::Array(values) => {
            hasher.update(b"[");
            hasher.update(&values.len().to_le_bytes());
            values.iter().for_each(|value| feed(hasher, value));
        }
        Value::Object(members) => {
            hasher.update(b"{");
            hasher.update(&members.len().to_le_bytes());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                feed_text(hasher, b"k", name);
                feed(hasher, value);
            }
        }
    }
}

fn feed_text(hasher: &mut Hasher, tag: &[u8], text: &str) {
    hasher.update(tag);
    hasher.update(&text.len().to_le_bytes());
    hasher.update(text.as_bytes());
}

fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        // The sum makes a negative zero a zero.
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => format!("{:.0}", float + 0.0),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_elements_are_found() {
        let mut unique = Unique::default();
        assert!(unique.is_new(&json!({"a": 1, "b": [true, null]})));
        assert!(!unique.is_new(&json!({"b": [true, null], "a": 1.0})));
    }

    #[test]
    fn what_only_looks_alike_is_new() {
        let mut unique = Unique::default();
        for value in [
            json!(1),
            json!("1"),
            json!([1]),
            json!([[1]]),
            json!([1, 1]),
            json!({"1": 1}),
            json!(true),
            json!(null),
            json!(""),
            json!([]),
            json!({}),
            json!(["a", "b"]),
            json!(["ab"]),
            json!({"a": "b"}),
            json!(1.5),
            json!(-1),
        ] {
            assert!(unique.is_new(&value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn two_texts_are_equal_only_if_they_are(a in ".{0,8}", b in ".{0,8}") {
            let mut unique = Unique::default();
            unique.is_new(&json!({"x": a}));
            prop_assert_eq!(unique.is_new(&json!({"x": b})), a != b);
        }
    }
}
