//! Reading answers: headers, short texts, and documents up to a bound.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderName, RETRY_AFTER};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// As much of an error's text as the log gets, in bytes.
const TEXT_BYTES: usize = 512;

/// How long an error's text may take; the status says enough without it.
const TEXT_PATIENCE: Duration = Duration::from_secs(1);

/// What registries call the digest of what they send.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A header's text.
pub(super) fn header(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The declared length of a body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    header(headers, CONTENT_LENGTH)?.parse().ok()
}

/// `Retry-After` in seconds; a date is not read.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header(headers, RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
}

/// Refuses an answer whose digest header names other content than was asked for.
pub(super) fn check_digest(headers: &HeaderMap, expected: &Digest) -> Result<()> {
    match header(headers, CONTENT_DIGEST) {
        Some(text) if text.parse() != Ok(*expected) => {
            Err(Error::internal(format!("asked for {expected}, the registry answers with {text:?}")))
        }
        _ => Ok(()),
    }
}

/// An answer that means that the registry does not do what it was asked, and a repetition would not help.
pub(super) async fn refused(response: Response<Incoming>, operation: &str) -> Error {
    let status = response.status();
    Error::internal(format!("{operation}: the registry answers {status} {}", text(response).await))
}

/// The beginning of an answer's body, fit for a log line.
pub(super) async fn text(response: Response<Incoming>) -> String {
    let mut body = response.into_body();
    let mut text = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                text.extend_from_slice(&data);
            }
            if text.len() >= TEXT_BYTES {
                break;
            }
        }
    };
    // The status alone will do where the text does not come.
    drop(timeout(TEXT_PATIENCE, reading).await);
    text.truncate(TEXT_BYTES);
    String::from_utf8_lossy(&text).trim().escape_debug().to_string()
}

/// A whole body of at most `limit` bytes, each chunk of it within `stall`.
pub(super) async fn document(response: Response<Incoming>, limit: usize, stall: Duration) -> Result<Bytes> {
    let declared = content_length(response.headers());
    let mut body = response.into_body();
    let mut all = BytesMut::new();
    loop {
        let frame = match timeout(stall, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                return Err(Error::from(Code::UpstreamUnavailable).detail("a document was cut").source(error));
            }
            Err(_) => return Err(Error::from(Code::UpstreamUnavailable).detail("a document stood still")),
        };
        if let Ok(data) = frame.into_data() {
            all.extend_from_slice(&data);
        }
        if all.len() > limit {
            return Err(Error::internal(format!("the registry sends a document of more than {limit} bytes")));
        }
    }
    if declared.is_some_and(|length| length != all.len() as u64) {
        return Err(Error::from(Code::UpstreamUnavailable).detail("a document ended early"));
    }
    Ok(all.freeze())
}
