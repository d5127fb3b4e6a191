//! Basic authentication (RFC 7617) with an access key: user is the id, password the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use zas_policy::Principal;

use super::AccessKeys;
use crate::error::{Code, Error, Result};

/// The principal of a request's `Authorization: Basic` header; anonymous where there is none.
///
/// # Errors
/// `Unauthenticated` for a wrong pair (the same for an unknown id and a wrong secret), `AuthorizationHeaderMalformed`
/// for a header that cannot be read, another scheme, or more than one header.
pub fn basic_principal(keys: &AccessKeys, headers: &HeaderMap) -> Result<Principal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Principal::Anonymous) };
    if values.next().is_some() {
        return Err(Error::new(Code::AuthorizationHeaderMalformed, "More than one Authorization header."));
    }
    let (id, secret) = parse(value.as_bytes()).ok_or(Code::AuthorizationHeaderMalformed)?;
    if keys.verify(&id, &secret) {
        return Ok(Principal::root(id));
    }
    Err(Error::new(Code::Unauthenticated, "Unknown access key or wrong secret."))
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
    use crate::config::{AccessKey, Secret};

    fn principal(values: &[&str]) -> Result<Principal> {
        let keys = AccessKeys::new(&[AccessKey {
            id: "AKIA".into(),
            secret: Some(Secret::new("0123456789abcdef")),
            secret_file: None,
        }]);
        let headers = values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap())).collect();
        basic_principal(&keys, &headers)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_known_pair_is_root() {
        assert_eq!(principal(&[&basic("AKIA:0123456789abcdef")]).unwrap(), Principal::root("AKIA"));
    }

    #[test]
    fn no_header_is_anonymous() {
        assert_eq!(principal(&[]).unwrap(), Principal::Anonymous);
    }

    #[test]
    fn an_unknown_key_and_a_wrong_secret_read_the_same() {
        let unknown = principal(&[&basic("NOPE:0123456789abcdef")]).unwrap_err();
        let wrong = principal(&[&basic("AKIA:nope")]).unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (wrong.code(), wrong.message()));
        assert_eq!(unknown.row().status, 401);
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused() {
        for values in [&["Bearer x"][..], &["Basic !!!"], &[&basic("nocolon")], &[&basic("a:b"), &basic("a:b")]] {
            assert_eq!(principal(values).unwrap_err().code(), Code::AuthorizationHeaderMalformed, "{values:?}");
        }
    }
}
