//! GetBucketLifecycleConfiguration: nothing expires here.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_lifecycle_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketLifecycleConfigurationInput>,
) -> Result<S3Response<dto::GetBucketLifecycleConfigurationOutput>> {
    configuration::none(app, &request.input.bucket, Code::NoSuchLifecycleConfiguration).await
}
