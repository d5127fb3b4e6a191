//! GetObjectLockConfiguration.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::{DefaultRetention, RetentionPeriod};

pub(super) async fn get_object_lock_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectLockConfigurationInput>,
) -> Result<S3Response<dto::GetObjectLockConfigurationOutput>> {
    let bucket = &request.input.bucket;
    let Some(retention) = app.index.object_lock(bucket).await? else {
        return Err(configuration::missing(Code::ObjectLockConfigurationNotFound, bucket));
    };
    let configuration = dto::ObjectLockConfiguration {
        object_lock_enabled: Some(dto::ObjectLockEnabled::from_static(dto::ObjectLockEnabled::ENABLED)),
        rule: retention.map(|retention| dto::ObjectLockRule { default_retention: Some(written(retention)) }),
    };
    Ok(S3Response::new(dto::GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) }))
}

fn written(retention: DefaultRetention) -> dto::DefaultRetention {
    let (days, years) = match retention.period {
        RetentionPeriod::Days(days) => (Some(days), None),
        RetentionPeriod::Years(years) => (None, Some(years)),
    };
    let mode = dto::ObjectLockRetentionMode::from_static(retention.mode.as_str());
    dto::DefaultRetention { days, mode: Some(mode), years }
}
