//! GetObject.

use std::time::Instant;

use http_body_util::StreamBody;
use s3s::dto::StreamingBlob;
use s3s::{S3Request, S3Response, dto};

use super::dispatch::extension;
use super::wanted::Wanted;
use super::{conditions, gate, headers, lifecycle, object_bytes, object_lock, tags, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, RequestId, Result};
use crate::telemetry::{Download, Item};

/// How often a read starts again because the object was replaced, and its bytes swept, while it was looked up.
pub(super) const ATTEMPTS: u32 = 3;

pub(super) async fn get_object(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::GetObjectInput>,
) -> Result<S3Response<dto::GetObjectOutput>> {
    let mut attempt = 1;
    loop {
        match read(app, permit, &request).await {
            // Bytes outlive their name by `blobs.sweep_grace`, so that this is rare; more than that is a loss.
            Err(error) if error.code() == Code::BlobUnknown && attempt < ATTEMPTS => attempt += 1,
            Err(error) if error.code() == Code::BlobUnknown => {
                let (bucket, key) = (&request.input.bucket, &request.input.key);
                return Err(
                    Error::internal(format!("bytes of {bucket}/{key} are named and not at the store")).source(error)
                );
            }
            result => return result,
        }
    }
}

async fn read(
    app: &App,
    permit: &Permit,
    request: &S3Request<dto::GetObjectInput>,
) -> Result<S3Response<dto::GetObjectOutput>> {
    let begun = Instant::now();
    let input = &request.input;
    let object = gate::object(app, permit, &input.bucket, &input.key).await?;
    let head = &object.head;
    conditions::check(&conditions::read(&request.headers, conditions::READ), head)?;
    let wanted = Wanted::of(app, head, &request.headers, input.range, input.part_number).await?;
    let mut more = headers::beyond(&object);
    headers::override_headers!(&mut more, input)?;
    tags::tell_count(app, permit, head, &mut more);
    object_lock::tell(app, permit, head, &mut more);

    let mut output = headers::describe!(GetObjectOutput, head);
    let content_type = output.content_type.clone().unwrap_or_default();
    let download = Download::new(Item::object(&input.bucket, &content_type), begun);
    let bytes = object_bytes::flow(app, &object, wanted.bytes.clone(), download).await?;
    let frames = object_bytes::frames(bytes, extension::<RequestId, _>(request)?, "GetObject");
    output.content_length = Some(i64::try_from(wanted.length()).map_err(Error::internal)?);
    output.version_id = version_id::told(object.version_id());
    if head.is_latest {
        let what = (head.key.as_str(), head.size, &head.tags);
        output.expiration = lifecycle::expiration_of(app, &input.bucket, what, head.last_modified);
    }
    output.content_range = wanted.content_range(head.size);
    output.parts_count = wanted.parts_count(head);
    output.body = Some(StreamingBlob::from(s3s::Body::http_body_unsync(StreamBody::new(frames))));
    if wants_checksum(input.checksum_mode.as_ref())
        && let Some(checksums) = wanted.checksums(head)
    {
        output.checksum_type = headers::checksum_type(head);
        output = headers::with_checksums!(output, checksums);
    }
    Ok(S3Response::with_headers(output, more))
}

/// Whether a read asks for checksums; a read of a range never gets them, for they cover the whole or a part.
pub(super) fn wants_checksum(mode: Option<&dto::ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED)
}
