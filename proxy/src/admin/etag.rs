//! Versions as entity tags, and what a change expects to find.

use http::{HeaderMap, header};

use crate::error::{Code, Error};

/// A version as an entity tag (RFC 9110, section 8.8.3).
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The version that a change expects: 0 where there shall be none yet, nothing where it does not matter.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(0)),
        (Some(tag), None) => {
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
            // A tag that is none of ours is that of no version: nothing has it.
            version.map(Some).ok_or_else(|| Code::PreconditionFailed.into())
        }
        _ => Err(Error::new(
            Code::InvalidArgument,
            "If-Match takes an ETag, If-None-Match takes *, and not both are sent.",
        )
        .with("field", "If-None-Match")),
    }
}
