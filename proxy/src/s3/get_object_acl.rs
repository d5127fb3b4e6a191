//! GetObjectAcl: the owner of the bucket owns its objects, and may do everything.

use s3s::{S3Request, S3Response, dto};

use super::acl;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_object_acl(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectAclInput>,
) -> Result<S3Response<dto::GetObjectAclOutput>> {
    let input = &request.input;
    let bucket = app.index.bucket(&input.bucket).await?;
    app.index.object(&input.bucket, &input.key).await?;
    let (owner, grants) = acl::of_owner(&bucket.owner);
    Ok(S3Response::new(dto::GetObjectAclOutput { grants: Some(grants), owner: Some(owner), request_charged: None }))
}
