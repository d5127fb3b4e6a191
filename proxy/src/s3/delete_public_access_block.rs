//! DeletePublicAccessBlock.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::PublicAccessBlock;
use crate::error::Result;

pub(super) async fn delete_public_access_block(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeletePublicAccessBlockInput>,
) -> Result<S3Response<dto::DeletePublicAccessBlockOutput>> {
    configuration::delete::<PublicAccessBlock>(app, permit, &request.input.bucket).await?;
    Ok(S3Response::new(dto::DeletePublicAccessBlockOutput {}))
}
