//! [`Scope`]: which artifacts a policy is for.

use serde::Deserialize;

use super::words::{Pattern, Several};

/// Artifacts by patterns of their names: `s3://releases/*`, `oci://team/*`. `*` is any run of characters, slashes included.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Several<Pattern>")]
pub(super) struct Scope(Several<Pattern>);

impl Scope {
    pub(super) fn covers(&self, name: &str) -> bool {
        self.0.fit(name)
    }
}

impl TryFrom<Several<Pattern>> for Scope {
    type Error = String;

    fn try_from(patterns: Several<Pattern>) -> Result<Self, String> {
        let is_name = |pattern: &Pattern| {
            let name = ["s3://", "oci://"].iter().find_map(|scheme| pattern.as_str().strip_prefix(scheme));
            name.is_some_and(|name| !name.is_empty())
        };
        match patterns.iter().find(|pattern| !is_name(pattern)) {
            None => Ok(Self(patterns)),
            Some(wrong) => Err(format!("{:?} begins with neither s3:// nor oci://, or names nothing", wrong.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Result<Scope, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_scope_covers_names_that_fit() {
        let scope = scope(r#"["s3://releases/*", "oci://team/app"]"#).unwrap();
        for (name, covered) in [
            ("s3://releases/linux/app.tgz", true),
            ("s3://releases2/app.tgz", false),
            ("oci://team/app", true),
            ("oci://team/app2", false),
        ] {
            assert_eq!(scope.covers(name), covered, "{name}");
        }
    }

    #[test]
    fn a_pattern_says_which_door() {
        for text in [r#"["*"]"#, r#"["https://a"]"#, r#"["s3://"]"#, "[]"] {
            assert!(scope(text).is_err(), "{text}");
        }
    }
}
