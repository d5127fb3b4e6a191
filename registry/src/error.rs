//! What can go wrong: [`Error`] when a registry is opened or served, [`ApiError`] as the answer to a request. The
//! codes are those of the distribution specification.

use std::{borrow::Cow, io, net::SocketAddr, path::PathBuf};

use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::json;

use crate::{
    body::{self, Body},
    digest::InvalidDigest,
    faults::Cut,
    name::{InvalidName, InvalidReference},
};

/// A registry could not be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The root folder, or something in it, could not be read or made.
    #[error("the registry folder {path} cannot be used: {source}")]
    Folder {
        /// What was being read or made.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another registry, in this process or another, has the folder open.
    #[error("the registry folder {0} is in use by another registry")]
    InUse(PathBuf),
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// An error code of the distribution specification, and `UNKNOWN` for faults of the registry itself, which the
/// specification has no code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unsupported,
    TooManyRequests,
    Unknown,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The status that goes with the code unless a place says otherwise.
    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown | Self::BlobUploadUnknown | Self::ManifestUnknown | Self::NameUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestInvalid
            | Self::ManifestBlobUnknown
            | Self::NameInvalid
            | Self::SizeInvalid => StatusCode::BAD_REQUEST,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A request that is answered with an error. Boxed, because results of it are everywhere and it is rare.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: Code,
    message: Cow<'static, str>,
    detail: serde_json::Value,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// An injected fault wants the connection closed in place of this answer.
    cut: bool,
    source: Option<io::Error>,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            status: code.status(),
            code,
            message: message.into(),
            detail: serde_json::Value::Null,
            headers: Vec::new(),
            cut: false,
            source: None,
        }))
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    pub(crate) fn detail(mut self, detail: serde_json::Value) -> Self {
        self.0.detail = detail;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A bound is reached; the client may try again.
    pub(crate) fn too_many(message: &'static str) -> Self {
        Self::new(Code::TooManyRequests, message).header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The connection is closed without an answer.
    pub(crate) fn cut() -> Self {
        let mut error = Self::new(Code::Unknown, "connection cut by an injected fault");
        error.0.cut = true;
        error
    }

    /// The rest of the request cannot be understood any more, so the connection must not be used again.
    pub(crate) fn closing(self) -> Self {
        self.header(CONNECTION, HeaderValue::from_static("close"))
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let parts = *self.0;
        if let Some(source) = &parts.source {
            tracing::error!(error = %source, "the registry could not serve a request");
        }
        let error = json!({ "code": parts.code.as_str(), "message": parts.message, "detail": parts.detail });
        let mut response = Response::new(body::full(json!({ "errors": [error] }).to_string()));
        *response.status_mut() = parts.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(parts.headers);
        if parts.cut {
            response.extensions_mut().insert(Cut);
        }
        response
    }
}

impl From<io::Error> for ApiError {
    fn from(source: io::Error) -> Self {
        let mut error = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(Code::Unknown, "the registry's storage is full").status(StatusCode::INSUFFICIENT_STORAGE)
            }
            _ => Self::new(Code::Unknown, "the registry failed to read or write its storage"),
        };
        error.0.source = Some(source);
        error
    }
}

impl From<InvalidDigest> for ApiError {
    fn from(error: InvalidDigest) -> Self {
        Self::new(Code::DigestInvalid, error.to_string())
    }
}

impl From<InvalidName> for ApiError {
    fn from(error: InvalidName) -> Self {
        Self::new(Code::NameInvalid, error.to_string())
    }
}

impl From<InvalidReference> for ApiError {
    fn from(error: InvalidReference) -> Self {
        match error {
            InvalidReference::Digest(digest) => digest.into(),
            InvalidReference::Tag => Self::new(Code::ManifestInvalid, error.to_string()),
        }
    }
}
