//! PutBucketAccelerateConfiguration: transfers are not accelerated, and cannot be.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn put_bucket_accelerate_configuration(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketAccelerateConfigurationInput>,
) -> Result<S3Response<dto::PutBucketAccelerateConfigurationOutput>> {
    let input = &request.input;
    match input.accelerate_configuration.status.as_ref().map(dto::BucketAccelerateStatus::as_str) {
        Some(dto::BucketAccelerateStatus::SUSPENDED) => configuration::unchanged(app, permit, &input.bucket).await?,
        Some(dto::BucketAccelerateStatus::ENABLED) => {
            return Err(configuration::not_implemented("Transfer acceleration is not implemented."));
        }
        _ => return Err(Code::MalformedXml.into()),
    }
    Ok(S3Response::new(dto::PutBucketAccelerateConfigurationOutput {}))
}
