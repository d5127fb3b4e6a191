//! GetObjectAcl: what the object's list says; where lists count for nothing the owner of the bucket owns it, and may do everything.

use s3s::{S3Request, S3Response, dto};
use zas_policy::AccessControlList;

use super::acl;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_object_acl(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::GetObjectAclInput>,
) -> Result<S3Response<dto::GetObjectAclOutput>> {
    let version = request.input.version_id.as_deref();
    let lists = acl::lists_of(app, permit, version).await?;
    let Some(object) = lists.object else {
        return Err(acl::none_of(app, &request.input.bucket, &request.input.key, version).await);
    };
    let list = if lists.ownership.has_lists() { object.list } else { AccessControlList::private(lists.bucket.owner) };
    let (owner, grants) = acl::document(&list);
    Ok(S3Response::new(dto::GetObjectAclOutput { grants: Some(grants), owner: Some(owner), request_charged: None }))
}
