//! How answers are put together.

use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use crate::{
    body::{self, Body},
    error::{ApiError, Code},
};

pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(crate) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub(crate) const DOCKER_DISTRIBUTION_API_VERSION: HeaderName =
    HeaderName::from_static("docker-distribution-api-version");
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// What a handler comes to.
pub(crate) type Answer = Result<Response<Body>, ApiError>;

/// An answer without a body.
pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
}

/// An answer of JSON.
pub(crate) fn json(content_type: &'static str, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|error| ApiError::new(Code::Unknown, error.to_string()))?;
    let mut response = Response::new(body::full(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// A header whose value was computed.
pub(crate) trait WithHeader: Sized {
    /// Adds a header; the value must be visible ASCII, which everything that the registry makes is.
    fn with(self, name: HeaderName, value: impl ToString) -> Result<Self, ApiError>;
}

impl WithHeader for Response<Body> {
    fn with(mut self, name: HeaderName, value: impl ToString) -> Result<Self, ApiError> {
        self.headers_mut().append(name, header_value(value)?);
        Ok(self)
    }
}

/// A header value from anything that can be written.
pub(crate) fn header_value(value: impl ToString) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(value.to_string()).map_err(|error| ApiError::new(Code::Unknown, error.to_string()))
}
