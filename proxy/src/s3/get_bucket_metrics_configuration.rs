//! GetBucketMetricsConfiguration: no bucket has any metrics of its own.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_metrics_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketMetricsConfigurationInput>,
) -> Result<S3Response<dto::GetBucketMetricsConfigurationOutput>> {
    configuration::none(app, &request.input.bucket, Code::NoSuchConfiguration).await
}
