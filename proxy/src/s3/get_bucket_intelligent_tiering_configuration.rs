//! GetBucketIntelligentTieringConfiguration: no bucket has any tiering.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_intelligent_tiering_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketIntelligentTieringConfigurationInput>,
) -> Result<S3Response<dto::GetBucketIntelligentTieringConfigurationOutput>> {
    configuration::none(app, &request.input.bucket, Code::NoSuchConfiguration).await
}
