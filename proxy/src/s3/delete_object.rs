//! DeleteObject.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn delete_object(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectInput>,
) -> Result<S3Response<dto::DeleteObjectOutput>> {
    let input = &request.input;
    // What was not there is deleted now: S3 answers 204 either way.
    let (grace, record) = (app.config.blobs.sweep_grace, permit.record());
    app.index.delete_object(&input.bucket, &input.key, grace, record.as_slice()).await?;
    Ok(S3Response::new(dto::DeleteObjectOutput::default()))
}
