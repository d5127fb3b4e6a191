//! `x-amz-copy-source`: what is copied. It is read here alone, so that the source that policies ask for (`s3:x-amz-copy-source`) is the one
//! that is read.

use http::HeaderMap;
use s3s::dto::CopySource;

use super::{names, version_id};
use crate::error::{Code, Error, Result};

const HEADER: &str = "x-amz-copy-source";

/// What a request wants to be copied, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopySourceName {
    pub(crate) bucket: Box<str>,
    pub(crate) key: Box<str>,
    /// None for the current version.
    pub(crate) version: Option<Box<str>>,
}

/// What a request wants to be copied; none where it has no such header.
///
/// # Errors
/// `InvalidArgument`, `InvalidBucketName` and what keys are refused with; `NotImplemented`: an access point.
pub(crate) fn copy_source(headers: &HeaderMap) -> Result<Option<CopySourceName>> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let (bucket, key, version) = match CopySource::parse(value.to_str().unwrap_or_default()) {
        Ok(CopySource::Bucket { bucket, key, version_id }) => (bucket, key, version_id),
        Ok(_) => return Err(Error::new(Code::NotImplemented, "Access points are not implemented.")),
        Err(_) => return Err(malformed()),
    };
    if let Some(version) = version.as_deref() {
        version_id::check(version)?;
    }
    if !names::is_bucket_name(&bucket) {
        return Err(Code::InvalidBucketName.into());
    }
    names::check_key(&key)?;
    Ok(Some(CopySourceName { bucket, key, version }))
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
        Ok(copy_source(&headers)?.map(|named| {
            let version = named.version.map(|version| format!("@{version}")).unwrap_or_default();
            format!("{}/{}{version}", named.bucket, named.key)
        }))
    }

    #[test]
    fn a_source_reads_the_same_however_it_is_written() {
        for written in ["bucket/a/b c", "/bucket/a/b c", "bucket/a%2Fb%20c", "%2Fbucket/a/b%20c"] {
            assert_eq!(read(written).unwrap().as_deref(), Some("bucket/a/b c"), "{written}");
        }
        assert_eq!(read("bucket/a?versionId=null").unwrap().as_deref(), Some("bucket/a@null"));
        assert_eq!(copy_source(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_names_no_source_is_refused() {
        for (written, code) in [
            ("", Code::InvalidArgument),
            ("bucket", Code::InvalidArgument),
            ("bucket/key?versionId=1", Code::InvalidArgument),
            ("arn:aws:s3:eu-west-1:123456789012:accesspoint/my-access-point/object/key", Code::NotImplemented),
        ] {
            assert_eq!(read(written).unwrap_err().code(), code, "{written}");
        }
    }
}
