//! What the upstream sees of a request's header, and how large the body may be.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use tracing::Span;

use super::path::Route;
use crate::config::{Config, Limits};
use crate::error::{Code, Error, Result};
use crate::listener::HeaderChanges;
use crate::telemetry;

/// The request headers that mean something to a registry. Everything else stays here: credentials, cookies,
/// `X-Forwarded-*`, `X-Amz-*`, and the headers that switch a Zot's behaviour.
const PASSED: [HeaderName; 13] = [
    header::ACCEPT,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Headers of the connection: the listener's business.
const OF_THE_LISTENER: [HeaderName; 3] = [header::CONNECTION, header::HOST, header::TRANSFER_ENCODING];

/// The header for the upstream: known fields, our own credentials, our own place in the client's trace.
pub(super) fn changes(headers: &HeaderMap, credentials: Option<HeaderValue>, span: &Span) -> HeaderChanges {
    let is_known = |name: &&HeaderName| !PASSED.contains(name) && !OF_THE_LISTENER.contains(name);
    let mut changes =
        HeaderChanges { remove: headers.keys().filter(is_known).cloned().collect(), set: HeaderMap::new() };
    if let Some(credentials) = credentials {
        changes.set.insert(header::AUTHORIZATION, credentials);
    }
    telemetry::inject(span, &mut changes.set);
    changes
}

/// Whether a body follows the header; over HTTP/2 one may come that is not declared.
pub(super) fn has_body(method: &Method, headers: &HeaderMap) -> bool {
    let is_empty = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0");
    let brings = matches!(*method, Method::POST | Method::PUT | Method::PATCH) && !is_empty;
    brings || headers.contains_key(header::TRANSFER_ENCODING)
}

/// The largest body of a request, and what a larger one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyLimit {
    pub(super) bytes: u64,
    pub(super) too_large: Code,
}

impl BodyLimit {
    pub(super) fn of(route: &Route, method: &Method, limits: &Limits) -> Self {
        match (route, method.as_str()) {
            (Route::Manifest { .. }, "PUT") => {
                Self { bytes: limits.manifest_bytes.as_u64(), too_large: Code::ManifestTooLarge }
            }
            (Route::Uploads { .. }, "POST") | (Route::Upload { .. }, "PATCH" | "PUT") => {
                Self { bytes: limits.blob_bytes.as_u64(), too_large: Code::BlobTooLarge }
            }
            _ => Self { bytes: 0, too_large: Code::InvalidRequest },
        }
    }

    /// Looks at what the header declares; a body without a declared length is counted as it comes.
    /// # Errors
    /// The body is larger than allowed, or its length cannot be read.
    pub(super) fn check(self, headers: &HeaderMap) -> Result<()> {
        let Some(declared) = headers.get(header::CONTENT_LENGTH) else { return Ok(()) };
        let is_plain = !declared.is_empty() && declared.as_bytes().iter().all(u8::is_ascii_digit);
        let length: Option<u64> = declared.to_str().ok().filter(|_| is_plain).and_then(|text| text.parse().ok());
        match length {
            Some(length) if length <= self.bytes => Ok(()),
            Some(_) if self.bytes == 0 => Err(Error::new(self.too_large, "This request takes no body.")),
            Some(_) => Err(Error::from(self.too_large).with("limit_bytes", self.bytes)),
            None => Err(Error::new(Code::InvalidRequest, "Content-Length is not a number.")),
        }
    }
}

/// How long the registry may take to answer; unset: as long as for any other request. Finishing an upload, it may read and hash
/// all bytes of it again before it answers, and how many there are only its client knows.
pub(super) fn response_timeout(route: &Route, method: &Method, config: &Config) -> Option<Duration> {
    let finishes = matches!(route, Route::Upload { .. }) && method == Method::PUT;
    let hashing = config.limits.blob_bytes.as_u64() / config.store.finalize_rate.as_u64().max(1);
    finishes.then(|| config.store.response_timeout.saturating_add(Duration::from_secs(hashing)))
}

#[cfg(test)]
mod tests {
    use super::*;
    fn changes(headers: &HeaderMap) -> HeaderChanges {
        super::changes(headers, None, &Span::none())
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_upstream_never_sees_credentials_origins_or_switches() {
        let dangerous = headers(&[
            ("authorization", "Basic x"),
            ("cookie", "session=1"),
            ("x-zot-api-client", "zot-ui"),
            ("x-zot-cluster-hop-count", "1"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-amz-security-token", "x"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("keep-alive", "1"),
            ("x-original-url", "/v2/s3/"),
            ("x-http-method-override", "DELETE"),
            ("accept-encoding", "gzip"),
            ("origin", "https://evil"),
        ]);
        let removed = changes(&dangerous).remove;
        for name in dangerous.keys() {
            assert!(removed.contains(name), "{name} goes through");
        }
    }

    #[test]
    fn what_a_registry_needs_goes_through() {
        let needed = headers(&[
            ("accept", "*/*"),
            ("content-length", "5"),
            ("content-type", "application/octet-stream"),
            ("content-range", "0-4"),
            ("range", "bytes=0-4"),
            ("expect", "100-continue"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("transfer-encoding", "chunked"),
        ]);
        assert!(changes(&needed).remove.is_empty());
    }

    #[test]
    fn our_own_credentials_replace_the_clients_and_are_not_printed() {
        let mut credentials = HeaderValue::from_static("Basic emFz");
        credentials.set_sensitive(true);
        let theirs = headers(&[("authorization", "Basic x")]);
        let ours = super::changes(&theirs, Some(credentials), &Span::none());
        assert_eq!(ours.set[header::AUTHORIZATION], "Basic emFz");
        assert!(!format!("{ours:?}").contains("emFz"));
        assert!(!changes(&theirs).set.contains_key(header::AUTHORIZATION));
    }

    #[test]
    fn a_body_is_told_from_its_header() {
        let length = |length: &'static str| headers(&[("content-length", length)]);
        assert!(has_body(&Method::PUT, &length("5")) && !has_body(&Method::PUT, &length("0")));
        assert!(has_body(&Method::PATCH, &HeaderMap::new()));
        assert!(!has_body(&Method::GET, &HeaderMap::new()));
        assert!(has_body(&Method::GET, &headers(&[("transfer-encoding", "chunked")])));
    }

    #[test]
    fn a_declared_body_above_its_limit_is_refused_before_it_is_read() {
        let limits = Limits::default();
        let check = |method: Method, path: &str, length: &'static str| {
            let route = Route::parse(path).unwrap();
            BodyLimit::of(&route, &method, &limits).check(&headers(&[("content-length", length)]))
        };
        assert!(check(Method::PUT, "/v2/a/manifests/x", "4194304").is_ok());
        let error = check(Method::PUT, "/v2/a/manifests/x", "4194305").unwrap_err();
        assert_eq!((error.row().status, error.row().oci), (413, "SIZE_INVALID"));
        let error = check(Method::PATCH, "/v2/a/blobs/uploads/x", "68719476737").unwrap_err();
        assert_eq!((error.row().status, error.row().oci), (413, "SIZE_INVALID"));
        assert!(check(Method::GET, "/v2/a/manifests/x", "0").is_ok());
        assert_eq!(check(Method::GET, "/v2/a/manifests/x", "1").unwrap_err().row().status, 400);
        for odd in ["+5", "-1", "5, 5", "0x5", "", "99999999999999999999"] {
            assert_eq!(check(Method::PUT, "/v2/a/manifests/x", odd).unwrap_err().row().status, 400, "{odd}");
        }
    }
}
