//! PutBucketNotificationConfiguration: nobody can be told yet, so that only an empty document is taken.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn put_bucket_notification_configuration(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketNotificationConfigurationInput>,
) -> Result<S3Response<dto::PutBucketNotificationConfigurationOutput>> {
    let input = &request.input;
    let new = &input.notification_configuration;
    let tells = new.event_bridge_configuration.is_some()
        || new.lambda_function_configurations.as_ref().is_some_and(|list| !list.is_empty())
        || new.queue_configurations.as_ref().is_some_and(|list| !list.is_empty())
        || new.topic_configurations.as_ref().is_some_and(|list| !list.is_empty());
    if tells {
        return Err(configuration::not_implemented("Event notifications are not implemented."));
    }
    configuration::unchanged(app, permit, &input.bucket).await?;
    Ok(S3Response::new(dto::PutBucketNotificationConfigurationOutput {}))
}
