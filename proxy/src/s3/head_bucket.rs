//! HeadBucket.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn head_bucket(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::HeadBucketInput>,
) -> Result<S3Response<dto::HeadBucketOutput>> {
    let bucket = app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::HeadBucketOutput { bucket_region: Some(bucket.region), ..Default::default() }))
}
