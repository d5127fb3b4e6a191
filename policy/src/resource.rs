//! On what: buckets, objects, repositories and what is managed, as policies name them.

use std::fmt::{self, Write};

use smallvec::SmallVec;

use crate::Action;
use crate::action::Service;

/// What begins the name of a bucket or an object.
pub(crate) const S3: &str = "arn:aws:s3:::";
/// What begins the name of a repository.
pub(crate) const OCI: &str = "arn:zas:oci:::";

/// What begins the name of a role.
const ROLE: &str = "arn:aws:iam:::role/";
/// What begins the name of what is managed.
const ADMIN: &str = "arn:zas:admin:::";

/// The kinds of [`Resource::Managed`].
const MANAGED: [&str; 7] =
    ["policy", "access-key", "session", "signing-key", "trusted-key", "trusted-identity", "event-target"];

/// A text that names no resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownResource;

impl fmt::Display for UnknownResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A resource is \"*\", {S3}bucket, {S3}bucket/key, {OCI}repository, {ROLE}name")?;
        MANAGED.iter().try_for_each(|kind| write!(f, ", {ADMIN}{kind}/name"))?;
        f.write_str(".")
    }
}

impl std::error::Error for UnknownResource {}

/// The thing that an action is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The service as a whole.
    Service,
    /// An S3 bucket.
    Bucket {
        /// The bucket's name.
        bucket: String,
    },
    /// An S3 object.
    Object {
        /// The bucket's name.
        bucket: String,
        /// The key, exactly as it is stored.
        key: String,
    },
    /// An OCI repository.
    Repository {
        /// The repository's name, such as `team/app`.
        name: String,
    },
    /// A role.
    Role {
        /// The role's name.
        name: String,
    },
    /// What the management API manages besides: a policy, an access key, a session, a signing key.
    Managed {
        /// Which: `policy`, `access-key`, `session`, `signing-key`, `trusted-key`, `trusted-identity`, `event-target`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

impl Resource {
    /// A bucket.
    pub fn bucket(bucket: impl Into<String>) -> Self {
        Self::Bucket { bucket: bucket.into() }
    }

    /// An object in a bucket.
    pub fn object(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Object { bucket: bucket.into(), key: key.into() }
    }

    /// An OCI repository.
    pub fn repository(name: impl Into<String>) -> Self {
        Self::Repository { name: name.into() }
    }

    /// A role.
    pub fn role(name: impl Into<String>) -> Self {
        Self::Role { name: name.into() }
    }

    /// Something that the management API manages.
    pub fn managed(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Managed { kind, name: name.into() }
    }

    /// Reads a resource's name, as [`Display`](fmt::Display) writes it.
    ///
    /// # Errors
    /// What names there are.
    pub fn parse(text: &str) -> Result<Self, UnknownResource> {
        let name = |start: &str| text.strip_prefix(start).filter(|name| !name.is_empty());
        if text == "*" {
            return Ok(Self::Service);
        }
        if let Some(name) = name(S3) {
            return Ok(name
                .split_once('/')
                .map_or_else(|| Self::bucket(name), |(bucket, key)| Self::object(bucket, key)));
        }
        if let Some(name) = name(OCI) {
            return Ok(Self::repository(name));
        }
        if let Some(name) = name(ROLE) {
            return Ok(Self::role(name));
        }
        let managed =
            MANAGED.iter().find_map(|kind| Some((*kind, name(ADMIN)?.strip_prefix(kind)?.strip_prefix('/')?)));
        match managed {
            Some((kind, name)) if !name.is_empty() => Ok(Self::managed(kind, name)),
            _ => Err(UnknownResource),
        }
    }

    /// The bucket that it is or lies in.
    #[must_use]
    pub fn bucket_name(&self) -> Option<&str> {
        match self {
            Self::Bucket { bucket } | Self::Object { bucket, .. } => Some(bucket),
            _ => None,
        }
    }
}

/// The resource's name in AWS grammar: `arn:aws:s3:::bucket/key`, `arn:zas:oci:::team/app`, `arn:aws:iam:::role/deploy`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("*"),
            Self::Bucket { bucket } => write!(f, "{S3}{bucket}"),
            Self::Object { bucket, key } => write!(f, "{S3}{bucket}/{key}"),
            Self::Repository { name } => write!(f, "{OCI}{name}"),
            Self::Role { name } => write!(f, "{ROLE}{name}"),
            Self::Managed { kind, name } => write!(f, "{ADMIN}{kind}/{name}"),
        }
    }
}

/// A resource's name as patterns are compared with it. Names of usual length stay on the stack.
pub(crate) struct ResourceName(SmallVec<[u8; 256]>);

impl ResourceName {
    /// The name; the service as a whole is named by the action's part of it, so that `arn:aws:s3:::*` fits `ListAllMyBuckets`.
    pub(crate) fn new(action: Action, resource: &Resource) -> Self {
        let mut name = Self(SmallVec::new());
        let written = match (resource, action.service()) {
            (Resource::Service, Service::S3) => name.write_str(S3),
            (Resource::Service, Service::Oci) => name.write_str(OCI),
            (Resource::Service, Service::Sts) => name.write_str("arn:aws:sts:::"),
            (Resource::Service, _) => name.write_str(ADMIN),
            _ => write!(name, "{resource}"),
        };
        debug_assert!(written.is_ok(), "writing into memory does not fail");
        name
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Write for ResourceName {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_print_as_policies_name_them() {
        assert_eq!(Resource::object("releases", "a/b").to_string(), "arn:aws:s3:::releases/a/b");
        assert_eq!(Resource::repository("team/app").to_string(), "arn:zas:oci:::team/app");
        assert_eq!(Resource::managed("policy", "ci").to_string(), "arn:zas:admin:::policy/ci");
    }

    #[test]
    fn what_is_printed_is_read_again_and_nothing_else_is() {
        let managed = MANAGED.map(|kind| Resource::managed(kind, "a/b"));
        let named =
            [Resource::bucket("b"), Resource::object("b", "k/l"), Resource::repository("a/b"), Resource::role("r")];
        for resource in named.into_iter().chain(managed).chain([Resource::Service]) {
            assert_eq!(Resource::parse(&resource.to_string()), Ok(resource));
        }
        for wrong in [
            "",
            "b",
            "arn:aws:s3:::",
            "arn:zas:oci:::",
            "arn:zas:admin:::policy",
            "arn:zas:admin:::policy/",
            "arn:zas:admin:::policyx/a",
        ] {
            assert_eq!(Resource::parse(wrong), Err(UnknownResource), "{wrong}");
        }
    }
}
