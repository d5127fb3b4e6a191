//! `x-amz-copy-source`. A seed is the header's value.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::CopySource;

use super::{Read, Verdict};
use crate::s3::{CopySourceName, copy_source, names, version_id};

pub(super) fn check(input: &[u8]) -> Verdict {
    let Some(named) = HeaderValue::from_bytes(input).ok().and_then(read) else { return Ok(Read::Refused) };
    let CopySourceName { bucket, key, version } = &named;
    ensure!(names::is_bucket_name(bucket), "{bucket:?} is taken for a bucket");
    ensure!(names::check_key(key).is_ok(), "{key:?} is taken for a key");
    ensure!(
        version.as_deref().is_none_or(|version| version_id::check(version).is_ok()),
        "{version:?} is taken for a version"
    );
    let plain = CopySource::Bucket { bucket: bucket.clone(), key: key.clone(), version_id: version.clone() };
    let encoded = utf8_percent_encode(key, NON_ALPHANUMERIC);
    let query = version.as_deref().map(|version| format!("?versionId={version}")).unwrap_or_default();
    for written in
        [plain.format_to_string(), format!("{bucket}/{encoded}{query}"), format!("/{bucket}/{encoded}{query}")]
    {
        let again = HeaderValue::from_str(&written).ok().and_then(read);
        ensure!(again.as_ref() == Some(&named), "{written} is read as {again:?}");
    }
    Ok(Read::Taken)
}

/// A source that is taken.
fn read(value: HeaderValue) -> Option<CopySourceName> {
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-copy-source"), value)]);
    copy_source(&headers).ok()?
}
