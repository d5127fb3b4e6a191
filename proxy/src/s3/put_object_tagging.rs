//! PutObjectTagging: replaces all tags of an object. Policies may ask which: so it is decided once the document has been read.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::{owner, tags};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn put_object_tagging(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutObjectTaggingInput>,
) -> Result<S3Response<dto::PutObjectTaggingOutput>> {
    let S3Request { input: dto::PutObjectTaggingInput { bucket, key, tagging, .. }, headers, .. } = request;
    let tags = tags::of_document(tagging)?;
    let conditions = permit.caller().conditions().clone().giving(tags.clone());
    let caller = permit.caller().clone().with_conditions(conditions);
    let allowed = authorize(app, &caller, Action::PutObjectTagging, Resource::object(&*bucket, &*key)).await?;
    owner::check(app, &headers, owner::OF_BUCKET, &bucket).await?;
    let record = allowed.record();
    app.index.put_object_tags(&bucket, &key, &tags, record.as_slice()).await?;
    Ok(S3Response::new(dto::PutObjectTaggingOutput::default()))
}
