//! DeleteBucketLifecycle: there is none, and S3 answers as if it had been removed.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn delete_bucket_lifecycle(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketLifecycleInput>,
) -> Result<S3Response<dto::DeleteBucketLifecycleOutput>> {
    configuration::unchanged(app, permit, &request.input.bucket).await?;
    Ok(S3Response::new(dto::DeleteBucketLifecycleOutput {}))
}
