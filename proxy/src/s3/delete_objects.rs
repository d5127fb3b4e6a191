//! DeleteObjects: up to 1,000 keys, each with an answer of its own.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Principal, Resource};

use super::access::{Caller, authorize};
use super::dispatch::extension;
use super::names;
use crate::app::App;
use crate::audit::{Kind, Record};
use crate::authz::Permit;
use crate::error::{Code, Error, Result};

/// The most keys in one request.
const MAX_KEYS: usize = 1_000;

pub(super) async fn delete_objects(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectsInput>,
) -> Result<S3Response<dto::DeleteObjectsOutput>> {
    let Caller(principal) = extension(&request)?;
    let dto::DeleteObjectsInput { bucket, delete, .. } = request.input;
    if delete.objects.is_empty() || delete.objects.len() > MAX_KEYS {
        return Err(Code::MalformedXml.into());
    }
    let mut keys = Vec::with_capacity(delete.objects.len());
    let mut errors = Vec::new();
    for object in delete.objects {
        match check(&principal, &bucket, &object) {
            Ok(()) => keys.push(object.key),
            Err(error) => errors.push(refusal(&error, object)),
        }
    }
    let records = records(permit, &bucket, &keys);
    app.index.delete_objects(&bucket, &keys, app.config.blobs.sweep_grace, &records).await?;
    let quiet = delete.quiet.unwrap_or(false);
    let deleted = keys.into_iter().map(|key| dto::DeletedObject { key: Some(key), ..Default::default() });
    Ok(S3Response::new(dto::DeleteObjectsOutput {
        deleted: (!quiet).then(|| deleted.collect()),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}

/// One record a key: each is decided on its own.
fn records(permit: &Permit, bucket: &str, keys: &[String]) -> Vec<Record> {
    let of_key = |key: &String| {
        let object = Resource::object(bucket, &**key);
        let record = permit.trail().record(Kind::Operation, permit.principal(), Action::DeleteObject, &object)?;
        Some(record.answered(200, None))
    };
    keys.iter().filter_map(of_key).collect()
}

fn check(principal: &Principal, bucket: &str, object: &dto::ObjectIdentifier) -> Result<()> {
    names::check_key(&object.key)?;
    if object.version_id.as_deref().is_some_and(|version| !matches!(version, "null" | "")) {
        return Err(Error::new(Code::NotImplemented, "Versions are not implemented."));
    }
    if object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some() {
        return Err(Error::new(Code::NotImplemented, "Conditional deletes are not implemented."));
    }
    authorize(principal, Action::DeleteObject, Resource::object(bucket, &*object.key)).map(drop)
}

fn refusal(error: &Error, object: dto::ObjectIdentifier) -> dto::Error {
    dto::Error {
        code: Some(error.row().s3.to_owned()),
        key: Some(object.key),
        message: Some(error.message().to_owned()),
        version_id: object.version_id,
    }
}
