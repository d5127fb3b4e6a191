//! What must hold of a request before its signature is looked at: the holes of `s3s` 0.14, closed.
//!
//! `s3s` lets headers take effect that no signature covers, accepts Signature Version 2 and any lifetime of a presigned
//! URL, prefers one of two credentials silently, and does not know regions. Here each of these is refused, on the request's
//! head alone.
//! What does not live here: the signature itself (`s3s`), and who may do what (`access`).

mod credentials;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::checksum;
use crate::config;
use crate::error::{Code, Error, Result};
use credentials::{Signed, Source};

/// Headers that need no signature: `x-amz-content-sha256` is bound to the body and, with header authentication, part of
/// what is signed; browsers' SDKs add `x-amz-user-agent`, which means nothing.
const EXEMPT: [&str; 2] = ["x-amz-content-sha256", "x-amz-user-agent"];

/// Headers that are lists. The AWS SDK for Go sends `aws-chunked` beside the application's `content-encoding`.
const LISTS: [&str; 5] = [
    "cache-control",
    "content-encoding",
    "content-language",
    "x-amz-object-attributes",
    "x-amz-optional-object-attributes",
];

/// What a signature is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    Sts,
}

/// Refuses what must not reach `s3s`; moves signed query parameters that stand for headers to where `s3s` reads them. Gives the
/// access key id that the request says to be signed with.
///
/// # Errors
/// A code of the authentication family, `InvalidRequest`, or `MethodNotAllowed` for forms that are posted to anything but a bucket.
pub(super) fn check(parts: &mut Parts, config: &config::S3, service: Service) -> Result<Option<String>> {
    refuse_forms(parts)?;
    let query = query(parts);
    refuse_ambiguous_headers(&parts.headers)?;
    let Some(signed) = credentials::of(&parts.headers, &query)? else {
        refuse_session_tokens(&parts.headers, &query)?;
        refuse_anonymous_overrides(&query)?;
        return Ok(None);
    };
    signed.check_scope(config, service)?;
    check_signed_headers(parts, &signed)?;
    if let Source::Query { .. } = signed.source {
        signed.check_lifetime(config)?;
        hoist(&mut parts.headers, &query)?;
    }
    Ok(Some(signed.access_key_id))
}

/// The same for a request of somebody who is known without a signature.
///
/// # Errors
/// As [`check`]; `InvalidArgument` where there is a signature too.
pub(super) fn check_proven(parts: &Parts) -> Result<()> {
    refuse_forms(parts)?;
    let query = query(parts);
    refuse_session_tokens(&parts.headers, &query)?;
    refuse_ambiguous_headers(&parts.headers)?;
    match credentials::of(&parts.headers, &query)? {
        Some(_) => {
            Err(Error::new(Code::InvalidArgument, "Only one auth mechanism allowed: a bearer token or a signature."))
        }
        None => Ok(()),
    }
}

/// Refuses what has no place in the header of a form, whose fields say everything: they are what its policy is about, and what is signed.
///
/// # Errors
/// `InvalidArgument`: a signature that is not the form's; `InvalidRequest`; `UnsignedHeader`; `NotImplemented`: a condition.
pub(super) fn check_form(parts: &Parts) -> Result<()> {
    refuse_ambiguous_headers(&parts.headers)?;
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let text = "Only one auth mechanism allowed: a form is signed by its own fields.";
        return Err(Error::new(Code::InvalidArgument, text));
    }
    let mut unsigned = parts.headers.keys().filter(|name| matters(name) && !EXEMPT.contains(&name.as_str()));
    if let Some(name) = unsigned.next() {
        return Err(Error::from(Code::UnsignedHeader).with("HeadersNotSigned", name));
    }
    match [header::IF_MATCH, header::IF_NONE_MATCH].iter().find(|name| parts.headers.contains_key(*name)) {
        Some(name) => Err(Error::new(Code::NotImplemented, format!("The header {name} is not implemented for forms."))),
        None => Ok(()),
    }
}

/// The access key that a form says to be signed with, and the day of its signature.
///
/// # Errors
/// `AuthorizationQueryParametersError`: it cannot be read, or is for another region or service.
pub(super) fn check_form_credential(credential: &str, config: &config::S3) -> Result<(String, String)> {
    let signed = credentials::of_form(credential)?;
    signed.check_scope(config, Service::S3)?;
    Ok((signed.access_key_id, signed.day))
}

/// Makes one header of each list that some clients send value by value: that is the same list (RFC 9110, section 5.3), and what is
/// signed is the same too.
pub(super) fn join_lists(headers: &mut HeaderMap) {
    for name in LISTS {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        if values.len() < 2 {
            continue;
        }
        if let Ok(joined) = HeaderValue::from_bytes(&values.join(b",".as_slice())) {
            headers.insert(name, joined);
        }
    }
}

