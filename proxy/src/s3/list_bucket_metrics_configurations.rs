//! ListBucketMetricsConfigurations: no bucket has any metrics of its own.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn list_bucket_metrics_configurations(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListBucketMetricsConfigurationsInput>,
) -> Result<S3Response<dto::ListBucketMetricsConfigurationsOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::ListBucketMetricsConfigurationsOutput { is_truncated: Some(false), ..Default::default() }))
}
