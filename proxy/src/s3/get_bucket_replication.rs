//! GetBucketReplication: no bucket is copied elsewhere.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_replication(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketReplicationInput>,
) -> Result<S3Response<dto::GetBucketReplicationOutput>> {
    configuration::none(app, &request.input.bucket, Code::ReplicationConfigurationNotFound).await
}
