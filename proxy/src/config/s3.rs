//! `[s3]`: the S3 API.

use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bucket_configuration::ObjectOwnership;

/// The S3 API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// The region that clients sign for and that GetBucketLocation answers.
    pub region: String,
    /// Domains for virtual-host style requests (`bucket.domain`). Empty: path style only. OCI clients must not use a host below one.
    pub domains: Vec<String>,
    /// The longest lifetime of a presigned URL; never more than 7 days.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub max_presign: Duration,
    /// Whether the registry's storage is encrypted at rest. The service cannot see it, and says what is set here: with `true` clients may
    /// ask for `AES256` (SSE-S3), and are told of it in every answer about an object; with `false` asking is refused.
    pub encryption_at_rest: bool,
    /// Who owns the objects of buckets that are made from now on, unless their maker says otherwise (`x-amz-object-ownership`). With
    /// `BucketOwnerEnforced`, as at AWS, access control lists count for nothing; with `BucketOwnerPreferred` and `ObjectWriter` they count,
    /// and whoever may write can let others read. Buckets that are there keep theirs.
    pub object_ownership: ObjectOwnership,
    /// The quota of buckets that are made from now on; a quota that is set later takes its place.
    pub default_quota: DefaultQuota,
}

/// The quota of new buckets. Unset: they have none.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultQuota {
    /// Bytes that a bucket may hold, parts of open uploads and what refers to its objects included.
    #[schemars(with = "Option<String>")]
    pub bytes: Option<ByteSize>,
    /// Objects that a bucket may hold.
    pub objects: Option<u64>,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            domains: Vec::new(),
            max_presign: Duration::from_secs(7 * 24 * 3600),
            encryption_at_rest: false,
            object_ownership: ObjectOwnership::default(),
            default_quota: DefaultQuota::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_toml;

    #[test]
    fn an_object_ownership_is_written_as_s3_writes_it() {
        let config = from_toml("[s3]\nobject_ownership = \"ObjectWriter\"", "t", []).unwrap();
        assert_eq!(config.s3.object_ownership, ObjectOwnership::ObjectWriter);
        assert_eq!(S3::default().object_ownership, ObjectOwnership::BucketOwnerEnforced);
        assert!(from_toml("[s3]\nobject_ownership = \"Nobody\"", "t", []).is_err());
    }

    #[test]
    fn a_default_quota_is_read_with_units_and_bounds() {
        let environment = [("ZAS_S3__DEFAULT_QUOTA__OBJECTS".to_owned(), "1000".to_owned())];
        let config = from_toml("[s3.default_quota]\nbytes = \"10 GiB\"", "t", environment).unwrap();
        assert_eq!(config.s3.default_quota.bytes, Some(ByteSize::gib(10)));
        assert_eq!(config.s3.default_quota.objects, Some(1000));
        let error = from_toml("[s3.default_quota]\nbytes = \"8 EiB\"", "t", []).unwrap_err().to_string();
        assert!(error.contains("s3.default_quota.bytes"), "{error}");
    }
}
