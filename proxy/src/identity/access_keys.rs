//! The access keys of the configuration.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::config::{AccessKey, Secret};

/// Access keys by id.
#[derive(Debug, Default)]
pub struct AccessKeys {
    by_id: HashMap<String, Secret>,
}

impl AccessKeys {
    /// Takes the keys of a checked configuration.
    #[must_use]
    pub fn new(keys: &[AccessKey]) -> Self {
        let by_id = keys.iter().filter_map(|key| Some((key.id.clone(), key.secret.clone()?))).collect();
        Self { by_id }
    }

    /// Whether there are none: then nothing is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The secret of a key; S3 signatures need it.
    #[must_use]
    pub fn secret(&self, id: &str) -> Option<&Secret> {
        self.by_id.get(id)
    }

    /// Whether `secret` is the one of `id`. Takes the same time for an unknown id and for a wrong secret: hashes of
    /// equal length are compared, in constant time.
    #[must_use]
    pub fn verify(&self, id: &str, secret: &str) -> bool {
        let known = self.by_id.get(id);
        let expected = digest(&SHA256, known.map_or("", Secret::expose).as_bytes());
        let given = digest(&SHA256, secret.as_bytes());
        let equal: bool = expected.as_ref().ct_eq(given.as_ref()).into();
        equal && known.is_some_and(|secret| !secret.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AccessKeys {
        AccessKeys::new(&[AccessKey {
            id: "AKIA".into(),
            secret: Some(Secret::new("0123456789abcdef")),
            secret_file: None,
        }])
    }

    #[test]
    fn only_the_right_secret_of_a_known_key_is_accepted() {
        assert!(keys().verify("AKIA", "0123456789abcdef"));
        assert!(!keys().verify("AKIA", "0123456789abcdeg"));
        assert!(!keys().verify("AKIB", "0123456789abcdef"));
        assert!(!keys().verify("AKIB", ""));
    }
}
