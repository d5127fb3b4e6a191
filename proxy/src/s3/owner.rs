//! `x-amz-expected-bucket-owner`: a request that is meant for somebody's bucket does nothing in another's of the same name.
//!
//! A bucket's owner is who has made it, as ListBuckets shows it to them: `user/<name>`, `role/<role>/<session>`, or `root/<access key id>`.

use http::HeaderMap;

use crate::app::App;
use crate::error::{Code, Result};

/// Whose bucket the request is about.
pub(super) const OF_BUCKET: &str = "x-amz-expected-bucket-owner";

/// Whose bucket a copy's source is in.
pub(super) const OF_SOURCE: &str = "x-amz-source-expected-bucket-owner";

/// Checks the owner, where the header names one. Only for those who may do something in the bucket: others would learn of it.
///
/// # Errors
/// `AccessDenied` where it is another, `NoSuchBucket`.
pub(super) async fn check(app: &App, headers: &HeaderMap, header: &'static str, bucket: &str) -> Result<()> {
    let Some(expected) = headers.get(header) else { return Ok(()) };
    let owner = app.index.bucket(bucket).await?.owner;
    if expected.as_bytes() == owner.as_bytes() {
        return Ok(());
    }
    Err(Code::AccessDenied.into())
}
