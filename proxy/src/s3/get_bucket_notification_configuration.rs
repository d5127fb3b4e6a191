//! GetBucketNotificationConfiguration: an empty document where nobody is told.

use s3s::{S3Request, S3Response, dto};

use super::{configuration, notification};
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Notification;
use crate::error::Result;

pub(super) async fn get_bucket_notification_configuration(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketNotificationConfigurationInput>,
) -> Result<S3Response<dto::GetBucketNotificationConfigurationOutput>> {
    let stored = configuration::stored::<Notification>(app, &request.input.bucket).await?;
    Ok(S3Response::new(notification::shown(stored.unwrap_or_default())))
}
