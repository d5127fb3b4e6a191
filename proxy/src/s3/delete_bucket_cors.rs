//! DeleteBucketCors.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Cors;
use crate::error::Result;

pub(super) async fn delete_bucket_cors(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketCorsInput>,
) -> Result<S3Response<dto::DeleteBucketCorsOutput>> {
    configuration::delete::<Cors>(app, permit, &request.input.bucket).await?;
    Ok(S3Response::new(dto::DeleteBucketCorsOutput {}))
}
