//! GetObjectTagging.

use s3s::{S3Request, S3Response, dto};

use super::{tags, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_object_tagging(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectTaggingInput>,
) -> Result<S3Response<dto::GetObjectTaggingOutput>> {
    let input = &request.input;
    let object = app.index.version(&input.bucket, &input.key, input.version_id.as_deref()).await?;
    let version_id = version_id::told(object.version_id());
    Ok(S3Response::new(dto::GetObjectTaggingOutput { tag_set: tags::document(object.head.tags), version_id }))
}
