//! PutBucketNotificationConfiguration: replaces all configurations of the bucket; an empty document removes them.
//!
//! As at AWS each target is told of it first, and takes it, unless the request says that it need not.

use s3s::{S3Request, S3Response, dto};

use super::notification;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Notification;
use crate::bucket_configuration::notification::{ARN, not_validated};
use crate::error::{Error, RequestId, Result};
use crate::index::NewNotification;

pub(super) async fn put_bucket_notification_configuration(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketNotificationConfigurationInput>,
) -> Result<S3Response<dto::PutBucketNotificationConfigurationOutput>> {
    let S3Request { input, extensions, .. } = request;
    let bucket = app.index.bucket(&input.bucket).await?;
    let new = notification::read(input.notification_configuration)?;
    new.check()?;
    if !input.skip_destination_validation.unwrap_or_default() {
        let request_id = extensions.get::<RequestId>().map_or_else(String::new, |id| id.as_str().to_owned());
        let tests = new.targets().into_iter().map(|name| test(app, name, &bucket.name, &bucket.region, &request_id));
        let failed = futures::future::try_join_all(tests).await?;
        refuse(&failed.into_iter().flatten().collect::<Vec<_>>())?;
    }
    let missing = put(app, permit, &bucket.name, &new).await?;
    refuse(&missing)?;
    Ok(S3Response::new(dto::PutBucketNotificationConfigurationOutput {}))
}

async fn put(app: &App, permit: &Permit, bucket: &str, new: &Notification) -> Result<Vec<String>> {
    let document = serde_json::to_value(new).map_err(Error::internal)?;
    let rules = serde_json::to_value(new.rules()).map_err(Error::internal)?;
    let (known, by, record) = (app.event_targets.configured(), permit.principal().to_string(), permit.record());
    let new = NewNotification {
        bucket,
        document: &document,
        rules: &rules,
        known: &known,
        by: &by,
        audit: record.as_slice(),
    };
    app.index.put_bucket_notification(new).await
}

/// The name of a target that is not there, or has not taken the test; one that is not enabled is told nothing.
async fn test(app: &App, name: &str, bucket: &str, region: &str, request_id: &str) -> Result<Option<String>> {
    let Some(target) = app.event_targets.find(name).await? else { return Ok(Some(name.to_owned())) };
    if !target.enabled {
        return Ok(None);
    }
    match target.test(bucket, region, request_id).await {
        Ok(()) => Ok(None),
        Err(error) => {
            tracing::warn!(webhook = name, bucket, "an event target does not take the test: {}", error.for_log());
            Ok(Some(name.to_owned()))
        }
    }
}

/// # Errors
/// `InvalidArgument` where there are any.
fn refuse(targets: &[String]) -> Result<()> {
    if targets.is_empty() {
        return Ok(());
    }
    let arns: Vec<String> = targets.iter().map(|name| format!("{ARN}{name}")).collect();
    Err(not_validated(&arns.iter().map(String::as_str).collect::<Vec<_>>()))
}
