//! DeleteObjectTagging.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::Tags;

pub(super) async fn delete_object_tagging(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectTaggingInput>,
) -> Result<S3Response<dto::DeleteObjectTaggingOutput>> {
    let input = &request.input;
    let (by, record) = (permit.principal().to_string(), permit.record());
    let version = (input.bucket.as_str(), input.key.as_str(), input.version_id.as_deref());
    let version_id = app.index.put_object_tags(version, &Tags::new(), &by, record.as_slice()).await?;
    Ok(S3Response::new(dto::DeleteObjectTaggingOutput { version_id }))
}
