//! GetBucketVersioning: empty for a bucket that never kept versions, as S3 answers it.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::Versioning;

pub(super) async fn get_bucket_versioning(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketVersioningInput>,
) -> Result<S3Response<dto::GetBucketVersioningOutput>> {
    let versioning = app.index.bucket_versioning(&request.input.bucket).await?;
    let status = match versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(dto::BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(dto::BucketVersioningStatus::SUSPENDED),
    };
    let status = status.map(dto::BucketVersioningStatus::from_static);
    Ok(S3Response::new(dto::GetBucketVersioningOutput { status, ..Default::default() }))
}
