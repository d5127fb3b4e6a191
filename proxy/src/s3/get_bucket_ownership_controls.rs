//! GetBucketOwnershipControls: where nobody has said anything else the owner owns everything, as at S3.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::OwnershipControls;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_ownership_controls(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketOwnershipControlsInput>,
) -> Result<S3Response<dto::GetBucketOwnershipControlsOutput>> {
    let bucket = &request.input.bucket;
    let object_ownership = match configuration::stored::<OwnershipControls>(app, bucket).await? {
        Some(stored) => stored.object_ownership.map(dto::ObjectOwnership::from),
        None => Some(dto::ObjectOwnership::from_static(dto::ObjectOwnership::BUCKET_OWNER_ENFORCED)),
    };
    let missing = || configuration::missing(Code::OwnershipControlsNotFound, bucket);
    let rules = vec![dto::OwnershipControlsRule { object_ownership: object_ownership.ok_or_else(missing)? }];
    Ok(S3Response::new(dto::GetBucketOwnershipControlsOutput {
        ownership_controls: Some(dto::OwnershipControls { rules }),
    }))
}
