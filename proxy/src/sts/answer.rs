//! Answers as STS writes them (AWS, "AWS STS API Reference"; errors: "Common error types").

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Code, Error, RequestId, escape_xml};
use crate::gateway::{Body, full};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The result of an action: elements with their texts, in the order that AWS has.
#[derive(Debug)]
pub(super) struct Answer {
    action: &'static str,
    elements: String,
}

impl Answer {
    /// Of an action.
    pub(super) const fn new(action: &'static str) -> Self {
        Self { action, elements: String::new() }
    }

    /// An element with a text.
    #[must_use]
    pub(super) fn with(mut self, name: &str, text: &str) -> Self {
        self.elements += &element(name, text);
        self
    }

    /// An element with elements.
    #[must_use]
    pub(super) fn with_all(mut self, name: &str, inner: &[(&str, &str)]) -> Self {
        let inner: String = inner.iter().map(|(name, text)| element(name, text)).collect();
        self.elements += &format!("<{name}>{inner}</{name}>");
        self
    }
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape_xml(text))
}

/// A time as STS writes it: RFC 3339, in whole seconds.
pub(super) fn time(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

/// The document of a result. Nobody between us and the client may keep it.
pub(super) fn success(answer: &Answer, request_id: &RequestId) -> Response<Body> {
    let Answer { action, elements } = answer;
    let document = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{elements}</{action}Result><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
        request_id.as_str()
    );
    response(200, document, request_id)
}

/// The document of an error.
pub(super) fn failure(error: &Error, request_id: &RequestId) -> Response<Body> {
    let row = error.row();
    let (status, code) = name(error.code()).unwrap_or((row.status, row.s3));
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let document = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        escape_xml(error.message()),
        request_id.as_str()
    );
    let mut response = response(status, document, request_id);
    if let Some(seconds) = error.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What STS calls what S3 calls otherwise.
const fn name(code: Code) -> Option<(u16, &'static str)> {
    Some(match code {
        Code::BearerTokenRejected => (400, "InvalidIdentityToken"),
        Code::BearerTokenExpired => (400, "ExpiredTokenException"),
        Code::IssuerUnavailable | Code::TokenKeyUnknown => (400, "IDPCommunicationError"),
        Code::ExpiredToken => (403, "ExpiredToken"),
        Code::InvalidToken | Code::InvalidAccessKeyId => (403, "InvalidClientTokenId"),
        Code::MalformedPolicy => (400, "MalformedPolicyDocument"),
        Code::InvalidArgument => (400, "ValidationError"),
        Code::Unauthenticated => (403, "MissingAuthenticationToken"),
        _ => return None,
    })
}

fn response(status: u16, document: String, request_id: &RequestId) -> Response<Body> {
    let length = document.len();
    let mut response = Response::new(full(Bytes::from(document)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}
