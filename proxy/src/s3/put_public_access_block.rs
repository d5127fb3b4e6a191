//! PutPublicAccessBlock: a policy that is there stays; what it lets in, `RestrictPublicBuckets` decides at once.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::PublicAccessBlock;
use crate::error::Result;

pub(super) async fn put_public_access_block(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutPublicAccessBlockInput>,
) -> Result<S3Response<dto::PutPublicAccessBlockOutput>> {
    let dto::PutPublicAccessBlockInput { bucket, public_access_block_configuration: new, .. } = &request.input;
    let block = PublicAccessBlock {
        block_public_acls: new.block_public_acls.unwrap_or_default(),
        ignore_public_acls: new.ignore_public_acls.unwrap_or_default(),
        block_public_policy: new.block_public_policy.unwrap_or_default(),
        restrict_public_buckets: new.restrict_public_buckets.unwrap_or_default(),
    };
    configuration::put(app, permit, bucket, &block).await?;
    Ok(S3Response::new(dto::PutPublicAccessBlockOutput {}))
}
