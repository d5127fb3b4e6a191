//! The access keys of the configuration.

use std::collections::HashMap;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id() {
        let secret = Secret::new("0123456789abcdef");
        let keys = AccessKeys::new(&[AccessKey { id: "AKIA".into(), secret: Some(secret.clone()), secret_file: None }]);
        assert_eq!(keys.secret("AKIA"), Some(&secret));
        assert_eq!(keys.secret("AKIB"), None);
        assert!(!keys.is_empty());
    }
}
