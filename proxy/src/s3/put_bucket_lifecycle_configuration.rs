//! PutBucketLifecycleConfiguration: replaces all rules of the bucket.

use s3s::{S3Request, S3Response, dto};

use super::{configuration, lifecycle};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};

pub(super) async fn put_bucket_lifecycle_configuration(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketLifecycleConfigurationInput>,
) -> Result<S3Response<dto::PutBucketLifecycleConfigurationOutput>> {
    let input = request.input;
    let minimum = input.transition_default_minimum_object_size;
    if minimum.as_ref().is_some_and(|minimum| !lifecycle::MINIMUM_SIZES.contains(&minimum.as_str())) {
        let text = "The value of x-amz-transition-default-minimum-object-size is not valid.";
        return Err(Error::new(Code::InvalidRequest, text));
    }
    let rules = lifecycle::of_document(input.lifecycle_configuration.ok_or(Code::MalformedXml)?)?;
    configuration::put(app, permit, &input.bucket, &rules).await?;
    // Nothing moves between storage classes, so that it is taken and not kept.
    let transition_default_minimum_object_size = minimum.or_else(|| Some(lifecycle::minimum_size()));
    Ok(S3Response::new(dto::PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size }))
}
