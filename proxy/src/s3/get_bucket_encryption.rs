//! GetBucketEncryption: AES256 where the configuration says that the storage encrypts, as every bucket of S3 has it.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Encryption;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_encryption(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketEncryptionInput>,
) -> Result<S3Response<dto::GetBucketEncryptionOutput>> {
    let bucket = &request.input.bucket;
    if !app.config.s3.encryption_at_rest {
        return configuration::none(app, bucket, Code::ServerSideEncryptionConfigurationNotFound).await;
    }
    let stored = configuration::stored::<Encryption>(app, bucket).await?.unwrap_or_default();
    let by_default = dto::ServerSideEncryptionByDefault {
        kms_master_key_id: None,
        sse_algorithm: dto::ServerSideEncryption::from_static(dto::ServerSideEncryption::AES256),
    };
    let rule = dto::ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: Some(stored.bucket_key.unwrap_or_default()),
    };
    let document = dto::ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(S3Response::new(dto::GetBucketEncryptionOutput { server_side_encryption_configuration: Some(document) }))
}
