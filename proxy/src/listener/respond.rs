//! Answers that the listener gives by itself, and what every answer carries.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use crate::error::{Error, RequestId, oci_json, our_json, s3_xml};
use crate::gateway::Door;

/// The request id, as S3 names it.
const AMZ_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// The request id, as everybody else does.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An error as the door that was knocked at renders it.
pub(super) fn render(error: &Error, path: &str, id: &RequestId) -> Response<Bytes> {
    // The method may not have been read yet; clients of STS read its errors as S3's.
    match Door::of(&Method::GET, path) {
        Door::Oci | Door::Token => oci_json(error, id),
        Door::Rest | Door::Logout => our_json(error, id),
        Door::S3 | Door::Sts => s3_xml(error, path, id),
    }
}

/// The request id as a header's value.
pub(super) fn id_value(id: &RequestId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// The names under which the request id travels.
pub(super) const ID_HEADERS: [HeaderName; 2] = [AMZ_REQUEST_ID, REQUEST_ID];

/// Puts the request id into a response.
pub(super) fn stamp(headers: &mut HeaderMap, id: &RequestId) {
    for name in ID_HEADERS {
        headers.insert(name, id_value(id));
    }
}

/// A whole HTTP/1.1 response that closes its connection: for requests that never became one.
pub(super) fn last_words(mut response: Response<Bytes>, id: &RequestId) -> Bytes {
    stamp(response.headers_mut(), id);
    let length = response.body().len();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut wire = BytesMut::with_capacity(512 + length);
    let status = response.status();
    wire.put_slice(format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or("")).as_bytes());
    for (name, value) in response.headers() {
        wire.put_slice(name.as_str().as_bytes());
        wire.put_slice(b": ");
        wire.put_slice(value.as_bytes());
        wire.put_slice(b"\r\n");
    }
    wire.put_slice(b"\r\n");
    wire.put_slice(response.body());
    wire.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn an_error_is_rendered_for_the_door_that_was_knocked_at() {
        let id = RequestId::generate();
        for (path, content_type) in
            [("/v2/x", "application/json"), ("/-/x", "application/json"), ("/b/k", "application/xml")]
        {
            let response = render(&Error::from(Code::SlowDown), path, &id);
            assert_eq!(response.headers()[header::CONTENT_TYPE], content_type, "{path}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "1", "{path}");
        }
    }

    #[test]
    fn last_words_are_a_whole_response_with_the_request_id() {
        let id = RequestId::generate();
        let wire = last_words(render(&Error::from(Code::InvalidRequest), "/", &id), &id);
        let text = String::from_utf8(wire.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("x-amz-request-id: {}", id.as_str())), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }
}
