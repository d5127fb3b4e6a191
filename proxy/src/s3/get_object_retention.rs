//! GetObjectRetention.

use s3s::{S3Request, S3Response, dto};

use super::{configuration, headers};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_object_retention(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectRetentionInput>,
) -> Result<S3Response<dto::GetObjectRetentionOutput>> {
    let input = &request.input;
    let object = app.index.version(&input.bucket, &input.key, input.version_id.as_deref()).await?;
    configuration::expect_object_lock(app, &input.bucket).await?;
    let retention = object.head.retention.ok_or(Code::NoSuchObjectLockConfiguration)?;
    let retention = dto::ObjectLockRetention {
        mode: Some(dto::ObjectLockRetentionMode::from_static(retention.mode.as_str())),
        retain_until_date: Some(headers::timestamp(retention.until)),
    };
    Ok(S3Response::new(dto::GetObjectRetentionOutput { retention: Some(retention) }))
}
