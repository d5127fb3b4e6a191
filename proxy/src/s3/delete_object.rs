//! DeleteObject.

use s3s::{S3Request, S3Response, dto};

use super::{conditions, gate};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::Deletion;

pub(super) async fn delete_object(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectInput>,
) -> Result<S3Response<dto::DeleteObjectOutput>> {
    let dto::DeleteObjectInput { bucket, key, .. } = &request.input;
    let grace = app.config.blobs.sweep_grace;
    let etag = conditions::delete(&request.headers)?;
    if etag.is_some() {
        let record = gate::compare(app, permit.clone(), bucket, key, etag).await?.record();
        let wanted = [Deletion { key, etag }];
        let outcomes = app.index.delete_objects_if(bucket, &wanted, grace, record.as_slice()).await?;
        let refused = outcomes.into_iter().find_map(Result::err);
        match refused {
            Some(error) if error.code() == Code::PreconditionFailed => return Err(error.with("Condition", "If-Match")),
            Some(error) => return Err(error),
            None => {}
        }
    } else {
        // What was not there is deleted now: S3 answers 204 either way.
        app.index.delete_object(bucket, key, grace, permit.record().as_slice()).await?;
    }
    Ok(S3Response::new(dto::DeleteObjectOutput::default()))
}
