//! DeleteBucketLifecycle.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Lifecycle;
use crate::error::Result;

pub(super) async fn delete_bucket_lifecycle(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketLifecycleInput>,
) -> Result<S3Response<dto::DeleteBucketLifecycleOutput>> {
    configuration::delete::<Lifecycle>(app, permit, &request.input.bucket).await?;
    Ok(S3Response::new(dto::DeleteBucketLifecycleOutput {}))
}
