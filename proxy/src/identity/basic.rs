//! Basic authentication (RFC 7617) with an access key: user is the id, password the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

use crate::error::{Code, Error, Result};

/// User and password of a request's `Authorization: Basic` header; none where there is no such header.
///
/// # Errors
/// `AuthorizationHeaderMalformed` for a header that cannot be read, another scheme, or more than one header.
pub(super) fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::new(Code::AuthorizationHeaderMalformed, "More than one Authorization header."));
    }
    parse(value.as_bytes()).map(Some).ok_or_else(|| Code::AuthorizationHeaderMalformed.into())
}

fn parse(value: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(values: &[&str]) -> Result<Option<(String, String)>> {
        basic_credentials(&values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap())).collect())
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn user_and_password_are_what_stands_around_the_first_colon() {
        let read = credentials(&[&basic("AKIA:a:b")]).unwrap();
        assert_eq!(read, Some(("AKIA".to_owned(), "a:b".to_owned())));
        assert_eq!(credentials(&[]).unwrap(), None);
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused() {
        for values in [&["Bearer x"][..], &["Basic !!!"], &[&basic("nocolon")], &[&basic("a:b"), &basic("a:b")]] {
            assert_eq!(credentials(values).unwrap_err().code(), Code::AuthorizationHeaderMalformed, "{values:?}");
        }
    }
}
