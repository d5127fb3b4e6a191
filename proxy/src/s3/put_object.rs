//! PutObject.

use std::time::Instant;

use s3s::{S3Request, S3Response, dto};

use super::body::{Length, Upload};
use super::call::Call;
use super::checksum::Algorithm;
use super::dispatch::extension;
use super::rename_object::{Renaming, rename_object};
use super::{acl, conditions, headers, lifecycle, object_lock, room, tags, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::failpoint::Failpoint;
use crate::index::{CreatedBy, NewObject};
use crate::telemetry::{self, Item};

/// What S3 computes where the client states no checksum.
pub(super) const DEFAULT_ALGORITHM: Algorithm = Algorithm::Crc64Nvme;

/// The one storage class that there is.
pub(super) const STORAGE_CLASS: &str = "STANDARD";

/// A form has a length that is not known before it has been read.
fn created_by(request: &S3Request<dto::PutObjectInput>) -> CreatedBy {
    match request.extensions.get::<Length>() {
        Some(Length::Between { .. }) => CreatedBy::Post,
        Some(Length::Exactly(_)) | None => CreatedBy::Put,
    }
}

pub(super) async fn put_object(
    app: &App,
    permit: &Permit,
    mut request: S3Request<dto::PutObjectInput>,
) -> Result<S3Response<dto::PutObjectOutput>> {
    if let Some(renaming) = request.extensions.remove::<Renaming>() {
        return rename_object(app, permit, &renaming, &request).await;
    }
    Failpoint::S3Authorized.reached();
    let begun = Instant::now();
    let call: Call = extension(&request)?;
    let kept = headers::kept(&request.headers)?;
    let metadata = headers::metadata(request.input.metadata.take())?;
    let tags = tags::of_header(&request.headers)?;
    let acl::New { permit, owner, list } = acl::of_new(app, permit, &request.headers).await?;
    let body = request.input.body.take();
    let upload = Upload::of(app, &call, &request, body)?;
    let conditions = conditions::write(&request.headers)?;
    let (bucket, key) = (&request.input.bucket, &request.input.key);
    room::expect(app, bucket, key, upload.length()).await?;

    let stored = upload.store(app, bucket, DEFAULT_ALGORITHM).await?;
    let mut record = permit.record().map(|record| record.bytes(stored.size, 0));
    if let Some(blob) = &stored.blob {
        record = record.map(|record| record.digest(blob.blob.digest));
    }
    let object = NewObject {
        bucket,
        key,
        blob: stored.blob.as_ref(),
        etag: &stored.etag,
        checksums: &stored.checksums,
        headers: &kept,
        metadata: &metadata,
        tags: &tags,
        storage_class: STORAGE_CLASS,
        owner: &owner,
        conditions,
        lock: object_lock::of_headers(&request.headers)?,
        by: created_by(&request),
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
    };
    Failpoint::S3Uncommitted.reached();
    let committed = match app.index.commit_object_with(object, list.as_ref()).await {
        Ok(committed) => committed,
        Err(error) => {
            room::refused(app, bucket, stored.blob.as_ref(), &error).await;
            return Err(error);
        }
    };
    Failpoint::S3Committed.reached();

    let content_type = kept.get("content-type").map_or(headers::DEFAULT_CONTENT_TYPE, String::as_str);
    telemetry::upload(&Item::object(bucket, content_type), stored.size, begun.elapsed());
    let output = dto::PutObjectOutput {
        checksum_type: Some(dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
        e_tag: Some(headers::etag(&stored.etag)),
        expiration: lifecycle::expiration_of(app, bucket, (key.as_str(), stored.size, &tags), committed.last_modified),
        version_id: version_id::told(committed.version_id.as_deref()),
        ..Default::default()
    };
    let output = headers::with_checksums!(output, &stored.checksums);
    Ok(S3Response::with_headers(output, headers::oci_digest(committed.oci_digest.as_ref())))
}
