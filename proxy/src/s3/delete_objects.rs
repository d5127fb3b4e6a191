//! DeleteObjects: up to 1,000 keys, each with an answer of its own.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::names;
use crate::app::App;
use crate::audit::Record;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};

/// The most keys in one request.
const MAX_KEYS: usize = 1_000;

pub(super) async fn delete_objects(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectsInput>,
) -> Result<S3Response<dto::DeleteObjectsOutput>> {
    let dto::DeleteObjectsInput { bucket, delete, .. } = request.input;
    if delete.objects.is_empty() || delete.objects.len() > MAX_KEYS {
        return Err(Code::MalformedXml.into());
    }
    let mut keys = Vec::with_capacity(delete.objects.len());
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for object in delete.objects {
        match check(app, permit, &bucket, &object).await {
            Ok(record) => {
                records.extend(record);
                keys.push(object.key);
            }
            Err(error) => errors.push(refusal(&error, object)),
        }
    }
    // Who may delete none of them is not told either whether the bucket is there.
    if !keys.is_empty() {
        app.index.delete_objects(&bucket, &keys, app.config.blobs.sweep_grace, &records).await?;
    }
    let quiet = delete.quiet.unwrap_or(false);
    let deleted = keys.into_iter().map(|key| dto::DeletedObject { key: Some(key), ..Default::default() });
    Ok(S3Response::new(dto::DeleteObjectsOutput {
        deleted: (!quiet).then(|| deleted.collect()),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}

/// Each key is decided on its own, and has a record of its own.
async fn check(app: &App, permit: &Permit, bucket: &str, object: &dto::ObjectIdentifier) -> Result<Option<Record>> {
    names::check_key(&object.key)?;
    if object.version_id.as_deref().is_some_and(|version| !matches!(version, "null" | "")) {
        return Err(Error::new(Code::NotImplemented, "Versions are not implemented."));
    }
    if object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some() {
        return Err(Error::new(Code::NotImplemented, "Conditional deletes are not implemented."));
    }
    let resource = Resource::object(bucket, &*object.key);
    Ok(authorize(app, permit.caller(), Action::DeleteObject, resource).await?.record())
}

fn refusal(error: &Error, object: dto::ObjectIdentifier) -> dto::Error {
    dto::Error {
        code: Some(error.row().s3.to_owned()),
        key: Some(object.key),
        message: Some(error.message().to_owned()),
        version_id: object.version_id,
    }
}
