//! PutBucketEncryption: AES256 where the configuration says that the storage encrypts; nothing else can be promised.

use s3s::{S3Request, S3Response, dto};

use super::{configuration, encryption};
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Encryption;
use crate::error::{Code, Error, Result};

pub(super) async fn put_bucket_encryption(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketEncryptionInput>,
) -> Result<S3Response<dto::PutBucketEncryptionOutput>> {
    let input = &request.input;
    let rules = input.server_side_encryption_configuration.rules.as_slice();
    let [rule] = rules else { return Err(Code::MalformedXml.into()) };
    if let Some(by_default) = &rule.apply_server_side_encryption_by_default {
        encryption::check(by_default.sse_algorithm.as_str(), app.config.s3.encryption_at_rest)?;
        if by_default.kms_master_key_id.is_some() {
            let text = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
            return Err(Error::new(Code::InvalidArgument, text));
        }
    }
    let new = Encryption { bucket_key: rule.bucket_key_enabled };
    configuration::put(app, permit, &input.bucket, &new).await?;
    Ok(S3Response::new(dto::PutBucketEncryptionOutput {}))
}
