//! The three renderings of an [`Error`]: S3 XML, OCI JSON, our own JSON.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::json;

use super::{Code, Error, Problem};

/// What our own API takes (RFC 9110, section 11.6.1).
const CHALLENGE: &str = "Basic realm=\"Zot Artifact Store\", charset=\"UTF-8\", Bearer";

/// The id of one request, in every answer and every log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// A fresh id: a time-ordered UUID without dashes.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An S3 error document (AWS, "REST error responses"). `resource` is the path that was asked for. Details whose names
/// begin with a capital letter are elements of S3's own (`Region`, `MinSizeAllowed`).
#[must_use]
pub fn s3_xml(error: &Error, resource: &str, request_id: &RequestId) -> Response<Bytes> {
    let elements: String = error
        .details()
        .filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|(name, value)| format!("<{name}>{}</{name}>", escape_xml(value)))
        .collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>{elements}<Resource>{}</Resource><RequestId>{}</RequestId></Error>",
        error.row().s3,
        escape_xml(error.message()),
        escape_xml(resource),
        request_id.as_str()
    );
    response(error, error.row().status, "application/xml", body)
}

/// An OCI error document (distribution-spec 1.1, "Error codes").
#[must_use]
pub fn oci_json(error: &Error, request_id: &RequestId) -> Response<Bytes> {
    let body = json!({"errors": [{
        "code": error.row().oci,
        "message": error.message(),
        "detail": {"reason": error.row().label, "request_id": request_id.as_str()},
    }]});
    response(error, status_elsewhere(error.code()), "application/json", body.to_string())
}

/// Our own error document, for everything under `/-/`.
#[must_use]
pub fn our_json(error: &Error, request_id: &RequestId) -> Response<Bytes> {
    let (row, status) = (error.row(), status_elsewhere(error.code()));
    let details: serde_json::Map<_, _> = error.details().map(|(k, v)| (k.to_owned(), v.into())).collect();
    let mut body = json!({
        "type": row.kind.as_str(),
        "code": row.label,
        "message": error.message(),
        "details": details,
        "retryable": row.retryable,
        "http_status": status,
        "request_id": request_id.as_str(),
    });
    if !error.problems().is_empty() {
        let problem =
            |problem: &Problem| json!({"field": problem.field, "rule": problem.rule, "message": problem.message});
        let problems = error.problems().iter().map(problem).collect();
        if let Some(body) = body.as_object_mut() {
            body.insert("problems".to_owned(), problems);
        }
    }
    let mut response = response(error, status, "application/json", body.to_string());
    if status == 401 {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    response
}

/// The status of an error at every door but S3's: too many requests are 429 (RFC 6585, section 4), and too large a body is 413
/// (RFC 9110, section 15.5.14), where S3 has statuses of its own.
pub(crate) const fn status_elsewhere(code: Code) -> u16 {
    match code {
        Code::RateExceeded | Code::DeniedTooOften => 429,
        Code::EntityTooLarge | Code::MaxMessageLengthExceeded => 413,
        _ => code.row().status,
    }
}

fn response(error: &Error, status: u16, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut out = Response::new(Bytes::from(body));
    *out.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    out.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(seconds) = error.retry_after_seconds() {
        out.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    out
}

/// Escapes text for XML; characters that XML 1.0 cannot hold become U+FFFD.
pub(crate) fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_s3_error_escapes_what_the_client_sent() {
        let error = Error::from(Code::NoSuchKey);
        let answer = s3_xml(&error, "/b/<script>&\u{0}", &RequestId::generate());
        let body = String::from_utf8(answer.body().to_vec()).unwrap();
        assert!(body.contains("<Resource>/b/&lt;script&gt;&amp;\u{fffd}</Resource>"), "{body}");
        assert_eq!(answer.status(), 404);
    }

    #[test]
    fn an_oci_error_has_the_code_of_the_specification() {
        let answer = oci_json(&Error::from(Code::NameUnknown), &RequestId::generate());
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["errors"][0]["code"], "NAME_UNKNOWN");
    }

    #[test]
    fn our_own_error_has_every_promised_field() {
        let id = RequestId::generate();
        let answer = our_json(&Error::from(Code::IndexUnavailable), &id);
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        for field in ["type", "code", "message", "details", "retryable", "http_status", "request_id"] {
            assert!(body.get(field).is_some(), "{field} is missing");
        }
        assert_eq!(body["type"], "storage");
        assert_eq!(answer.headers()["retry-after"], "1");
    }
}
