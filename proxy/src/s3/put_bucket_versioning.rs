//! PutBucketVersioning: versions are not kept; a bucket that never kept any may say that it keeps none.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn put_bucket_versioning(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketVersioningInput>,
) -> Result<S3Response<dto::PutBucketVersioningOutput>> {
    let input = &request.input;
    let new = &input.versioning_configuration;
    if new.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == dto::MFADelete::ENABLED) {
        return Err(configuration::not_implemented("MFA delete is not implemented."));
    }
    match new.status.as_ref().map(dto::BucketVersioningStatus::as_str) {
        Some(dto::BucketVersioningStatus::SUSPENDED) => {
            app.index.suspend_versioning(&input.bucket, permit.record().as_slice()).await?;
        }
        Some(dto::BucketVersioningStatus::ENABLED) => {
            return Err(configuration::not_implemented("Versioning is not implemented."));
        }
        Some(_) => return Err(Code::MalformedXml.into()),
        None => return Err(Code::IllegalVersioningConfiguration.into()),
    }
    Ok(S3Response::new(dto::PutBucketVersioningOutput {}))
}
