//! Answers that are errors: ours and those of `s3s`, all written by the one error table.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::conditions::http_date;
use crate::error::{Code, Error, RequestId, Result, s3_xml};
use crate::gateway::Body;

/// What an answer must know of its request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) request_id: RequestId,
}

/// The longest error document that `s3s` writes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// The longest document of an object's attributes: 1,000 parts, each with all of its checksums.
const MAX_ATTRIBUTES: usize = 1024 * 1024;

/// A body of no bytes.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// An error as S3 clients read it.
pub(super) fn failure(error: &Error, asked: &Asked) -> Response<Body> {
    let (mut parts, document) = s3_xml(error, &asked.path, &asked.request_id).into_parts();
    let bodiless = asked.method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    if parts.status == StatusCode::NOT_MODIFIED {
        parts.headers.remove(header::CONTENT_TYPE);
    }
    describe(error, &mut parts.headers);
    add_request_id(&mut parts.headers, &asked.request_id);
    if bodiless {
        return Response::from_parts(parts, empty());
    }
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    Response::from_parts(parts, Full::new(document).map_err(|never| match never {}).boxed_unsync())
}

/// Facts of the error that HTTP has headers for.
fn describe(error: &Error, headers: &mut HeaderMap) {
    for (name, value) in error.details() {
        let (name, value) = match (error.code(), name) {
            (Code::NotModified, "ETag") => (header::ETAG, value.to_owned()),
            (Code::NotModified, "Last-Modified") => (header::LAST_MODIFIED, value.to_owned()),
            (Code::InvalidRange, "ActualObjectSize") => (header::CONTENT_RANGE, format!("bytes */{value}")),
            (Code::NoSuchKey | Code::MethodNotAllowed, "DeleteMarker") => {
                (HeaderName::from_static("x-amz-delete-marker"), value.to_owned())
            }
            (Code::NoSuchKey | Code::MethodNotAllowed, "VersionId") => {
                (HeaderName::from_static("x-amz-version-id"), value.to_owned())
            }
            (Code::MethodNotAllowed, "since") => match OffsetDateTime::parse(value, &Rfc3339) {
                Ok(since) => (header::LAST_MODIFIED, http_date(since)),
                Err(_) => continue,
            },
            (_, "Region") => (HeaderName::from_static("x-amz-bucket-region"), value.to_owned()),
            _ => continue,
        };
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    let is_marker = error.details().any(|(name, _)| name == "DeleteMarker");
    if error.code() == Code::MethodNotAllowed && is_marker {
        headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
    }
}

/// Every answer says which request it is for.
pub(super) fn add_request_id(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert("x-amz-request-id", value);
    }
}

/// GetObjectAttributes alone gives an ETag without its quotes; `s3s` writes them always.
///
/// # Errors
/// `InternalError` where the document cannot be read.
pub(super) async fn with_bare_etag(answer: s3s::HttpResponse) -> Result<s3s::HttpResponse> {
    let (parts, mut body) = answer.into_parts();
    let document = body.store_all_limited(MAX_ATTRIBUTES).await;
    let document = document.map_err(|error| Error::internal("the attributes cannot be written").source(error))?;
    let text = String::from_utf8_lossy(&document).replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>");
    Ok(Response::from_parts(parts, s3s::Body::from(text)))
}

/// What `s3s` says is wrong, in our words.
pub(crate) async fn error_of_s3s(response: s3s::HttpResponse) -> Error {
    let status = response.status();
    let mut body = response.into_body();
    let document = body.store_all_limited(MAX_DOCUMENT).await.unwrap_or_default();
    translate(status, &element(&document, "Code"), element(&document, "Message"))
}

