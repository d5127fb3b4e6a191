//! ListBucketInventoryConfigurations: no bucket has any inventory report.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn list_bucket_inventory_configurations(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListBucketInventoryConfigurationsInput>,
) -> Result<S3Response<dto::ListBucketInventoryConfigurationsOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::ListBucketInventoryConfigurationsOutput {
        is_truncated: Some(false),
        ..Default::default()
    }))
}
