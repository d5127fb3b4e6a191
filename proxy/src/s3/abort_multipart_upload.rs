//! AbortMultipartUpload.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn abort_multipart_upload(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::AbortMultipartUploadInput>,
) -> Result<S3Response<dto::AbortMultipartUploadOutput>> {
    let input = &request.input;
    app.index.abort_upload(&input.bucket, &input.key, &input.upload_id, app.config.blobs.sweep_grace).await?;
    Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
}
