//! GetObjectLockConfiguration: no bucket locks objects.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_object_lock_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectLockConfigurationInput>,
) -> Result<S3Response<dto::GetObjectLockConfigurationOutput>> {
    configuration::none(app, &request.input.bucket, Code::ObjectLockConfigurationNotFound).await
}
