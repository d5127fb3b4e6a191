//! DeleteBucketTagging.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::TagSet;
use crate::error::Result;

pub(super) async fn delete_bucket_tagging(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketTaggingInput>,
) -> Result<S3Response<dto::DeleteBucketTaggingOutput>> {
    configuration::delete::<TagSet>(app, permit, &request.input.bucket).await?;
    Ok(S3Response::new(dto::DeleteBucketTaggingOutput {}))
}
