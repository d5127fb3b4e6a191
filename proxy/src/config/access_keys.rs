//! `[[access_keys]]`: the keys that open the service.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One access key: for S3 the key pair, for OCI user and password of Basic authentication. Its holder is root.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The id, 3 to 128 characters of letters, digits, `-` and `_`.
    pub id: String,
    /// The secret, at least 16 characters. Give this or `secret_file`.
    pub secret: Option<Secret>,
    /// A file that holds the secret, such as a mounted Kubernetes secret; white space around it is ignored.
    pub secret_file: Option<PathBuf>,
}

/// A text that is never printed: its `Debug` and its serialisation show that there is one, not what it is.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for those who must use it, never for those who print.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(hidden)" })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "(hidden)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let key = AccessKey { id: "id".into(), secret: Some(Secret::new("hunter2-hunter2")), secret_file: None };
        assert!(!format!("{key:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&key).unwrap().contains("hunter2"));
    }
}
