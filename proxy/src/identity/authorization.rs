//! The `Authorization` header (RFC 9110, section 11.6.2): Basic (RFC 7617) with an access key or with a token as password, or
//! Bearer (RFC 6750) with a token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

use crate::config::Secret;
use crate::error::{Code, Error, Result};

/// What a request shows of who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    /// User and password, which stand around the first colon.
    Basic { user: String, password: Secret },
    /// A token.
    Bearer(Secret),
}

/// Reads a request's header; none where there is none.
///
/// # Errors
/// `AuthorizationHeaderMalformed` for a header that cannot be read, another scheme, or more than one header.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<Authorization>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::new(Code::AuthorizationHeaderMalformed, "More than one Authorization header."));
    }
    parse(value.as_bytes()).map(Some).ok_or_else(|| Code::AuthorizationHeaderMalformed.into())
}

fn parse(value: &[u8]) -> Option<Authorization> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty() && !rest.contains(' ')).then(|| Authorization::Bearer(Secret::new(rest)));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Authorization::Basic { user: user.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<Authorization>> {
        authorization(&values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap())).collect())
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn user_and_password_are_what_stands_around_the_first_colon() {
        let pair = Authorization::Basic { user: "AKIA".into(), password: Secret::new("a:b") };
        assert_eq!(read(&[&basic("AKIA:a:b")]).unwrap(), Some(pair));
        assert_eq!(read(&["bearer  a.b.c"]).unwrap(), Some(Authorization::Bearer(Secret::new("a.b.c"))));
        assert_eq!(read(&[]).unwrap(), None);
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused() {
        let two = [&basic("a:b")[..], &basic("a:b")];
        for values in [&["Bearer "][..], &["Bearer a b"], &["Digest x"], &["Basic !!!"], &[&basic("nocolon")], &two] {
            assert_eq!(read(values).unwrap_err().code(), Code::AuthorizationHeaderMalformed, "{values:?}");
        }
    }
}
