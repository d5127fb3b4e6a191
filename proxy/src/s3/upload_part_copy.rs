//! UploadPartCopy: a part that names bytes of an object. None of them is written again; they are read where the part's
//! MD5 and checksum cannot be had otherwise.

use std::ops::Range;

use futures::StreamExt;
use s3s::{S3Request, S3Response, dto};

use super::access::Source;
use super::body::Hashes;
use super::checksum::{Algorithm, Expected};
use super::dispatch::extension;
use super::{conditions, headers, multipart, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{Checksums, NewPart, ObjectHead, Segments};

/// How often a copy starts again because its source was replaced meanwhile.
const ATTEMPTS: u32 = 3;

pub(super) async fn upload_part_copy(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::UploadPartCopyInput>,
) -> Result<S3Response<dto::UploadPartCopyOutput>> {
    multipart::check_part_number(request.input.part_number)?;
    let source: Source = extension(&request)?;
    let mut attempt = 1;
    loop {
        match copy(app, permit, &request, &source).await {
            Err(error) if matches!(error.code(), Code::NoSuchKey | Code::BlobUnknown) && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) if error.code() == Code::BlobUnknown => {
                return Err(
                    Error::internal("the bytes of a copy's source are named and not at the store").source(error)
                );
            }
            result => return result,
        }
    }
}

async fn copy(
    app: &App,
    permit: &Permit,
    request: &S3Request<dto::UploadPartCopyInput>,
    source: &Source,
) -> Result<S3Response<dto::UploadPartCopyOutput>> {
    let input = &request.input;
    let (bucket, key) = source.object();
    let object = source.read(app).await?;
    let source_version = version_id::told(object.version_id());
    conditions::check_copy_source(&conditions::read(&request.headers, conditions::COPY_SOURCE), &object.head)?;
    let range = range(input.copy_source_range.as_deref(), object.head.size)?;
    let size = range.end - range.start;
    let limit = app.config.limits.object_bytes.as_u64();
    if size > limit {
        return Err(Error::new(
            Code::InvalidRequest,
            format!("The specified copy source is larger than the maximum allowable size for a copy source: {limit}"),
        ));
    }
    // Before the range is read, which may take long.
    let part = Some((input.part_number, size));
    let upload = app.index.upload(&input.bucket, &input.key, &input.upload_id, part).await?;
    let algorithm = multipart::part_algorithm(&upload, None)?;
    let segments = app.index.segments_of(&object, range).await?;
    let (etag, checksums) = match known(&object.head, size, algorithm) {
        Some(known) => known,
        None => hashed(app, segments.clone(), algorithm).await?,
    };
    // Hashing may take longer than bytes outlive their name: the source must still be what it was, just before the part
    // names its bytes too.
    if app.index.version(bucket, key, source.version()).await?.head.id != object.head.id {
        return Err(Code::NoSuchKey.into());
    }
    let record = permit.record();
    let part = NewPart {
        bucket: &input.bucket,
        key: &input.key,
        upload_id: &input.upload_id,
        part_number: input.part_number,
        size,
        etag: &etag,
        checksums: &checksums,
        segments: &segments,
        pin: None,
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
    };
    let last_modified = app.index.put_part(part).await?;
    let result = dto::CopyPartResult {
        e_tag: Some(headers::etag(&etag)),
        last_modified: Some(headers::timestamp(last_modified)),
        ..Default::default()
    };
    Ok(S3Response::new(dto::UploadPartCopyOutput {
        copy_part_result: Some(headers::with_checksums!(result, &checksums)),
        copy_source_version_id: source_version,
        ..Default::default()
    }))
}

/// `bytes=first-last`, both within the source.
fn range(asked: Option<&str>, size: u64) -> Result<Range<u64>> {
    let Some(text) = asked else { return Ok(0..size) };
    match dto::Range::parse(text) {
        Ok(dto::Range::Int { first, last: Some(last) }) if last < size => Ok(first..last + 1),
        Ok(dto::Range::Int { last: Some(_), .. }) => Err(Error::new(
            Code::InvalidArgument,
            format!("Range specified is not valid for source object of size: {size}"),
        )),
        _ => Err(Error::new(
            Code::InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        )),
    }
}

/// What is known of a whole object that was put in one piece.
fn known(head: &ObjectHead, size: u64, algorithm: Algorithm) -> Option<(String, Checksums)> {
    let value = head.checksums.get(algorithm.key())?;
    let whole = head.part_count == 0 && size == head.size;
    whole.then(|| (head.etag.clone(), Checksums::from([(algorithm.key().to_owned(), value.clone())])))
}

async fn hashed(app: &App, segments: Segments, algorithm: Algorithm) -> Result<(String, Checksums)> {
    let mut hashes = Hashes::new(Some(algorithm), false);
    let mut bytes = app.blobs.read(segments);
    while let Some(piece) = bytes.next().await {
        hashes.update(&piece?);
    }
    let summary = hashes.finish(&Expected::default(), None)?;
    Ok((summary.etag(), summary.checksums()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::testing::head;

    #[test]
    fn a_range_must_lie_within_the_source() {
        assert_eq!(range(None, 10).unwrap(), 0..10);
        assert_eq!(range(Some("bytes=2-9"), 10).unwrap(), 2..10);
        for text in ["bytes=0-10", "bytes=5-", "bytes=-5", "bytes=9-2", "0-5", "bytes=0-1,3-4"] {
            assert_eq!(range(Some(text), 10).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
    }

    #[test]
    fn only_a_whole_object_put_in_one_piece_lends_its_etag() {
        let mut source = head("abc", 0);
        source.checksums.insert("crc64nvme".into(), "value".into());
        assert_eq!(known(&source, 10, Algorithm::Crc64Nvme).unwrap().0, "abc");
        assert!(known(&source, 9, Algorithm::Crc64Nvme).is_none());
        assert!(known(&source, 10, Algorithm::Sha1).is_none());
        source.part_count = 1;
        assert!(known(&source, 10, Algorithm::Crc64Nvme).is_none());
    }
}
