//! DeleteBucketPolicy; a bucket without one is answered alike, as S3 does.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::DocumentKind;

pub(super) async fn delete_bucket_policy(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketPolicyInput>,
) -> Result<S3Response<dto::DeleteBucketPolicyOutput>> {
    let bucket = &request.input.bucket;
    let by = permit.principal().to_string();
    let deleted =
        app.index.delete_policy_document(DocumentKind::Bucket, bucket, None, &by, permit.record().as_slice()).await;
    match deleted {
        Err(error) if error.code() == Code::NoSuchEntity => drop(app.index.bucket(bucket).await?),
        other => other?,
    }
    app.authority.policies().refresh(&app.index).await?;
    Ok(S3Response::new(dto::DeleteBucketPolicyOutput {}))
}
