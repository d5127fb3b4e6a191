//! PutBucketAcl: replaces the bucket's list. Where lists count for nothing only what says that the owner may do everything is taken.

use s3s::{S3Request, S3Response, dto};

use super::acl::asked::On;
use super::{acl, configuration};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn put_bucket_acl(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketAclInput>,
) -> Result<S3Response<dto::PutBucketAclOutput>> {
    let (input, headers) = (request.input, &request.headers);
    let lists = app.index.lists(&input.bucket, None).await?;
    let owner = &lists.bucket.owner;
    if !lists.ownership.has_lists() {
        let canned = input.acl.as_ref().map(dto::BucketCannedACL::as_str);
        acl::check(headers, canned, input.access_control_policy.as_ref(), owner)?;
        configuration::unchanged(app, permit, &input.bucket).await?;
        return Ok(S3Response::new(dto::PutBucketAclOutput {}));
    }
    let list = acl::replacement(headers, input.access_control_policy, On::Bucket, owner, owner)?;
    match app.index.put_bucket_acl(&input.bucket, &list, permit.record().as_slice()).await {
        Err(error) if error.code() == Code::AccessDenied => Err(acl::blocked(app, permit).await),
        put => put.map(|()| S3Response::new(dto::PutBucketAclOutput {})),
    }
}
