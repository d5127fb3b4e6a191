//! DeleteObjects: up to 1,000 keys or versions, each with an answer of its own.

use http::HeaderMap;
use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::{gate, names, object_lock, owner, version_id};
use crate::app::App;
use crate::audit::Record;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{DeleteBy, DeleteCause, Deleted, Deletion};

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
        match check(app, permit, &bucket, &object, &headers).await {
            Ok((record, bypass)) => {
                records.extend(record);
                wanted.push((object, bypass));
            }
            Err(error) => errors.push(refusal(&error, object)),
        }
    }
    // Who may delete none of them is not told either whether the bucket is there.
    if !wanted.is_empty() {
        owner::check(app, &headers, owner::OF_BUCKET, &bucket).await?;
    }
    let mut deleted = Vec::with_capacity(wanted.len());
    let outcomes = remove(app, permit, &bucket, &wanted, &records).await?;
    for ((object, _), outcome) in wanted.into_iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => deleted.push(told(object, outcome)),
            Err(error) => errors.push(refusal(&error, object)),
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
    permit: &Permit,
    bucket: &str,
    wanted: &[(dto::ObjectIdentifier, bool)],
    records: &[Record],
) -> Result<Vec<Result<Deleted>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let deletions: Vec<Deletion<'_>> = wanted
        .iter()
        .map(|(object, bypass)| Deletion {
            version: object.version_id.as_deref(),
            etag: object.e_tag.as_ref().map(dto::ETag::value),
            bypass: *bypass,
            ..Deletion::of(&object.key)
        })
        .collect();
    let owner = permit.principal().to_string();
    let by = DeleteBy { cause: DeleteCause::Request, owner: &owner, grace: app.config.blobs.sweep_grace };
    app.index.delete_versions(bucket, &deletions, by, records).await
}

/// What is said of one that is gone. A marker that the delete has left is not the version that was asked for.
fn told(object: dto::ObjectIdentifier, outcome: Deleted) -> dto::DeletedObject {
    dto::DeletedObject {
        key: Some(object.key),
        delete_marker: outcome.delete_marker.then_some(true),
        delete_marker_version_id: outcome.version_id.filter(|_| outcome.delete_marker),
        version_id: object.version_id,
    }
}

/// Each key is decided on its own, and has a record of its own.
async fn check(
    app: &App,
    permit: &Permit,
    bucket: &str,
    object: &dto::ObjectIdentifier,
    headers: &HeaderMap,
) -> Result<(Option<Record>, bool)> {
    names::check_key(&object.key)?;
    let version = object.version_id.as_deref();
    if let Some(version) = version {
        version_id::check(version)?;
    }
    if object.last_modified_time.is_some() || object.size.is_some() {
        let text = "A delete takes an ETag as its condition; LastModifiedTime and Size are for directory buckets only.";
        return Err(Error::new(Code::NotImplemented, text));
    }
    let resource = Resource::object(bucket, &*object.key);
    let caller = permit.caller().clone().asking_for(version);
    let allowed = authorize(app, &caller, version_id::action_on(version, Action::DeleteObject), resource).await?;
    let etag = object.e_tag.as_ref();
    let allowed = gate::compare(app, allowed, bucket, &object.key, etag.map(dto::ETag::value)).await?;
    // A weak tag says of nothing that it is the same bytes.
    if matches!(etag, Some(dto::ETag::Weak(_))) {
        return Err(Code::PreconditionFailed.into());
    }
    if version.is_none() {
        return Ok((allowed.record(), false));
    }
    let (allowed, bypass) = object_lock::bypass(app, allowed, headers).await?;
    Ok((allowed.record(), bypass))
}

fn refusal(error: &Error, object: dto::ObjectIdentifier) -> dto::Error {
    dto::Error {
        code: Some(error.row().s3.to_owned()),
        key: Some(object.key),
        message: Some(error.message().to_owned()),
        version_id: object.version_id,
    }
}
