//! JSON, read piece by piece: a document's large lists are never trees in memory, only one element of them at a time.
//!
//! Stricter than JSON itself in one point: a member that stands twice in an object is refused, for two readers of such a
//! document may see two different ones.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Number, Value};

use super::finding::{Place, excerpt};
use super::refusal::Refusal;

/// Most members that the top level may have.
const MOST_MEMBERS: usize = 256;

/// The top level of a document, its values unread.
pub(super) struct Top<'a> {
    text: &'a str,
    members: Vec<(String, &'a RawValue)>,
}

impl<'a> Top<'a> {
    /// Looks at all of the text, and keeps the places of the top level's values.
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        let mut deserializer = Deserializer::from_str(text);
        let members = deserializer
            .deserialize_map(Members)
            .and_then(|members| deserializer.end().map(|()| members))
            .map_err(|error| malformed(text, text, &error))?;
        Ok(Self { text, members })
    }

    /// All members, in their order.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(name, raw)| (name.as_str(), *raw))
    }

    /// The text of a member that is a string.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        let (_, raw) = self.members().find(|(member, _)| *member == name)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// Whether there is such a member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members().any(|(member, _)| member == name)
    }

    /// The tree of a value; `depth` is how deep it may go.
    pub(super) fn tree(&self, raw: &'a RawValue, depth: usize) -> Result<Value, Refusal> {
        let mut deserializer = Deserializer::from_str(raw.get());
        Tree { depth }.deserialize(&mut deserializer).map_err(|error| malformed(self.text, raw.get(), &error))
    }

    /// Gives each element of a list in turn.
    pub(super) fn each(
        &self,
        list: &'a RawValue,
        give: &mut dyn FnMut(&'a RawValue) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut refusal = None;
        let elements = Elements { give, refusal: &mut refusal };
        let outcome = Deserializer::from_str(list.get()).deserialize_seq(elements);
        match refusal {
            Some(refusal) => Err(refusal),
            None => outcome.map_err(|error| malformed(self.text, list.get(), &error)),
        }
    }
}

/// Whether a value is a list.
pub(super) fn is_list(raw: &RawValue) -> bool {
    raw.get().starts_with('[')
}

/// Where an error in `part`, which is a piece of `text`, stands in `text`.
fn malformed(text: &str, part: &str, error: &serde_json::Error) -> Refusal {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let offset = start.saturating_add(offset_of(part, error.line(), error.column()));
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Refusal::Malformed { place: Place::of_offset(text.as_bytes(), offset), text: message.to_owned() }
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before.saturating_add(column.saturating_sub(1))
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(twice(&name));
            }
            if members.len() == MOST_MEMBERS {
                return Err(A::Error::custom(format_args!("more than {MOST_MEMBERS} members at the top level")));
            }
            members.push((name, raw));
        }
        Ok(members)
    }
}

struct Elements<'f, 'de> {
    give: &'f mut dyn FnMut(&'de RawValue) -> Result<(), Refusal>,
    refusal: &'f mut Option<Refusal>,
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            if let Err(refusal) = (self.give)(raw) {
                *self.refusal = Some(refusal);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// Builds a value that goes `depth` deep.
struct Tree {
    depth: usize,
}

impl Tree {
    fn below<E: serde::de::Error>(&self) -> Result<usize, E> {
        self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Self { depth })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(twice(&name));
            }
            let value = map.next_value_seed(Self { depth })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

fn twice<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("the member {:?} stands twice", excerpt(name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        let top = match Top::read(text) {
            Ok(top) => top,
            Err(refusal) => return refusal.to_string(),
        };
        let failed = top.members().find_map(|(_, raw)| top.tree(raw, 8).err());
        failed.map(|refusal| refusal.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_error_names_the_line_and_the_column_in_the_whole_document() {
        let text = "{\n \"a\": 1,\n \"b\": {\"c\": 1,\n  \"c\": 2}}";
        assert_eq!(refusal(text), "line 4, column 5: the member \"c\" stands twice");
        assert!(refusal("{\n \"a\": tru }").starts_with("line 2, column 10"), "{}", refusal("{\n \"a\": tru }"));
    }

    #[test]
    fn what_stands_twice_at_the_top_is_refused() {
        assert!(refusal(r#"{"a": 1, "a": 2}"#).contains("stands twice"));
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        assert_eq!(refusal(r#"{"a": [[[[[[[[]]]]]]]]}"#), "");
        assert!(refusal(r#"{"a": [[[[[[[[[]]]]]]]]]}"#).contains("nested too deeply"));
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(
            refusal(&deep).contains("nested too deeply") || refusal(&deep).contains("recursion"),
            "{}",
            refusal(&deep)
        );
    }

    #[test]
    fn what_follows_the_document_is_refused() {
        assert!(refusal("{} x").contains("trailing"), "{}", refusal("{} x"));
        assert!(!refusal("[]").is_empty());
    }

    #[test]
    fn the_elements_of_a_list_are_given_one_by_one() {
        let text = r#"{"a": [1, {"b": [2]}, "c"]}"#;
        let top = Top::read(text).unwrap();
        let (_, list) = top.members().next().unwrap();
        let mut elements = Vec::new();
        top.each(list, &mut |raw| {
            elements.push(raw.get().to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(elements, ["1", r#"{"b": [2]}"#, "\"c\""]);
    }

    proptest! {
        #[test]
        fn the_tree_is_what_serde_json_reads(text in r#"\{("a": (\[(1|2\.5|"x"|null|true|\{"b": -3\})(, (1|"y"|\[\]))*\]|"z"))?\}"#) {
            let top = Top::read(&text).unwrap();
            let whole: Value = serde_json::from_str(&text).unwrap();
            for (name, raw) in top.members() {
                prop_assert_eq!(Some(&top.tree(raw, 8).unwrap()), whole.get(name));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9a\\\\ ]{0,60}") {
            drop(refusal(&text));
        }
    }
}
