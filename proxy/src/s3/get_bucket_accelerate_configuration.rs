//! GetBucketAccelerateConfiguration: never set, which S3 answers with an empty document.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_bucket_accelerate_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketAccelerateConfigurationInput>,
) -> Result<S3Response<dto::GetBucketAccelerateConfigurationOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::GetBucketAccelerateConfigurationOutput::default()))
}
