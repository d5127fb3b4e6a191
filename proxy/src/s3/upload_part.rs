//! UploadPart.

use std::time::Instant;

use s3s::{S3Request, S3Response, dto};

use super::body::{Stored, Upload};
use super::call::Call;
use super::dispatch::extension;
use super::{headers, multipart, room};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::{NewPart, Segment};
use crate::telemetry::{self, Item};

pub(super) async fn upload_part(
    app: &App,
    permit: &Permit,
    mut request: S3Request<dto::UploadPartInput>,
) -> Result<S3Response<dto::UploadPartOutput>> {
    let begun = Instant::now();
    let call: Call = extension(&request)?;
    multipart::check_part_number(request.input.part_number)?;
    let body = request.input.body.take();
    let bytes = Upload::of(app, &call, &request, body)?;
    let input = &request.input;
    // Asked before the first byte is read: a part of an unknown upload, or one that the bucket has no room for, costs nothing,
    // and the upload says which checksum to compute.
    let part = Some((input.part_number, bytes.length()));
    let upload = app.index.upload(&input.bucket, &input.key, &input.upload_id, part).await?;
    let algorithm = multipart::part_algorithm(&upload, bytes.algorithm())?;

    let stored = bytes.store(app, &input.bucket, algorithm).await?;
    commit(app, permit, input, &stored).await?;
    telemetry::upload(&Item::object(&input.bucket, headers::DEFAULT_CONTENT_TYPE), stored.size, begun.elapsed());
    let output = dto::UploadPartOutput { e_tag: Some(headers::etag(&stored.etag)), ..Default::default() };
    Ok(S3Response::new(headers::with_checksums!(output, &stored.checksums)))
}

async fn commit(app: &App, permit: &Permit, input: &dto::UploadPartInput, stored: &Stored) -> Result<()> {
    let segment = stored.blob.as_ref().map(|pinned| Segment {
        blob: pinned.blob,
        blob_size: stored.size,
        blob_offset: 0,
        size: stored.size,
        part_number: input.part_number,
    });
    let record = permit.record().map(|record| record.bytes(stored.size, 0));
    let part = NewPart {
        bucket: &input.bucket,
        key: &input.key,
        upload_id: &input.upload_id,
        part_number: input.part_number,
        size: stored.size,
        etag: &stored.etag,
        checksums: &stored.checksums,
        segments: segment.as_slice(),
        pin: stored.blob.as_ref(),
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
    };
    if let Err(error) = app.index.put_part(part).await {
        room::refused(app, &input.bucket, stored.blob.as_ref(), &error).await;
        return Err(error);
    }
    Ok(())
}
