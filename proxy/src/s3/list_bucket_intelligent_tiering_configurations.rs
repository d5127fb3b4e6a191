//! ListBucketIntelligentTieringConfigurations: no bucket has any tiering.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn list_bucket_intelligent_tiering_configurations(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListBucketIntelligentTieringConfigurationsInput>,
) -> Result<S3Response<dto::ListBucketIntelligentTieringConfigurationsOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::ListBucketIntelligentTieringConfigurationsOutput {
        is_truncated: Some(false),
        ..Default::default()
    }))
}
