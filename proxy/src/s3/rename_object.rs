//! RenameObject: an object gets another key in its bucket, with all that is said of it, and no byte moves.
//!
//! AWS has it for directory buckets alone. `s3s` knows it for a PutObject: `access` tells the two apart, and `put_object` hands it on.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use s3s::{S3Request, S3Response, dto};

use super::access::Source;
use super::{conditions, names};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::Rename;

/// The header that names the object.
const SOURCE: &str = "x-amz-rename-source";

/// How often a move starts again because its source was replaced while it was looked up.
const ATTEMPTS: u32 = 3;

/// What is moved: the right to read it, and the right to take its name away.
#[derive(Debug, Clone)]
pub(super) struct Renaming {
    pub(super) source: Source,
    pub(super) removal: Permit,
}

pub(super) async fn rename_object(
    app: &App,
    permit: &Permit,
    renaming: &Renaming,
    request: &S3Request<dto::PutObjectInput>,
) -> Result<S3Response<dto::PutObjectOutput>> {
    let mut attempt = 1;
    loop {
        match rename(app, permit, renaming, request).await {
            Err(error) if matches!(error.code(), Code::NoSuchKey | Code::OperationAborted) && attempt < ATTEMPTS => {
                attempt += 1;
            }
            result => return result.map(|()| S3Response::new(dto::PutObjectOutput::default())),
        }
    }
}

async fn rename(
    app: &App,
    permit: &Permit,
    renaming: &Renaming,
    request: &S3Request<dto::PutObjectInput>,
) -> Result<()> {
    let (bucket, key) = (&request.input.bucket, &request.input.key);
    let source = renaming.source.read(app).await?;
    if source.head.key == *key {
        return Err(Error::new(Code::InvalidRequest, "An object cannot be renamed to the name that it has."));
    }
    conditions::check_copy_source(&conditions::read(&request.headers, conditions::RENAME_SOURCE), &source.head)?;
    if request.headers.contains_key("if-modified-since") || request.headers.contains_key("if-unmodified-since") {
        let text = "The times of what is replaced are no conditions of RenameObject that are implemented.";
        return Err(Error::new(Code::NotImplemented, text));
    }
    let (record, record_of_source) = (permit.record(), renaming.removal.record());
    let by = permit.principal().to_string();
    let rename = Rename {
        bucket,
        source: &source,
        key,
        conditions: conditions::write(&request.headers)?,
        by: &by,
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
        audit_of_source: record_of_source.as_slice(),
    };
    app.index.rename_object(rename).await
}

/// The key of what shall be moved: alone, or behind its bucket (`/bucket/key`); percent-encoded.
///
/// # Errors
/// `InvalidArgument` where there is none, and what keys are refused with.
pub(super) fn source_key(headers: &HeaderMap, bucket: &str) -> Result<String> {
    let missing = || Error::new(Code::InvalidArgument, "x-amz-rename-source must name a key of the bucket.");
    let value = headers.get(SOURCE).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let decoded = percent_decode_str(value).decode_utf8().map_err(|_| missing())?;
    let with_bucket = decoded.strip_prefix('/').and_then(|rest| rest.strip_prefix(bucket)?.strip_prefix('/'));
    let key = with_bucket.unwrap_or(&decoded);
    names::check_key(key)?;
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_key_alone_or_behind_its_bucket() {
        let read = |value: &'static str| {
            let name = http::HeaderName::from_static(SOURCE);
            source_key(&HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]), "bucket")
        };
        for (written, key) in
            [("a/b", "a/b"), ("/bucket/a%2Fb%20c", "a/b c"), ("%2Fbucket%2Fa", "a"), ("/other/a", "/other/a")]
        {
            assert_eq!(read(written).unwrap(), key, "{written}");
        }
        for written in ["", "%FF", "a/../b"] {
            assert_eq!(read(written).unwrap_err().code(), Code::InvalidArgument, "{written}");
        }
        assert_eq!(source_key(&HeaderMap::new(), "bucket").unwrap_err().code(), Code::InvalidArgument);
    }
}
