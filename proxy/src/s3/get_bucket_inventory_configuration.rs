//! GetBucketInventoryConfiguration: no bucket has any inventory report.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_inventory_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketInventoryConfigurationInput>,
) -> Result<S3Response<dto::GetBucketInventoryConfigurationOutput>> {
    configuration::none(app, &request.input.bucket, Code::NoSuchConfiguration).await
}
