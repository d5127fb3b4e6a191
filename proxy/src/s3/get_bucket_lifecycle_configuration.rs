//! GetBucketLifecycleConfiguration.

use s3s::{S3Request, S3Response, dto};

use super::{configuration, lifecycle};
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Lifecycle;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_lifecycle_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketLifecycleConfigurationInput>,
) -> Result<S3Response<dto::GetBucketLifecycleConfigurationOutput>> {
    let bucket = &request.input.bucket;
    let stored = configuration::stored::<Lifecycle>(app, bucket).await?;
    let stored = stored.ok_or_else(|| configuration::missing(Code::NoSuchLifecycleConfiguration, bucket))?;
    Ok(S3Response::new(dto::GetBucketLifecycleConfigurationOutput {
        rules: Some(stored.rules.into_iter().map(lifecycle::shown).collect()),
        transition_default_minimum_object_size: Some(lifecycle::minimum_size()),
    }))
}
