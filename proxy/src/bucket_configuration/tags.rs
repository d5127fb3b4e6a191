//! Tags: names with values (AWS, *Tagging restrictions*).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// The longest key, in characters.
const KEY_CHARACTERS: usize = 128;

/// The longest value, in characters.
const VALUE_CHARACTERS: usize = 256;

/// What AWS keeps for its own tags.
const RESERVED: &str = "aws:";

/// A name with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The name.
    pub key: String,
    /// The value; may be empty.
    pub value: String,
}

/// Tags in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagSet(pub Vec<Tag>);

/// How many tags something may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At the most.
    pub tags: usize,
    /// What a client is told that sends more.
    pub too_many: &'static str,
}

impl Limits {
    /// Those of a bucket.
    pub const BUCKET: Self = Self { tags: 50, too_many: "Bucket tag count cannot be greater than 50" };
}

impl TagSet {
    /// Whether AWS takes the tags.
    ///
    /// # Errors
    /// `BadRequest` where there are too many, `InvalidTag` where one is wrong.
    pub fn check(&self, limits: Limits) -> Result<()> {
        if self.0.len() > limits.tags {
            return Err(Error::new(Code::BadRequest, limits.too_many));
        }
        let mut keys = HashSet::new();
        for tag in &self.0 {
            tag.check()?;
            if !keys.insert(tag.key.as_str()) {
                return Err(Error::new(Code::InvalidTag, "Cannot provide multiple Tags with the same key"));
            }
        }
        Ok(())
    }
}

impl Tag {
    /// Whether AWS takes it, of a bucket or of an object.
    ///
    /// # Errors
    /// `InvalidTag`.
    pub fn check(&self) -> Result<()> {
        let long = |text: &str, most: usize| text.chars().count() > most;
        if self.key.is_empty() || long(&self.key, KEY_CHARACTERS) || !self.key.chars().all(is_allowed) {
            return Err(
                Error::new(Code::InvalidTag, "The TagKey you have provided is invalid").with("TagKey", &self.key)
            );
        }
        if long(&self.value, VALUE_CHARACTERS) || !self.value.chars().all(is_allowed) {
            return Err(
                Error::new(Code::InvalidTag, "The TagValue you have provided is invalid").with("TagKey", &self.key)
            );
        }
        if self.key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED)) {
            return Err(Error::new(Code::InvalidTag, "System tags cannot be added/updated by requester"));
        }
        Ok(())
    }
}

/// Letters, digits and spaces of any script, and a few signs.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || matches!(c, '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(pairs: &[(&str, &str)]) -> TagSet {
        TagSet(pairs.iter().map(|(key, value)| Tag { key: (*key).into(), value: (*value).into() }).collect())
    }

    fn refusal(set: &TagSet) -> Option<Code> {
        set.check(Limits::BUCKET).err().map(|error| error.code())
    }

    #[test]
    fn fifty_tags_are_taken_and_one_more_is_not() {
        let set = |n: usize| TagSet((0..n).map(|i| Tag { key: format!("k{i}"), value: String::new() }).collect());
        assert_eq!(refusal(&set(50)), None);
        assert_eq!(refusal(&set(51)), Some(Code::BadRequest));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        for (key, value, expected) in [
            ("ä".repeat(128), "ß".repeat(256), None),
            ("ä".repeat(129), String::new(), Some(Code::InvalidTag)),
            ("k".to_owned(), "v".repeat(257), Some(Code::InvalidTag)),
            (String::new(), "v".to_owned(), Some(Code::InvalidTag)),
        ] {
            assert_eq!(refusal(&tags(&[(key.as_str(), value.as_str())])), expected, "{key} {value}");
        }
    }

    #[test]
    fn a_key_stands_once_and_is_not_one_of_awss() {
        assert_eq!(refusal(&tags(&[("a", "1"), ("a", "2")])), Some(Code::InvalidTag));
        assert_eq!(refusal(&tags(&[("a", "1"), ("A", "2")])), None);
        assert_eq!(refusal(&tags(&[("aws:x", "1")])), Some(Code::InvalidTag));
        assert_eq!(refusal(&tags(&[("AWS:x", "1")])), Some(Code::InvalidTag));
        assert_eq!(refusal(&tags(&[("laws:x", "1")])), None);
    }

    #[test]
    fn only_some_signs_are_allowed() {
        assert_eq!(refusal(&tags(&[("a b+c-d=e.f_g:h/i@j", "日本 1")])), None);
        for sign in ["<", "&", "\n", "\u{0}", "*", "?"] {
            assert_eq!(refusal(&tags(&[("k", sign)])), Some(Code::InvalidTag), "{sign:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_rules_panic(key in ".{0,200}", value in ".{0,300}") {
            let _ = tags(&[(key.as_str(), value.as_str())]).check(Limits::BUCKET);
        }
    }
}