fn query(parts: &Parts) -> Vec<(String, String)> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Forms are posted to a bucket, which `post_object` answers; anywhere else they are an attack.
fn refuse_forms(parts: &Parts) -> Result<()> {
    if parts.method == Method::POST && is_form(&parts.headers) {
        return Err(Error::new(Code::MethodNotAllowed, "A form can be posted to a bucket alone, and without a query."));
    }
    Ok(())
}

/// Whether a body is a form with files, or something like it.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    content_type.trim_ascii_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart"))
}

/// A session token means nothing without the signature of its key.
fn refuse_session_tokens(headers: &HeaderMap, query: &[(String, String)]) -> Result<()> {
    let in_query = query.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"));
    if in_query || headers.contains_key("x-amz-security-token") {
        return Err(Code::InvalidToken.into());
    }
    Ok(())
}

/// Two values of one header could be signed as one and read as the other; a value that is no text is not signed at all.
fn refuse_ambiguous_headers(headers: &HeaderMap) -> Result<()> {
    for name in headers.keys() {
        if !matters(name) && !matches!(name.as_str(), "host" | "content-length" | "content-md5" | "range") {
            continue;
        }
        let mut values = headers.get_all(name).iter();
        let is_text = values.next().is_none_or(|value| std::str::from_utf8(value.as_bytes()).is_ok());
        if values.next().is_some() {
            return Err(Error::new(Code::InvalidRequest, format!("The header {name} was sent more than once.")));
        }
        if !is_text {
            return Err(Error::new(Code::InvalidArgument, format!("The value of the header {name} is no UTF-8.")));
        }
    }
    Ok(())
}

/// Overrides let a link dress any object as any content: AWS wants to know who made the link.
fn refuse_anonymous_overrides(query: &[(String, String)]) -> Result<()> {
    if query.iter().any(|(name, _)| name.starts_with("response-")) {
        return Err(Error::new(
            Code::InvalidRequest,
            "Request specific response headers cannot be used for anonymous GET requests.",
        ));
    }
    Ok(())
}

/// Whether a header changes what a request does.
fn matters(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-amz-") || name.starts_with("x-zas-")
}

fn check_signed_headers(parts: &Parts, signed: &Signed) -> Result<()> {
    let covers = |name: &str| signed.headers.iter().any(|header| header == name);
    if !covers("host") {
        return Err(
            Error::new(Code::UnsignedHeader, "The Host header must be signed.").with("HeadersNotSigned", "host")
        );
    }
    let mut unsigned: Vec<&str> = parts
        .headers
        .keys()
        .filter(|name| matters(name) && !EXEMPT.contains(&name.as_str()) && !covers(name.as_str()))
        .map(HeaderName::as_str)
        .collect();
    if !unsigned.is_empty() {
        unsigned.sort_unstable();
        return Err(Error::from(Code::UnsignedHeader).with("HeadersNotSigned", unsigned.join(", ")));
    }
    // `s3s` leaves a signed header that is not there out of what it computes; so a name could be added to the list.
    let absent = |name: &&String| *name != "host" && !parts.headers.contains_key(name.as_str());
    match signed.headers.iter().find(absent) {
        Some(name) => {
            Err(Error::new(Code::SignatureDoesNotMatch, format!("The signed header {name} is not in the request.")))
        }
        None => Ok(()),
    }
}

/// SDKs put headers into the query of a presigned URL (`x-amz-meta-a=1`), where they are signed with it. S3 reads them
/// as headers; without this they would be lost in silence.
///
/// The SDK for JavaScript knows no body when it presigns, and writes the checksum of no bytes: that says nothing about the body
/// that will be sent. AWS verifies no checksum of a query; here one that was made of bytes is.
fn hoist(headers: &mut HeaderMap, query: &[(String, String)]) -> Result<()> {
    let of_nothing = query.iter().any(|(name, value)| checksum::is_of_nothing(name, value));
    for (name, value) in query {
        let says_nothing = checksum::is_of_nothing(name, value)
            || (of_nothing && name.eq_ignore_ascii_case("x-amz-sdk-checksum-algorithm"));
        let name = name.to_ascii_lowercase();
        let is_own = credentials::PARAMETERS.iter().any(|own| own.eq_ignore_ascii_case(&name));
        if !name.starts_with("x-amz-") || is_own || says_nothing {
            continue;
        }
        let invalid = || Error::new(Code::InvalidArgument, "A query parameter that stands for a header is no header.");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_str(value).map_err(|_| invalid())?;
        match headers.get(&header) {
            Some(same) if *same == value => {}
            Some(_) => {
                return Err(Error::new(Code::InvalidRequest, format!("{header} differs between query and header.")));
            }
            None => drop(headers.insert(header, value)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
