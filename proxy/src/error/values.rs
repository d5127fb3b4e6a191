//! Texts of parsers without the values that they repeat: what was put into the wrong place may be a secret.

/// What serde writes before a value that does not fit (`serde::de::Unexpected`), and after it.
const BEFORE: [&str; 2] = ["invalid type: ", "invalid value: "];
const AFTER: &str = ", expected ";

/// The text without a value that does not fit: its kind stays, as in `invalid type: string, expected a boolean`.
#[must_use]
pub(crate) fn without_values(text: &str) -> String {
    let begin = BEFORE.iter().find_map(|before| Some(text.find(before)? + before.len()));
    let (Some(begin), Some(end)) = (begin, text.rfind(AFTER)) else { return text.to_owned() };
    let Some(value) = text.get(begin..end) else { return text.to_owned() };
    let kind = value.split([' ', '"', '`']).next().unwrap_or_default();
    format!("{}{kind}{}", text.get(..begin).unwrap_or_default(), text.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        for (text, cleaned) in [
            (
                r#"disabled: invalid type: string "hunter2", expected a boolean at line 1"#,
                "disabled: invalid type: string, expected a boolean at line 1",
            ),
            ("invalid value: integer `-1`, expected u32", "invalid value: integer, expected u32"),
            (r#"invalid type: string "a, expected b", expected a map"#, "invalid type: string, expected a map"),
            ("unknown field `urll`, expected `url`", "unknown field `urll`, expected `url`"),
            ("invalid type: ", "invalid type: "),
        ] {
            assert_eq!(without_values(text), cleaned);
        }
    }

    #[test]
    fn what_serde_says_is_cleaned() {
        let error = serde_json::from_str::<Vec<bool>>(r#"["hunter2"]"#).unwrap_err().to_string();
        assert!(error.contains("hunter2"), "{error}");
        assert!(!without_values(&error).contains("hunter2"));
    }
}
