//! GetBucketWebsite: no bucket is a web site here.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_website(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketWebsiteInput>,
) -> Result<S3Response<dto::GetBucketWebsiteOutput>> {
    configuration::none(app, &request.input.bucket, Code::NoSuchWebsiteConfiguration).await
}
