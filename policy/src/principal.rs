//! Who asks.

use std::fmt;

/// The party on whose behalf a request runs, after authentication.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The holder of an access key of the configuration.
    Root {
        /// The id of the key that was used; public, never the secret.
        access_key_id: String,
    },
    /// Nobody: the request carried no credentials.
    Anonymous,
}

impl Principal {
    /// A root principal, by the id of its access key.
    pub fn root(access_key_id: impl Into<String>) -> Self {
        Self::Root { access_key_id: access_key_id.into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { access_key_id } => write!(f, "root/{access_key_id}"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}
