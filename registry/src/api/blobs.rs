//! Blobs: reading whole or in part, and deleting.

use std::{
    fs::File,
    io::{Seek, SeekFrom},
};

use bytes::Bytes;
use http::{
    Method, Response, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE},
};
use http_body_util::BodyExt;

use super::{Call, blocking, lock_blobs, repository};
use crate::{
    body::{self, Body, FileBody, PIECE_BYTES},
    digest::Digest,
    error::{ApiError, Code},
    name::RepositoryName,
    range::RangeRequest,
    response::{self, Answer, DOCKER_CONTENT_DIGEST, WithHeader, header_value},
};

/// A blob, or the part of it that is asked for, with its first bytes read.
struct Opened {
    file: File,
    size: u64,
    range: Option<(u64, u64)>,
    length: u64,
    first: Bytes,
}

pub(super) async fn get(name: RepositoryName, digest: Digest, call: Call<'_>) -> Answer {
    let repository = repository(call.inner, &name)?;
    let wanted = digest.clone();
    if call.parts.method == Method::HEAD {
        let size = blocking(move || repository.blob_size(&wanted)?.ok_or_else(unknown)).await?;
        return describe(response::status(StatusCode::OK), &digest, size);
    }
    // There is no validator that a condition could match, so a conditional range is the whole.
    let range = call.header(RANGE).filter(|_| call.header(IF_RANGE).is_none()).map(RangeRequest::parse);
    let opened = blocking(move || {
        let (file, size) = repository.open_blob(&wanted)?.ok_or_else(unknown)?;
        open(file, size, range)
    });
    respond(opened.await?, &digest)
}

fn open(mut file: File, size: u64, range: Option<RangeRequest>) -> Result<Opened, ApiError> {
    let range = match range {
        None | Some(RangeRequest::Ignored) => None,
        Some(RangeRequest::Malformed) => return Err(unsatisfiable(size)),
        Some(RangeRequest::One(range)) => Some(range.resolve(size).ok_or_else(|| unsatisfiable(size))?),
    };
    let (start, length) = range.unwrap_or((0, size));
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    let first = body::read_piece(&mut file, length.min(PIECE_BYTES))?;
    Ok(Opened { file, size, range, length, first })
}

fn respond(opened: Opened, digest: &Digest) -> Answer {
    let Opened { file, size, range, length, first } = opened;
    let body =
        if first.len() as u64 == length { body::full(first) } else { FileBody::new(file, first, length).boxed() };
    let mut response = Response::new(body);
    if let Some((start, length)) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = start + length.saturating_sub(1);
        response = response.with(CONTENT_RANGE, format!("bytes {start}-{last}/{size}"))?;
    }
    describe(response, digest, length)
}

fn describe(response: Response<Body>, digest: &Digest, length: u64) -> Answer {
    response
        .with(CONTENT_TYPE, "application/octet-stream")?
        .with(CONTENT_LENGTH, length)?
        .with(ACCEPT_RANGES, "bytes")?
        .with(DOCKER_CONTENT_DIGEST, digest)
}

fn unknown() -> ApiError {
    ApiError::new(Code::BlobUnknown, "no such blob in the repository")
}

fn unsatisfiable(size: u64) -> ApiError {
    let error = ApiError::new(Code::SizeInvalid, "the range does not lie within the blob")
        .status(StatusCode::RANGE_NOT_SATISFIABLE);
    match header_value(format!("bytes */{size}")) {
        Ok(value) => error.header(CONTENT_RANGE, value),
        Err(error) => error,
    }
}

pub(super) async fn delete(name: RepositoryName, digest: Digest, call: Call<'_>) -> Answer {
    let repository = repository(call.inner, &name)?;
    let guard = lock_blobs(&repository).await?;
    blocking(move || {
        let _guard = guard;
        if repository.index()?.manifest(&digest).is_some() {
            return Err(ApiError::new(Code::Unsupported, "this is a manifest; it is deleted as one"));
        }
        if repository.delete_blob(&digest)? { Ok(()) } else { Err(unknown()) }
    })
    .await?;
    Ok(response::status(StatusCode::ACCEPTED))
}
