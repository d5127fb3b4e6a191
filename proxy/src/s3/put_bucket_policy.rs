//! PutBucketPolicy: checks the document, and keeps it as it was sent.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Kind, Policy};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::PublicAccessBlock;
use crate::error::{Code, Error, Result};
use crate::index::NewBucketPolicy;

/// Why a policy is refused that lets everybody in.
const BLOCKED: &str = "Access Denied: public policies are prevented by the BlockPublicPolicy setting of the bucket.";

pub(super) async fn put_bucket_policy(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketPolicyInput>,
) -> Result<S3Response<dto::PutBucketPolicyOutput>> {
    let dto::PutBucketPolicyInput { bucket, policy, .. } = &request.input;
    let parsed = parse(bucket, policy)?;
    put_policy(app, permit, bucket, policy, parsed.is_public(), None).await?;
    Ok(S3Response::new(dto::PutBucketPolicyOutput {}))
}

/// Puts a policy that was checked; its version. `expected` as the index has it.
///
/// # Errors
/// `NoSuchBucket`, `PreconditionFailed`; `AccessDenied`, which is on record, where the bucket's public access block refuses it.
pub(crate) async fn put_policy(
    app: &App,
    permit: &Permit,
    bucket: &str,
    document: &str,
    is_public: bool,
    expected: Option<i64>,
) -> Result<i64> {
    let (by, record) = (permit.principal().to_string(), permit.record());
    let new = NewBucketPolicy { bucket, document, is_public, expected, by: &by, audit: record.as_slice() };
    let version = match app.index.put_bucket_policy(new).await {
        Err(error) if error.code() == Code::AccessDenied => return Err(app.authority.refuse(permit, BLOCKED).await),
        version => version?,
    };
    // This replica at least decides by it from now on; the others are told.
    app.authority.policies().refresh(&app.index).await?;
    Ok(version)
}

/// Refuses a policy that lets everybody in where the bucket's public access block would; for one that is only tried.
///
/// # Errors
/// `NoSuchBucket`; `AccessDenied`, which is on record.
pub(crate) async fn refuse_public(app: &App, permit: &Permit, bucket: &str) -> Result<()> {
    let block = configuration::stored::<PublicAccessBlock>(app, bucket).await?.unwrap_or_default();
    if block.block_public_policy { Err(app.authority.refuse(permit, BLOCKED).await) } else { Ok(()) }
}

/// Reads what shall be the policy of a bucket.
///
/// # Errors
/// `MalformedPolicy`, naming line, column and field.
fn parse(bucket: &str, document: &str) -> Result<Policy> {
    let policy = Policy::parse(Kind::Bucket, "bucket", document)
        .map_err(|error| Error::new(Code::MalformedPolicy, error.to_string()))?;
    check_reach(&policy, bucket)?;
    Ok(policy)
}

/// Whether the policy of a bucket is about that bucket alone.
///
/// # Errors
/// `MalformedPolicy`, naming the statement that is not.
pub(crate) fn check_reach(policy: &Policy, bucket: &str) -> Result<()> {
    match policy.reaches_beyond(bucket) {
        Some(statement) => {
            let text =
                format!("Policy has invalid resource: the statement {statement} reaches beyond the bucket {bucket}.");
            Err(Error::new(Code::MalformedPolicy, text))
        }
        None => Ok(()),
    }
}
