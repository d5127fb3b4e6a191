//! GetBucketAcl: the owner may do everything, which is all that an ACL says here.

use s3s::{S3Request, S3Response, dto};

use super::acl;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_bucket_acl(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketAclInput>,
) -> Result<S3Response<dto::GetBucketAclOutput>> {
    let bucket = app.index.bucket(&request.input.bucket).await?;
    let (owner, grants) = acl::of_owner(&bucket.owner);
    Ok(S3Response::new(dto::GetBucketAclOutput { grants: Some(grants), owner: Some(owner) }))
}
