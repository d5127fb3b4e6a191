//! ListBucketAnalyticsConfigurations: no bucket has any storage analysis.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn list_bucket_analytics_configurations(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListBucketAnalyticsConfigurationsInput>,
) -> Result<S3Response<dto::ListBucketAnalyticsConfigurationsOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::ListBucketAnalyticsConfigurationsOutput {
        is_truncated: Some(false),
        ..Default::default()
    }))
}
