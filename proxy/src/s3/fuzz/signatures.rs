//! Credentials, in the header or in the query, before anything is asked for a secret. A seed is the head of a request: method and target,
//! then headers, each in a line.
//!
//! `s3s` reads the same request after us: it must ask for the secret of the access key that we found, or for none.

use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use http::{HeaderMap, Request, header};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::{Read, Verdict};
use crate::config;
use crate::s3::guard::{self, Service};

/// What needs no signature.
const EXEMPT: [&str; 2] = ["x-amz-content-sha256", "x-amz-user-agent"];

/// The parameters that are the signature.
const OWN: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"];

/// The longest lifetime of a presigned URL, in seconds.
const WEEK: u64 = 7 * 24 * 3600;

/// Signatures in the header.
pub(super) fn check_header(input: &[u8]) -> Verdict {
    check(input, false)
}

/// Presigned queries.
pub(super) fn check_query(input: &[u8]) -> Verdict {
    check(input, true)
}

fn check(input: &[u8], in_query: bool) -> Verdict {
    let Some(mut parts) = head(input) else { return Ok(Read::Refused) };
    let (sent, query) = (parts.headers.clone(), query(&parts));
    let found = match guard::check(&mut parts, &config::S3::default(), Service::S3) {
        Ok(found) => found,
        Err(error) => {
            let status = error.row().status;
            ensure!((400..500).contains(&status) || status == 501, "refused with {status}: {error:?}");
            return Ok(Read::Refused);
        }
    };
    let asked_for = secrets_asked_for(&parts);
    ensure!(asked_for.iter().all(|key| Some(key) == found.as_ref()), "{found:?} is found, {asked_for:?} asked for");
    let is_presigned = has(&query, "x-amz-signature");
    ensure!(!(is_presigned && sent.contains_key(header::AUTHORIZATION)), "there are two credentials");
    let Some(key) = found else {
        check_anonymous(&sent, &query)?;
        return Ok(Read::Refused);
    };
    ensure!(!key.is_empty(), "the access key has no name");
    let signed = if is_presigned { signed_by_query(&query) } else { signed_by_header(&sent) };
    check_signed(&sent, &signed.ok_or("nothing says what is signed")?)?;
    if is_presigned {
        check_presigned(&parts.headers, &query)?;
    }
    Ok(if is_presigned == in_query { Read::Taken } else { Read::Refused })
}

/// Method, target and headers.
fn head(input: &[u8]) -> Option<Parts> {
    let (first, rest) = input.split_at_checked(input.iter().position(|byte| *byte == b'\n')?)?;
    let (method, target) = std::str::from_utf8(first).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target.trim()).body(()).ok()?;
    *request.headers_mut() = super::headers(rest)?;
    Some(request.into_parts().0)
}

fn query(parts: &Parts) -> Vec<(String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn has(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// Nothing is there that says who asks.
fn check_anonymous(sent: &HeaderMap, query: &[(String, String)]) -> Result<(), String> {
    ensure!(!sent.contains_key(header::AUTHORIZATION), "a credential is overlooked");
    ensure!(!sent.contains_key("x-amz-security-token"), "a session token is overlooked");
    for name in ["x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid", "signature"] {
        ensure!(!has(query, name), "{name} is overlooked");
    }
    ensure!(!has(query, "x-amz-security-token"), "a session token is overlooked");
    Ok(())
}

fn signed_by_header(sent: &HeaderMap) -> Option<Vec<String>> {
    let value = sent.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256")?;
    let names = value.split(',').find_map(|field| field.trim().strip_prefix("SignedHeaders="))?;
    Some(names.split(';').map(str::to_ascii_lowercase).collect())
}

fn signed_by_query(query: &[(String, String)]) -> Option<Vec<String>> {
    let (_, names) = query.iter().find(|(name, _)| name == "X-Amz-SignedHeaders")?;
    Some(names.split(';').map(str::to_ascii_lowercase).collect())
}

/// Whatever changes the meaning of the request is signed, and once; whatever is signed is there.
fn check_signed(sent: &HeaderMap, signed: &[String]) -> Result<(), String> {
    ensure!(signed.iter().any(|name| name == "host"), "the host is not signed");
    for name in sent.keys().map(http::HeaderName::as_str) {
        if name.starts_with("x-amz-") || name.starts_with("x-zas-") {
            ensure!(EXEMPT.contains(&name) || signed.iter().any(|known| known == name), "{name} is not signed");
            ensure!(sent.get_all(name).iter().count() == 1, "{name} has several values");
        }
    }
    for name in signed.iter().filter(|name| *name != "host") {
        ensure!(sent.contains_key(name.as_str()), "{name} is signed, and is not there");
    }
    Ok(())
}

/// The lifetime has an end, and what stands in the query for a header is one.
fn check_presigned(headers: &HeaderMap, query: &[(String, String)]) -> Result<(), String> {
    for name in OWN {
        ensure!(query.iter().filter(|(known, _)| known == name).count() == 1, "{name} is there twice, or never");
    }
    let expires = query.iter().find(|(name, _)| name == "X-Amz-Expires").and_then(|(_, value)| value.parse().ok());
    ensure!(expires.is_some_and(|seconds: u64| (1..=WEEK).contains(&seconds)), "it lives for {expires:?} seconds");
    for (name, value) in query {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !OWN.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
            let same = headers.get(name.as_str()).is_some_and(|header| header.as_bytes() == value.as_bytes());
            ensure!(same, "{name} is not the header {value:?}");
        }
    }
    Ok(())
}

/// The access keys whose secrets `s3s` asks for.
fn secrets_asked_for(parts: &Parts) -> Vec<String> {
    let asked = Asked::default();
    let mut settings = S3Config::default();
    // Seeds grow old.
    settings.presigned_url_max_skew_time_secs = u32::MAX;
    let mut builder = S3ServiceBuilder::new(Nothing);
    builder.set_auth(asked.clone());
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(settings))));
    let request = Request::from_parts(parts.clone(), s3s::Body::empty());
    // Whatever it answers: there is nothing that it could do.
    let _ = futures::executor::block_on(builder.build().call(request));
    std::mem::take(&mut *asked.0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whose secrets were asked for. It knows none.
#[derive(Debug, Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl S3Auth for Asked {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(access_key.to_owned());
        Err(S3Error::new(S3ErrorCode::InvalidAccessKeyId))
    }
}

/// No operation at all.
struct Nothing;

impl s3s::S3 for Nothing {}
