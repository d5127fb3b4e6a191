//! GetBucketPolicy: the document as it was sent.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::DocumentKind;

pub(super) async fn get_bucket_policy(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketPolicyInput>,
) -> Result<S3Response<dto::GetBucketPolicyOutput>> {
    let policy = stored(app, &request.input.bucket).await?;
    Ok(S3Response::new(dto::GetBucketPolicyOutput { policy: Some(policy) }))
}

/// The document of a bucket that exists.
///
/// # Errors
/// `NoSuchBucket`, `NoSuchBucketPolicy`.
pub(super) async fn stored(app: &App, bucket: &str) -> Result<String> {
    match app.index.policy_document(DocumentKind::Bucket, bucket).await? {
        Some(found) => Ok(found.document),
        None => {
            app.index.bucket(bucket).await?;
            Err(Code::NoSuchBucketPolicy.into())
        }
    }
}
