//! PutObjectTagging: replaces all tags of an object. Policies may ask which: so it is decided once the document has been read.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::{owner, tags, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn put_object_tagging(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutObjectTaggingInput>,
) -> Result<S3Response<dto::PutObjectTaggingOutput>> {
    let S3Request { input: dto::PutObjectTaggingInput { bucket, key, tagging, version_id, .. }, headers, .. } = request;
    let tags = tags::of_document(tagging)?;
    let conditions = permit.caller().conditions().clone().giving(tags.clone());
    let caller = permit.caller().clone().with_conditions(conditions);
    let action = version_id::action_on(version_id.as_deref(), Action::PutObjectTagging);
    let allowed = authorize(app, &caller, action, Resource::object(&*bucket, &*key)).await?;
    owner::check(app, &headers, owner::OF_BUCKET, &bucket).await?;
    let (by, record) = (allowed.principal().to_string(), allowed.record());
    let version = (bucket.as_str(), key.as_str(), version_id.as_deref());
    let version_id = app.index.put_object_tags(version, &tags, &by, record.as_slice()).await?;
    Ok(S3Response::new(dto::PutObjectTaggingOutput { version_id }))
}
