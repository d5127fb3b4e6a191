//! DeleteBucket: one without objects, or with `x-zas-force-delete: true` one with all it holds.
//!
//! An upload that is under way keeps no bucket, as at AWS, where uploads keep directory buckets alone (*DeleteBucket*).

use s3s::{S3Request, S3Response, dto};
use zas_policy::Action;

use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::Emptied;

/// Objects, or uploads, that are deleted in one transaction: each has a record of its own in it, as with DeleteObjects.
const BATCH: u32 = 1_000;

pub(super) async fn delete_bucket(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteBucketInput>,
) -> Result<S3Response<dto::DeleteBucketOutput>> {
    let name = &request.input.bucket;
    // The permit says which of the two rights was asked for, so that no header can claim what was not granted.
    let record = if permit.action() == Action::ForceDeleteBucket {
        let Emptied { objects, uploads, bytes } = empty(app, permit, name).await?;
        let note = format!("objects={objects} uploads={uploads} bytes={bytes}");
        permit.record().map(|record| record.noted_too(&note))
    } else {
        permit.record()
    };
    match app.index.delete_bucket(name, record.as_slice()).await {
        Err(error) if error.code() == Code::BucketNotEmpty => {
            let grace = app.config.blobs.sweep_grace;
            app.index.delete_bucket_and_uploads(name, grace, record.as_slice()).await?;
        }
        outcome => outcome?,
    }
    Ok(S3Response::new(dto::DeleteBucketOutput {}))
}

/// Takes away all that a bucket holds. What went is on record key by key, also where the request dies on the way.
async fn empty(app: &App, permit: &Permit, name: &str) -> Result<Emptied> {
    let (grace, by) = (app.config.blobs.sweep_grace, permit.principal().to_string());
    let mut gone = Emptied::default();
    loop {
        let batch = app.index.empty_bucket(name, BATCH, &by, grace, permit.record().as_slice()).await?;
        if batch.is_nothing() {
            return Ok(gone);
        }
        gone = gone.and(batch);
    }
}
