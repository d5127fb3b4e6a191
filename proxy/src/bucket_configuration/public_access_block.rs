//! Whether the public is let into a bucket (AWS, *Blocking public access to your Amazon S3 storage*).

use serde::{Deserialize, Serialize};

/// The four settings; what was not sent is off, as at S3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicAccessBlock {
    /// Access control lists that let the public in are refused; `may_have_list` and `grant_object` of
    /// `migrations/0032_access_control_lists.sql` see to it, and for new objects `s3::acl` before their bytes are read.
    pub block_public_acls: bool,
    /// What access control lists give to the public counts for nothing.
    pub ignore_public_acls: bool,
    /// Policies that let the public in are refused; `put_bucket_policy` of `migrations/0024_bucket_configurations.sql` sees to it.
    pub block_public_policy: bool,
    /// A policy that lets the public in lets in only who is known.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Everything is blocked: for a document that cannot be read.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };

    /// Why a list is refused that lets the public in.
    pub const ACLS_BLOCKED: &str =
        "Access Denied: public ACLs are prevented by the BlockPublicAcls setting of the bucket.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_index_looks_at_is_called_as_the_migrations_call_it() {
        let document = serde_json::to_value(PublicAccessBlock::ALL).unwrap();
        assert_eq!(document["block_public_policy"], true);
        assert_eq!(document["block_public_acls"], true);
    }
}
