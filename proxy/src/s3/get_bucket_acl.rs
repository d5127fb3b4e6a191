//! GetBucketAcl: what the bucket's list says; where lists count for nothing, that the owner may do everything.

use s3s::{S3Request, S3Response, dto};
use zas_policy::AccessControlList;

use super::acl;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_bucket_acl(
    app: &App,
    permit: &Permit,
    _request: S3Request<dto::GetBucketAclInput>,
) -> Result<S3Response<dto::GetBucketAclOutput>> {
    let lists = acl::lists_of(app, permit, None).await?;
    let list = if lists.ownership.has_lists() { lists.bucket } else { AccessControlList::private(lists.bucket.owner) };
    let (owner, grants) = acl::document(&list);
    Ok(S3Response::new(dto::GetBucketAclOutput { grants: Some(grants), owner: Some(owner) }))
}
