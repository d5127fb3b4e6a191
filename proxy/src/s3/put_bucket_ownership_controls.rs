//! PutBucketOwnershipControls: who owns the objects, and with it whether access control lists count.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::{ObjectOwnership, OwnershipControls};
use crate::error::{Code, Result};

pub(super) async fn put_bucket_ownership_controls(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketOwnershipControlsInput>,
) -> Result<S3Response<dto::PutBucketOwnershipControlsOutput>> {
    let input = &request.input;
    let [rule] = input.ownership_controls.rules.as_slice() else { return Err(Code::MalformedXml.into()) };
    let ownership = ObjectOwnership::parse(rule.object_ownership.as_str()).ok_or(Code::MalformedXml)?;
    let (by, record) = (permit.principal().to_string(), permit.record());
    app.index.put_object_ownership(&input.bucket, ownership, &by, record.as_slice()).await?;
    configuration::know::<OwnershipControls>(app).await?;
    Ok(S3Response::new(dto::PutBucketOwnershipControlsOutput {}))
}
