//! PutBucketPolicy: checks the document, and keeps it as it was sent.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Kind, Policy};

use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{DocumentKind, NewDocument};

pub(super) async fn put_bucket_policy(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketPolicyInput>,
) -> Result<S3Response<dto::PutBucketPolicyOutput>> {
    let dto::PutBucketPolicyInput { bucket, policy, .. } = &request.input;
    check(bucket, policy)?;
    let by = permit.principal().to_string();
    let record = permit.record();
    let new = NewDocument {
        kind: DocumentKind::Bucket,
        name: bucket,
        document: policy,
        description: "",
        max_session: None,
        expected: None,
        by: &by,
        audit: record.as_slice(),
    };
    app.index.put_policy_document(new).await?;
    // This replica at least decides by it from now on; the others are told.
    app.authority.policies().refresh(&app.index).await?;
    Ok(S3Response::new(dto::PutBucketPolicyOutput {}))
}

/// Whether a document can be the policy of a bucket.
///
/// # Errors
/// `MalformedPolicy`, naming line, column and field.
fn check(bucket: &str, document: &str) -> Result<()> {
    let policy = Policy::parse(Kind::Bucket, "bucket", document)
        .map_err(|error| Error::new(Code::MalformedPolicy, error.to_string()))?;
    check_reach(&policy, bucket)
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
