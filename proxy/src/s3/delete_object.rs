//! DeleteObject: what a key holds, or one of its versions for good.

use s3s::{S3Request, S3Response, dto};

use super::{conditions, gate, object_lock, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{DeleteBy, DeleteCause, Deletion};

pub(super) async fn delete_object(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectInput>,
) -> Result<S3Response<dto::DeleteObjectOutput>> {
    let dto::DeleteObjectInput { bucket, key, version_id, .. } = &request.input;
    let version = version_id.as_deref();
    let etag = conditions::delete(&request.headers)?;
    let mut permit = gate::compare(app, permit.clone(), bucket, key, etag).await?;
    let mut bypass = false;
    // Without a version nothing is removed that could be locked.
    if version.is_some() {
        (permit, bypass) = object_lock::bypass(app, permit, &request.headers).await?;
    }
    let owner = permit.principal().to_string();
    let by = DeleteBy { cause: DeleteCause::Request, owner: &owner, grace: app.config.blobs.sweep_grace };
    let wanted = [Deletion { version, etag, bypass, ..Deletion::of(key) }];
    let outcome = app.index.delete_versions(bucket, &wanted, by, permit.record().as_slice()).await?.pop();
    let outcome = outcome.unwrap_or_else(|| Err(Error::internal("a delete has no outcome")));
    // What was not there is deleted now: S3 answers 204 either way.
    let deleted = outcome.map_err(|error| match error.code() {
        Code::PreconditionFailed => error.with("Condition", "If-Match"),
        _ => error,
    })?;
    Ok(S3Response::new(dto::DeleteObjectOutput {
        delete_marker: deleted.delete_marker.then_some(true),
        version_id: version_id::told(deleted.version_id.as_deref()),
        ..Default::default()
    }))
}
