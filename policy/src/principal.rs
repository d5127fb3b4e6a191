//! Who asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The party on whose behalf a request runs, after authentication. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The holder of an access key of the configuration: no policy is asked.
    Root {
        /// The id of the key that was used; public, never the secret.
        access_key_id: Arc<str>,
    },
    /// A person, a service account or a CI job.
    Identity(Arc<Identity>),
    /// Nobody: the request carried no credentials.
    Anonymous,
}

/// What is known of a person, a service account or a CI job.
///
/// Names from an issuer carry that issuer's prefix, so that two issuers cannot speak of each other's people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// Unique for all time: `<issuer>/<subject>`, or `key/<access key id>` for a service account.
    pub id: String,
    /// What policies call the user, such as `alice` or `gh:repo:acme/app:ref:refs/heads/main`.
    pub name: String,
    /// The issuer's name in the configuration; empty for a service account.
    pub issuer: String,
    /// Roles, as policies name them. In a session: the role that was assumed, alone.
    pub roles: Vec<String>,
    /// Groups, as policies name them: Keycloak's paths verbatim, such as `/teams/build`.
    pub groups: Vec<String>,
    /// What the issuer says besides: values by the claim's name, for the condition keys `jwt:<name>`.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// The access key the request was signed with; unset: it was a bearer token.
    pub access_key_id: Option<String>,
    /// Set where a role was assumed.
    pub session: Option<Session>,
    /// The policy document that narrows the access key, as it was sent; it never has more than its account has.
    pub policy: Option<String>,
}

/// A session that a role was assumed for (AWS STS).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Session {
    /// The name that the caller gave it.
    pub name: String,
    /// The policy document that narrows it, as it was sent; a session never has more than its role has.
    pub policy: Option<String>,
    /// The policy documents that narrowed the credentials that it was begun with, each of them: a session never has more than those.
    pub inherited: Vec<String>,
    /// Seconds since 1970 at which the first credential of the chain was issued.
    pub issued_at: i64,
}

impl Principal {
    /// A root principal, by the id of its access key.
    pub fn root(access_key_id: impl Into<Arc<str>>) -> Self {
        Self::Root { access_key_id: access_key_id.into() }
    }

    /// A person, a service account or a CI job.
    #[must_use]
    pub fn identity(identity: Identity) -> Self {
        Self::Identity(Arc::new(identity))
    }

    /// Whether nobody is known to ask.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }
}

/// `root/AKIA…`, `user/alice`, `role/deploy/job-7` for a session, or `anonymous`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { access_key_id } => write!(f, "root/{access_key_id}"),
            Self::Identity(identity) => match (&identity.session, identity.roles.first()) {
                (Some(session), Some(role)) => write!(f, "role/{role}/{}", session.name),
                _ => write!(f, "user/{}", identity.name),
            },
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}
