//! On what: buckets, objects and repositories, as policies name them.

use std::fmt;

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
}

/// The resource's name in AWS grammar: `arn:aws:s3:::bucket/key`, `arn:zas:oci:::team/app`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("*"),
            Self::Bucket { bucket } => write!(f, "arn:aws:s3:::{bucket}"),
            Self::Object { bucket, key } => write!(f, "arn:aws:s3:::{bucket}/{key}"),
            Self::Repository { name } => write!(f, "arn:zas:oci:::{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_print_as_policies_name_them() {
        assert_eq!(Resource::object("releases", "a/b").to_string(), "arn:aws:s3:::releases/a/b");
        assert_eq!(Resource::repository("team/app").to_string(), "arn:zas:oci:::team/app");
    }
}
