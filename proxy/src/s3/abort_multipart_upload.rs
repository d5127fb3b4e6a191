//! AbortMultipartUpload.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn abort_multipart_upload(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::AbortMultipartUploadInput>,
) -> Result<S3Response<dto::AbortMultipartUploadOutput>> {
    let input = &request.input;
    let (grace, record) = (app.config.blobs.sweep_grace, permit.record());
    app.index.abort_upload(&input.bucket, &input.key, &input.upload_id, grace, record.as_slice()).await?;
    Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
}
