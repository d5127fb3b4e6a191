//! DeleteBucketOwnershipControls: what was removed is not answered any more, and the owner owns everything: lists count for nothing.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::OwnershipControls;
use crate::error::Result;

pub(super) async fn delete_bucket_ownership_controls(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketOwnershipControlsInput>,
) -> Result<S3Response<dto::DeleteBucketOwnershipControlsOutput>> {
    let removed = OwnershipControls { object_ownership: None };
    configuration::put(app, permit, &request.input.bucket, &removed).await?;
    Ok(S3Response::new(dto::DeleteBucketOwnershipControlsOutput {}))
}
