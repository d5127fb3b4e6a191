//! PutObjectAcl: replaces the list of a version. Where lists count for nothing only what says that the owner may do everything is taken.

use s3s::{S3Request, S3Response, dto};

use super::acl::asked::On;
use super::{acl, configuration};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::{ListOf, Lists, NewObjectList};

pub(super) async fn put_object_acl(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutObjectAclInput>,
) -> Result<S3Response<dto::PutObjectAclOutput>> {
    let (input, headers) = (request.input, &request.headers);
    let version = input.version_id.as_deref();
    let object = ListOf { key: &input.key, version };
    let lists = app.index.lists(&input.bucket, Some(object)).await?;
    let Some(current) = lists.object else {
        return Err(acl::none_of(app, &input.bucket, &input.key, version).await);
    };
    let bucket_owner = &lists.bucket.owner;
    if !lists.ownership.has_lists() {
        let canned = input.acl.as_ref().map(dto::ObjectCannedACL::as_str);
        acl::check(headers, canned, input.access_control_policy.as_ref(), bucket_owner)?;
        configuration::unchanged(app, permit, &input.bucket).await?;
        return Ok(S3Response::new(dto::PutObjectAclOutput::default()));
    }
    let owner = &current.list.owner;
    let list = acl::replacement(headers, input.access_control_policy, On::Object, owner, bucket_owner)?;
    // The right may be of the one version whose list gave it; in any case it is the version whose owner stays.
    let given_by = permit.caller().lists_of(permit.resource()).and_then(Lists::object_id);
    let only_row = given_by.or(Some(current.id));
    let record = permit.record();
    let new = NewObjectList { bucket: &input.bucket, object, only_row, list: &list, audit: record.as_slice() };
    match app.index.put_object_acl(new).await {
        Err(error) if error.code() == Code::AccessDenied => Err(acl::blocked(app, permit).await),
        put => put.map(|()| S3Response::new(dto::PutObjectAclOutput::default())),
    }
}
