//! DeleteBucketEncryption: what is encrypted stays so; the bucket has the rule of the storage again.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Encryption;
use crate::error::Result;

pub(super) async fn delete_bucket_encryption(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketEncryptionInput>,
) -> Result<S3Response<dto::DeleteBucketEncryptionOutput>> {
    configuration::delete::<Encryption>(app, permit, &request.input.bucket).await?;
    Ok(S3Response::new(dto::DeleteBucketEncryptionOutput {}))
}
