//! GetBucketPolicyStatus: whether the bucket's policy lets everybody in.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Kind, Policy};

use super::get_bucket_policy::stored;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Error, Result};

pub(super) async fn get_bucket_policy_status(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketPolicyStatusInput>,
) -> Result<S3Response<dto::GetBucketPolicyStatusOutput>> {
    let document = stored(app, &request.input.bucket).await?;
    let policy = Policy::parse_stored(Kind::Bucket, "bucket", &document).map_err(Error::internal)?;
    let policy_status = dto::PolicyStatus { is_public: Some(policy.is_public()) };
    Ok(S3Response::new(dto::GetBucketPolicyStatusOutput { policy_status: Some(policy_status) }))
}
