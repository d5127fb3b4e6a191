//! A JSON tree read as Zot's configuration library reads it: keys in any case, values in any type that can be meant.

use std::path::{Component, Path};

use serde_json::Value;

/// A place in a configuration, whether there is something or not.
#[derive(Debug, Clone)]
pub(super) struct Tree<'a> {
    path: String,
    value: Option<&'a Value>,
}

impl<'a> Tree<'a> {
    pub(super) const fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value: Some(value) }
    }

    /// The value of a key, written in any case.
    pub(super) fn get(&self, key: &str) -> Self {
        let value = self
            .value
            .and_then(Value::as_object)
            .and_then(|object| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)))
            .map(|(_, value)| value);
        Self { path: self.join(key), value }
    }

    /// Every value of an object or a list.
    pub(super) fn children(&self) -> impl Iterator<Item = Self> + use<'a> {
        self.all().into_iter()
    }

    /// As [`children`](Self::children), all at once.
    pub(super) fn all(&self) -> Vec<Self> {
        match self.value {
            Some(Value::Object(object)) => {
                object.iter().map(|(name, value)| Self { path: self.join(name), value: Some(value) }).collect()
            }
            Some(Value::Array(list)) => list
                .iter()
                .enumerate()
                .map(|(i, value)| Self { path: self.join(&i.to_string()), value: Some(value) })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Keys that stand twice in one object, in other case.
    pub(super) fn keys_given_twice(&self) -> Vec<Self> {
        let children = self.all();
        let mut found = Vec::new();
        if matches!(self.value, Some(Value::Object(_))) {
            let mut seen = std::collections::HashSet::new();
            found.extend(children.iter().filter(|child| !seen.insert(child.path.to_ascii_lowercase())).cloned());
        }
        found.extend(children.iter().flat_map(Self::keys_given_twice));
        found
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self.value, None | Some(Value::Null))
    }

    pub(super) const fn is_object(&self) -> bool {
        matches!(self.value, Some(Value::Object(_)))
    }

    pub(super) fn as_str(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    pub(super) fn as_u64(&self) -> Option<u64> {
        match self.value {
            Some(Value::String(text)) => text.parse().ok(),
            other => other.and_then(Value::as_u64),
        }
    }

    /// A truth value by the spellings that Go takes; `default` where there is none, nothing where it cannot be read.
    pub(super) fn as_bool(&self, default: bool) -> Option<bool> {
        match self.value {
            None | Some(Value::Null) => Some(default),
            Some(Value::Bool(value)) => Some(*value),
            Some(Value::Number(number)) => number.as_f64().map(|number| number != 0.0),
            Some(Value::String(text)) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
                _ => None,
            },
            Some(Value::Array(_) | Value::Object(_)) => None,
        }
    }

    /// The value for a person to read; never the inside of an object, where there may be secrets.
    pub(super) fn shown(&self) -> String {
        match self.value {
            None | Some(Value::Null) => "not set".to_owned(),
            Some(Value::Object(_)) => "set".to_owned(),
            Some(Value::Array(_)) => "a list".to_owned(),
            Some(other) => other.to_string(),
        }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Whether a value is a duration of nothing: `"0s"` in any of Go's spellings, or the number 0.
pub(super) fn is_zero_duration(tree: &Tree<'_>) -> bool {
    match tree.value {
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => {
            let number = text.trim_start_matches(['+', '-']);
            let only_zeros = number.bytes().filter(u8::is_ascii_digit).all(|b| b == b'0');
            let is_number = number.starts_with(|c: char| c.is_ascii_digit());
            let has_unit = number.ends_with(['s', 'm', 'h']) || number == "0";
            is_number && only_zeros && has_unit && number.bytes().all(|b| b.is_ascii_digit() || b".numsh".contains(&b))
        }
        _ => false,
    }
}

/// Whether one path is the other or lies within it, by their names alone.
pub(super) fn paths_conflict(a: &str, b: &str) -> bool {
    let (a, b) = (plain(a), plain(b));
    a.starts_with(&b) || b.starts_with(&a)
}

/// The names of a path, without `.` and with `..` resolved.
fn plain(path: &str) -> Vec<Component<'_>> {
    let mut names = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(names.last(), Some(Component::Normal(_))) => {
                names.pop();
            }
            other => names.push(other),
        }
    }
    names
}