fn translate(status: StatusCode, code: &str, message: String) -> Error {
    let code = match code {
        "AccessDenied" if message == "Request has expired" => Code::ExpiredRequest,
        "AccessDenied" => Code::AccessDenied,
        "SignatureDoesNotMatch" => Code::SignatureDoesNotMatch,
        "InvalidAccessKeyId" => Code::InvalidAccessKeyId,
        "RequestTimeTooSkewed" => Code::RequestTimeTooSkewed,
        "InvalidURI" => Code::InvalidUri,
        "InvalidBucketName" => Code::InvalidBucketName,
        "KeyTooLongError" => Code::KeyTooLong,
        "InvalidArgument" => Code::InvalidArgument,
        "MalformedXML" => Code::MalformedXml,
        "MissingRequestBodyError" => Code::MissingRequestBody,
        "MaxMessageLengthExceeded" => Code::MaxMessageLengthExceeded,
        "MissingContentLength" => Code::MissingContentLength,
        "IncompleteBody" => Code::IncompleteBody,
        "MethodNotAllowed" => Code::MethodNotAllowed,
        // The message would be about hosts; the reader wants to know that there is no such operation.
        "NotImplemented" => return Error::new(Code::NotImplemented, "There is no such operation here."),
        "InvalidRequest" => Code::InvalidRequest,
        other if status.is_client_error() => return Error::from(Code::InvalidRequest).detail(other).detail(message),
        other => return Error::internal(format!("s3s answered {status} {other}: {message}")),
    };
    // The table's text is better than none, and better than one that names the computed signature's parts.
    let own = matches!(code, Code::InvalidArgument | Code::InvalidRequest) && !message.is_empty();
    if own { Error::new(code, message) } else { Error::from(code) }
}

/// The text of the first element of a name.
fn element(document: &Bytes, name: &str) -> String {
    let text = String::from_utf8_lossy(document);
    let found = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    let escaped = found.map(|(value, _)| value).unwrap_or_default();
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(escaped.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method) -> Asked {
        Asked { method, path: "/b/k".into(), request_id: RequestId::generate() }
    }

    #[tokio::test]
    async fn an_error_has_a_document_with_resource_and_request_id() {
        let asked = asked(Method::GET);
        let answer = failure(&Code::NoSuchKey.into(), &asked);
        assert_eq!(answer.headers()["x-amz-request-id"], asked.request_id.as_str());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(element(&body, "Code"), "NoSuchKey");
        assert_eq!(element(&body, "Resource"), "/b/k");
        assert_eq!(element(&body, "RequestId"), asked.request_id.as_str());
    }

    #[tokio::test]
    async fn an_answer_to_head_has_no_body() {
        let answer = failure(&Code::NoSuchKey.into(), &asked(Method::HEAD));
        assert_eq!(answer.status(), 404);
        assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn an_etag_among_attributes_has_no_quotes() {
        let document = "<A><ETag>\"abc-2\"</ETag><StorageClass>\"</StorageClass></A>".to_owned();
        let answer = with_bare_etag(Response::new(s3s::Body::from(document))).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "<A><ETag>abc-2</ETag><StorageClass>\"</StorageClass></A>");
    }

    #[test]
    fn a_304_has_validators_and_no_content_type() {
        let error = Error::from(Code::NotModified).with("ETag", "\"x\"").with("Last-Modified", "then");
        let answer = failure(&error, &asked(Method::GET));
        assert_eq!(answer.status(), 304);
        assert_eq!(answer.headers()["etag"], "\"x\"");
        assert_eq!(answer.headers()["last-modified"], "then");
        assert!(!answer.headers().contains_key("content-type"));
    }

    #[test]
    fn a_405_says_of_a_delete_marker_since_when_it_is_there_and_that_it_can_be_deleted() {
        let of_marker =
            |code: Code| Error::from(code).with("DeleteMarker", true).with("since", "2026-11-25T12:00:00.5Z");
        let answer = failure(&of_marker(Code::MethodNotAllowed), &asked(Method::HEAD));
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "DELETE");
        assert_eq!(answer.headers()["last-modified"], "Wed, 25 Nov 2026 12:00:00 GMT");
        for other in [of_marker(Code::NoSuchKey), Error::from(Code::MethodNotAllowed)] {
            let answer = failure(&other, &asked(Method::GET));
            assert!(!answer.headers().contains_key("allow") && !answer.headers().contains_key("last-modified"));
        }
    }

    #[test]
    fn a_416_says_how_long_the_object_is() {
        let error = Error::from(Code::InvalidRange).with("ActualObjectSize", 7);
        assert_eq!(failure(&error, &asked(Method::GET)).headers()["content-range"], "bytes */7");
    }

    #[test]
    fn what_s3s_says_becomes_a_code_of_the_table() {
        for (said, code) in [
            ("SignatureDoesNotMatch", Code::SignatureDoesNotMatch),
            ("MalformedXML", Code::MalformedXml),
            ("NotImplemented", Code::NotImplemented),
            ("SomethingNew", Code::InvalidRequest),
        ] {
            assert_eq!(translate(StatusCode::BAD_REQUEST, said, String::new()).code(), code);
        }
        let expired = translate(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired".into());
        assert_eq!(expired.code(), Code::ExpiredRequest);
        let fault = translate(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "x".into());
        assert_eq!(fault.code(), Code::InternalError);
    }
}
