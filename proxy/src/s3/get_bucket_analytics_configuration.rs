//! GetBucketAnalyticsConfiguration: no bucket has any storage analysis.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_analytics_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketAnalyticsConfigurationInput>,
) -> Result<S3Response<dto::GetBucketAnalyticsConfigurationOutput>> {
    configuration::none(app, &request.input.bucket, Code::NoSuchConfiguration).await
}
