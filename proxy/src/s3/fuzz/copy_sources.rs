//! `x-amz-copy-source`. A seed is the header's value.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::CopySource;

use super::{Read, Verdict};
use crate::s3::{copy_source, names};

pub(super) fn check(input: &[u8]) -> Verdict {
    let Some((bucket, key)) = HeaderValue::from_bytes(input).ok().and_then(read) else { return Ok(Read::Refused) };
    ensure!(names::is_bucket_name(&bucket), "{bucket:?} is taken for a bucket");
    ensure!(names::check_key(&key).is_ok(), "{key:?} is taken for a key");
    let plain = CopySource::Bucket { bucket: bucket.as_str().into(), key: key.as_str().into(), version_id: None };
    let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC);
    for written in [plain.format_to_string(), format!("{bucket}/{encoded}"), format!("/{bucket}/{encoded}")] {
        let again = HeaderValue::from_str(&written).ok().and_then(read);
        ensure!(again.as_ref() == Some(&(bucket.clone(), key.clone())), "{written} is read as {again:?}");
    }
    Ok(Read::Taken)
}

/// Bucket and key of a source that is taken.
fn read(value: HeaderValue) -> Option<(String, String)> {
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-copy-source"), value)]);
    let (bucket, key) = copy_source(&headers).ok()??;
    Some((bucket.into(), key.into()))
}
