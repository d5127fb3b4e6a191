//! PutBucketOwnershipControls: the owner owns everything. Other ownerships need ACLs, which are not implemented.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::OwnershipControls;
use crate::error::{Code, Result};

pub(super) async fn put_bucket_ownership_controls(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketOwnershipControlsInput>,
) -> Result<S3Response<dto::PutBucketOwnershipControlsOutput>> {
    let input = &request.input;
    let [rule] = input.ownership_controls.rules.as_slice() else { return Err(Code::MalformedXml.into()) };
    match rule.object_ownership.as_str() {
        dto::ObjectOwnership::BUCKET_OWNER_ENFORCED => {}
        dto::ObjectOwnership::BUCKET_OWNER_PREFERRED | dto::ObjectOwnership::OBJECT_WRITER => {
            let text =
                "ACLs are not implemented: the one object ownership that a bucket can have is BucketOwnerEnforced.";
            return Err(configuration::not_implemented(text));
        }
        _ => return Err(Code::MalformedXml.into()),
    }
    let controls = OwnershipControls { object_ownership: Some(rule.object_ownership.as_str().to_owned()) };
    configuration::put(app, permit, &input.bucket, &controls).await?;
    Ok(S3Response::new(dto::PutBucketOwnershipControlsOutput {}))
}
