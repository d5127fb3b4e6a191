//! How a handler's error leaves the router: written by [`super::Api::call`], which knows the request's id.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::error::{Code, Error, without_values};

/// An error on its way out.
#[derive(Debug, Clone)]
pub struct Refusal(Arc<Error>);

impl Refusal {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Error::from(code).into()
    }
}

/// What serde says names the field.
impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::EntityTooLarge,
            _ => Code::InvalidRequest,
        };
        Error::new(code, without_values(&rejection.body_text())).into()
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Error::new(Code::InvalidArgument, without_values(&rejection.body_text())).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
