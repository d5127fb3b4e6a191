//! The spine: which door a request knocks at, and what answers it.
//!
//! Route, authenticate, authorise, dispatch. OCI requests are planned here and forwarded by the listener; everything
//! else is answered by a function of the request, with no socket in sight.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::error::RequestId;

/// What can go wrong with a body on its way.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request's or a response's body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What is known of a request besides what the client said; travels in the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request's id.
    pub request_id: RequestId,
    /// The client's address.
    pub peer: Option<std::net::SocketAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// Who answers a path (design: one port, four APIs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `/v2` and below: the OCI distribution API, forwarded.
    Oci,
    /// `/-/` and below: probes, metrics, management.
    Rest,
    /// Everything else: S3.
    S3,
}

impl Door {
    /// The door of a raw request path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path == "/v2" || path.starts_with("/v2/") {
            Self::Oci
        } else if path == "/-" || path.starts_with("/-/") {
            Self::Rest
        } else {
            Self::S3
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_to_their_doors() {
        for (path, door) in [
            ("/v2", Door::Oci),
            ("/v2/", Door::Oci),
            ("/v2/a/tags/list", Door::Oci),
            ("/v2x/key", Door::S3),
            ("/-/livez", Door::Rest),
            ("/-x", Door::S3),
            ("/", Door::S3),
            ("/bucket/v2/x", Door::S3),
        ] {
            assert_eq!(Door::of(path), door, "{path}");
        }
    }
}
