//! [`rewritten`]: the document of a policy as it is kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::policy::PolicyError;

/// The document of a policy written anew, so that line and column are its own and not those of what it was sent in.
/// # Errors
/// It is no JSON, or a name stands twice in an object: which of the two would count?
pub fn rewritten(text: &str) -> Result<String, PolicyError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let document = Once
        .deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track))
        .map_err(|error| PolicyError::of_json(&track.path().to_string(), &error))?;
    json.end().map_err(|error| PolicyError::of_json(".", &error))?;
    serde_json::to_string_pretty(&document).map_err(|error| PolicyError::of_json(".", &error))
}

/// Any value, in the objects of which each name stands once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if values.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            values.insert(name, object.next_value_seed(Self)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_written_anew_whatever_is_in_it() {
        let document = json!({"a": [1, -1, 1.5, true, null, "text", {}], "b": {"c": []}});
        assert_eq!(rewritten(&document.to_string()).unwrap(), serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_wherever_it_stands() {
        let error = rewritten(r#"{"rules": [{"name": "a"}, {"name": "b", "name": "c"}]}"#).unwrap_err();
        assert!(error.to_string().contains("duplicate field `name`"), "{error}");
        assert!(error.field.starts_with("rules[1]"), "{error}");
        for text in [r#"{"a": 1, "a": 1}"#, r#"[{"x": {"\u0061": 1, "a": 1}}]"#, "{", "{} {}"] {
            assert!(rewritten(text).is_err(), "{text}");
        }
        assert!(rewritten(r#"{"a": {"b": 1}, "b": {"b": 1}}"#).is_ok());
    }
}
