//! The policy of a bucket: a document as `policy.rs` has them, that the bucket's public access block may refuse.

use super::Index;
use super::audited::audited;
use super::convert::check;
use super::failure::Failure;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// What the policy of a bucket shall be.
#[derive(Debug, Clone, Copy)]
pub struct NewBucketPolicy<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The JSON text; checked by the caller.
    pub document: &'a str,
    /// Whether it lets everybody in: then the bucket's public access block may refuse it.
    pub is_public: bool,
    /// The version that it replaces, 0 for none; unset: whatever there is.
    pub expected: Option<i64>,
    /// Who makes the change.
    pub by: &'a str,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

const PUT: &str = audited!(6, "SELECT status, version FROM put_bucket_policy($1, $2, $3, $4, $5)");

impl Index {
    /// Makes or replaces the policy of a bucket; its new version.
    /// # Errors
    /// `NoSuchBucket`; `PreconditionFailed` where another version stands there than expected; `AccessDenied` where the bucket's public
    /// access block refuses policies that let everybody in.
    pub async fn put_bucket_policy(&self, new: NewBucketPolicy<'_>) -> Result<i64> {
        let records = self.canonical(new.audit);
        let (status, version): (String, Option<i64>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.bucket)
                    .bind(new.document)
                    .bind(new.is_public)
                    .bind(new.expected)
                    .bind(new.by)
                    .bind(&records)
            })
            .await
            .map_err(Failure::refusal)?;
        if status == "PublicPolicyBlocked" {
            return Err(Code::AccessDenied.into());
        }
        check(&status)?;
        version.ok_or_else(|| Error::internal("put_bucket_policy answered without a version"))
    }
}
