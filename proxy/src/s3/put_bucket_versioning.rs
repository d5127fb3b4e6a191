//! PutBucketVersioning: a bucket keeps versions from now on, or no more.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::Versioning;

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
    let versioning = match new.status.as_ref().map(dto::BucketVersioningStatus::as_str) {
        Some(dto::BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(dto::BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        Some(_) => return Err(Code::MalformedXml.into()),
        None => return Err(Code::IllegalVersioningConfiguration.into()),
    };
    app.index.put_bucket_versioning(&input.bucket, versioning, permit.record().as_slice()).await?;
    Ok(S3Response::new(dto::PutBucketVersioningOutput {}))
}
