//! DeleteObjects: up to 1,000 keys, each with an answer of its own.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::{gate, names, owner};
use crate::app::App;
use crate::audit::Record;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::Deletion;

/// The most keys in one request.
const MAX_KEYS: usize = 1_000;

pub(super) async fn delete_objects(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::DeleteObjectsInput>,
) -> Result<S3Response<dto::DeleteObjectsOutput>> {
    let S3Request { input: dto::DeleteObjectsInput { bucket, delete, .. }, headers, .. } = request;
    if delete.objects.is_empty() || delete.objects.len() > MAX_KEYS {
        return Err(Code::MalformedXml.into());
    }
    let mut wanted = Vec::with_capacity(delete.objects.len());
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for object in delete.objects {
        match check(app, permit, &bucket, &object).await {
            Ok(record) => {
                records.extend(record);
                wanted.push(object);
            }
            Err(error) => errors.push(refusal(&error, object)),
        }
    }
    // Who may delete none of them is not told either whether the bucket is there.
    if !wanted.is_empty() {
        owner::check(app, &headers, owner::OF_BUCKET, &bucket).await?;
    }
    let mut deleted = Vec::with_capacity(wanted.len());
    for (object, outcome) in wanted.iter().zip(remove(app, &bucket, &wanted, &records).await?) {
        match outcome {
            Ok(()) => deleted.push(dto::DeletedObject { key: Some(object.key.clone()), ..Default::default() }),
            Err(error) => errors.push(refusal(&error, object.clone())),
        }
    }
    let quiet = delete.quiet.unwrap_or(false);
    Ok(S3Response::new(dto::DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}

/// Deletes them in one transaction; what became of each, in their order.
async fn remove(
    app: &App,
    bucket: &str,
    wanted: &[dto::ObjectIdentifier],
    records: &[Record],
) -> Result<Vec<Result<()>>> {
    let grace = app.config.blobs.sweep_grace;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if wanted.iter().all(|object| object.e_tag.is_none()) {
        let keys: Vec<String> = wanted.iter().map(|object| object.key.clone()).collect();
        app.index.delete_objects(bucket, &keys, grace, records).await?;
        return Ok(keys.iter().map(|_| Ok(())).collect());
    }
    let deletions: Vec<_> = wanted
        .iter()
        .map(|object| Deletion { key: &object.key, etag: object.e_tag.as_ref().map(dto::ETag::value) })
        .collect();
    let outcomes = app.index.delete_objects_if(bucket, &deletions, grace, records).await?;
    Ok(outcomes.into_iter().map(|outcome| outcome.map(drop)).collect())
}

/// Each key is decided on its own, and has a record of its own.
async fn check(app: &App, permit: &Permit, bucket: &str, object: &dto::ObjectIdentifier) -> Result<Option<Record>> {
    names::check_key(&object.key)?;
    if object.version_id.as_deref().is_some_and(|version| !matches!(version, "null" | "")) {
        return Err(Error::new(Code::NotImplemented, "Versions are not implemented."));
    }
    if object.last_modified_time.is_some() || object.size.is_some() {
        let text = "A delete takes an ETag as its condition; LastModifiedTime and Size are for directory buckets only.";
        return Err(Error::new(Code::NotImplemented, text));
    }
    let resource = Resource::object(bucket, &*object.key);
    let allowed = authorize(app, permit.caller(), Action::DeleteObject, resource).await?;
    let etag = object.e_tag.as_ref();
    let allowed = gate::compare(app, allowed, bucket, &object.key, etag.map(dto::ETag::value)).await?;
    // A weak tag says of nothing that it is the same bytes.
    if matches!(etag, Some(dto::ETag::Weak(_))) {
        return Err(Code::PreconditionFailed.into());
    }
    Ok(allowed.record())
}

fn refusal(error: &Error, object: dto::ObjectIdentifier) -> dto::Error {
    dto::Error {
        code: Some(error.row().s3.to_owned()),
        key: Some(object.key),
        message: Some(error.message().to_owned()),
        version_id: object.version_id,
    }
}
