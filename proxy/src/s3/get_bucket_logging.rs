//! GetBucketLogging: no access log goes to a bucket, which S3 answers with an empty document.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_bucket_logging(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketLoggingInput>,
) -> Result<S3Response<dto::GetBucketLoggingOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::GetBucketLoggingOutput::default()))
}
