//! GetObjectTagging.

use s3s::{S3Request, S3Response, dto};

use super::tags;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_object_tagging(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectTaggingInput>,
) -> Result<S3Response<dto::GetObjectTaggingOutput>> {
    let input = &request.input;
    let object = app.index.object(&input.bucket, &input.key).await?;
    Ok(S3Response::new(dto::GetObjectTaggingOutput { tag_set: tags::document(object.head.tags), ..Default::default() }))
}
