//! GetBucketLocation.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

/// The region that S3 answers with nothing, for historical reasons.
const FIRST_REGION: &str = "us-east-1";

pub(super) async fn get_bucket_location(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketLocationInput>,
) -> Result<S3Response<dto::GetBucketLocationOutput>> {
    let region = app.index.bucket(&request.input.bucket).await?.region;
    let location_constraint = (region != FIRST_REGION).then(|| dto::BucketLocationConstraint::from(region));
    Ok(S3Response::new(dto::GetBucketLocationOutput { location_constraint }))
}
