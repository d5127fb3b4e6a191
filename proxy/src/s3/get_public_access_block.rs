//! GetPublicAccessBlock.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::PublicAccessBlock;
use crate::error::{Code, Result};

pub(super) async fn get_public_access_block(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetPublicAccessBlockInput>,
) -> Result<S3Response<dto::GetPublicAccessBlockOutput>> {
    let bucket = &request.input.bucket;
    let stored = configuration::stored::<PublicAccessBlock>(app, bucket).await?;
    let block = stored.ok_or_else(|| configuration::missing(Code::NoSuchPublicAccessBlockConfiguration, bucket))?;
    let public_access_block_configuration = Some(dto::PublicAccessBlockConfiguration {
        block_public_acls: Some(block.block_public_acls),
        block_public_policy: Some(block.block_public_policy),
        ignore_public_acls: Some(block.ignore_public_acls),
        restrict_public_buckets: Some(block.restrict_public_buckets),
    });
    Ok(S3Response::new(dto::GetPublicAccessBlockOutput { public_access_block_configuration }))
}
