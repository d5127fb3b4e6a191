//! PutBucketLogging: no access log goes to a bucket; the audit log is what there is.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn put_bucket_logging(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketLoggingInput>,
) -> Result<S3Response<dto::PutBucketLoggingOutput>> {
    let input = &request.input;
    if input.bucket_logging_status.logging_enabled.is_some() {
        let text = "Access logs in buckets are not implemented: the audit log has every request.";
        return Err(configuration::not_implemented(text));
    }
    configuration::unchanged(app, permit, &input.bucket).await?;
    Ok(S3Response::new(dto::PutBucketLoggingOutput {}))
}
