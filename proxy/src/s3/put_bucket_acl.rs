//! PutBucketAcl: only what says that the owner may do everything is taken.

use s3s::{S3Request, S3Response, dto};

use super::{acl, configuration};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn put_bucket_acl(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketAclInput>,
) -> Result<S3Response<dto::PutBucketAclOutput>> {
    let input = &request.input;
    let bucket = app.index.bucket(&input.bucket).await?;
    let canned = input.acl.as_ref().map(dto::BucketCannedACL::as_str);
    acl::check(&request.headers, canned, input.access_control_policy.as_ref(), &bucket.owner)?;
    configuration::unchanged(app, permit, &input.bucket).await?;
    Ok(S3Response::new(dto::PutBucketAclOutput {}))
}
