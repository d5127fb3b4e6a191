//! Texts that clients choose: how long they may be, and what may stand in them. Read with these, a text that is wrong is refused by the
//! name of its field. To the description of the API they are `^[^\x00-\x1f\x7f-\x9f]*$`.
//!
//! What does not live here: names that are written in paths and statements (`name.rs`).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A text of at most `N` characters, none of control.
pub(super) fn text<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_text(&text, N) { Ok(text) } else { Err(D::Error::custom(wanted(N))) }
}

/// As [`text`], where there may be none.
pub(super) fn optional_text<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    if text.as_ref().is_none_or(|text| is_text(text, N)) { Ok(text) } else { Err(D::Error::custom(wanted(N))) }
}

fn is_text(text: &str, longest: usize) -> bool {
    // No character has more than four bytes: most texts need no counting.
    let fits = text.len() <= longest || text.chars().count() <= longest;
    fits && !text.chars().any(char::is_control)
}

fn wanted(longest: usize) -> String {
    format!("at most {longest} characters, none of control")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Form {
        #[serde(deserialize_with = "text::<_, 4>")]
        a: String,
        #[serde(default, deserialize_with = "optional_text::<_, 4>")]
        b: Option<String>,
    }

    #[test]
    fn a_text_is_counted_in_characters_and_has_none_of_control() {
        let read = |json: &str| serde_json::from_str::<Form>(json);
        let form = read(r#"{"a": "äöüß", "b": null}"#).unwrap();
        assert_eq!((form.a.as_str(), form.b), ("äöüß", None));
        for json in [r#"{"a": "12345"}"#, r#"{"a": "\u0000"}"#, r#"{"a": "\u0085"}"#, r#"{"a": "", "b": "a\nb"}"#] {
            assert!(read(json).unwrap_err().to_string().starts_with("at most 4 characters, none of control"), "{json}");
        }
    }
}
