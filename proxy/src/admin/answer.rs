//! [`Answer`]: the answer to a POST, held whole, so that it can be kept and given again.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::error::{Error, RequestId, Result, our_json};

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Headers that are kept: what the first answer said of what was done. All others are of their request.
const KEPT: [HeaderName; 4] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG, header::CACHE_CONTROL];

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    holds_secret: bool,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Written {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// JSON.
    /// # Errors
    /// `InternalError`: it cannot be written.
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Ok(Self { status, headers, body: body.into(), holds_secret: false })
    }

    /// That all is done, and nothing more.
    pub(super) const fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Bytes::new(), holds_secret: false }
    }

    /// An error, as its request is answered.
    pub(super) fn refused(error: &Error, request_id: &RequestId) -> Self {
        let (parts, body) = our_json(error, request_id).into_parts();
        let headers = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value))).collect();
        Self { status: parts.status, headers, body, holds_secret: false }
    }

    /// With a header.
    /// # Errors
    /// `InternalError`: the value is not one of a header.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Result<Self> {
        self.headers.push((name, HeaderValue::try_from(value).map_err(Error::internal)?));
        Ok(self)
    }

    /// With a secret in it: nobody between us and the client may keep it, and we ourselves not without sealing it.
    pub(super) fn secret(mut self) -> Self {
        self.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        self.holds_secret = true;
        self
    }

    /// Whether there is a secret in it.
    pub(super) const fn holds_secret(&self) -> bool {
        self.holds_secret
    }

    /// The status.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Given again.
    pub(super) fn replayed(mut self) -> Self {
        self.headers.push((REPLAYED, HeaderValue::from_static("true")));
        self
    }

    /// The bytes that are kept.
    /// # Errors
    /// `InternalError`: it is not text.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        let headers = self.headers.iter().filter(|(name, _)| KEPT.contains(name));
        let headers = headers.map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())));
        let headers = headers.collect::<Result<_, http::header::ToStrError>>().map_err(Error::internal)?;
        let body = String::from_utf8(self.body.to_vec()).map_err(Error::internal)?;
        serde_json::to_vec(&Written { status: self.status.as_u16(), headers, body }).map_err(Error::internal)
    }

    /// The answer that [`Self::write`] has written.
    /// # Errors
    /// `InternalError`: it has not.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let Written { status, headers, body } = serde_json::from_slice(bytes).map_err(Error::internal)?;
        let status = StatusCode::from_u16(status).map_err(Error::internal)?;
        let mut answer = Self { status, headers: Vec::new(), body: body.into(), holds_secret: false };
        for (name, value) in headers {
            answer = answer.with(HeaderName::try_from(name).map_err(Error::internal)?, &value)?;
        }
        Ok(answer)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        // Bytes bring along a type of their own.
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn an_answer_that_was_kept_reads_as_it_was_written() {
        let made = Answer::json(StatusCode::CREATED, &serde_json::json!({"secret": "ä"})).unwrap();
        let made = made.with(header::LOCATION, "/-/api/v1/buckets/b").unwrap().secret();
        let read = Answer::read(&made.write().unwrap()).unwrap();
        assert_eq!(read, Answer { holds_secret: false, ..made });
        let response = read.replayed().into_response();
        assert_eq!(
            (response.status(), response.headers()["cache-control"].as_bytes()),
            (StatusCode::CREATED, &b"no-store"[..])
        );
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["idempotency-replayed"], "true");
    }

    #[test]
    fn of_a_refusal_the_text_is_kept_and_not_when_to_come_again() {
        let error = Error::from(Code::NoSuchEntity).retry_after(std::time::Duration::from_secs(3));
        let refused = Answer::refused(&error, &RequestId::generate());
        let response = Answer::read(&refused.write().unwrap()).unwrap().into_response();
        assert_eq!((response.status(), response.headers().get("retry-after")), (StatusCode::NOT_FOUND, None));
        assert!(!Answer::done().into_response().headers().contains_key("content-type"));
    }
}
