//! `x-amz-copy-source`: what is copied. It is read here alone, so that the source that policies ask for (`s3:x-amz-copy-source`) is the one
//! that is read.

use http::HeaderMap;
use s3s::dto::CopySource;

use super::names;
use crate::error::{Code, Error, Result};

const HEADER: &str = "x-amz-copy-source";

/// Bucket and key of what a request wants to be copied, decoded; none where it has no such header.
///
/// # Errors
/// `InvalidArgument`, `InvalidBucketName` and what keys are refused with; `NotImplemented`: an access point, or a version.
pub(crate) fn copy_source(headers: &HeaderMap) -> Result<Option<(Box<str>, Box<str>)>> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let (bucket, key, version) = match CopySource::parse(value.to_str().unwrap_or_default()) {
        Ok(CopySource::Bucket { bucket, key, version_id }) => (bucket, key, version_id),
        Ok(_) => return Err(Error::new(Code::NotImplemented, "Access points are not implemented.")),
        Err(_) => return Err(malformed()),
    };
    if version.is_some_and(|version| &*version != "null") {
        return Err(Error::new(Code::NotImplemented, "Versions of a copy's source are not implemented."));
    }
    if !names::is_bucket_name(&bucket) {
        return Err(Code::InvalidBucketName.into());
    }
    names::check_key(&key)?;
    Ok(Some((bucket, key)))
}

/// The header names no source.
pub(super) fn malformed() -> Error {
    Error::new(Code::InvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<String>> {
        let headers = [(http::HeaderName::from_static(HEADER), value.parse().unwrap())].into_iter().collect();
        Ok(copy_source(&headers)?.map(|(bucket, key)| format!("{bucket}/{key}")))
    }

    #[test]
    fn a_source_reads_the_same_however_it_is_written() {
        for written in ["bucket/a/b c", "/bucket/a/b c", "bucket/a%2Fb%20c", "%2Fbucket/a/b%20c?versionId=null"] {
            assert_eq!(read(written).unwrap().as_deref(), Some("bucket/a/b c"), "{written}");
        }
        assert_eq!(copy_source(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_names_no_source_is_refused() {
        for (written, code) in [
            ("", Code::InvalidArgument),
            ("bucket", Code::InvalidArgument),
            ("bucket/key?versionId=1", Code::NotImplemented),
            ("arn:aws:s3:eu-west-1:123456789012:accesspoint/my-access-point/object/key", Code::NotImplemented),
        ] {
            assert_eq!(read(written).unwrap_err().code(), code, "{written}");
        }
    }
}
