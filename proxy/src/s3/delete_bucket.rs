//! DeleteBucket: an empty one, or with `x-zas-force-delete: true` one with all it holds.

use s3s::{S3Request, S3Response, dto};
use zas_policy::Action;

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

/// Objects and uploads that are deleted in one transaction.
const BATCH: u32 = 1_000;

pub(super) async fn delete_bucket(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketInput>,
) -> Result<S3Response<dto::DeleteBucketOutput>> {
    let name = &request.input.bucket;
    // The permit says which of the two rights was asked for, so that no header can claim what was not granted.
    if permit.action() == Action::ForceDeleteBucket {
        // A record for each batch: what went is on record even if the request dies on the way.
        let grace = app.config.blobs.sweep_grace;
        while app.index.empty_bucket(name, BATCH, grace, permit.record().as_slice()).await? > 0 {}
    }
    app.index.delete_bucket(name, permit.record().as_slice()).await?;
    Ok(S3Response::new(dto::DeleteBucketOutput {}))
}
