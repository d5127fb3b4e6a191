//! How a client is asked to say who it is: with a token of `/-/token` (RFC 6750, section 3; distribution, "Token Authentication
//! Specification"), or by Basic authentication where there is no key ring to seal tokens.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use zas_policy::Action;

use super::path::Route;
use super::{query, scope};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::gateway::RequestContext;

/// Where tokens are had.
pub const TOKEN_PATH: &str = "/-/token";

const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"Zot Artifact Store\", charset=\"UTF-8\"");

/// The challenge to a request that was refused for `error`.
pub(super) fn challenge(config: &Config, parts: &Parts, context: &RequestContext, error: &Error) -> HeaderValue {
    if config.identity.key_ring.is_empty() {
        return BASIC;
    }
    let realm = format!("{}{TOKEN_PATH}", base_url(config, parts, context.secure));
    let mut text = format!("Bearer realm=\"{realm}\",service=\"{}\"", config.identity.registry_service);
    let route = Route::parse(parts.uri.path()).ok();
    let operation = route.as_ref().and_then(|route| route.operation(&parts.method));
    let name = route.as_ref().and_then(Route::name);
    let own = operation.and_then(|operation| scope::needed(operation.action, name));
    // Mounting needs the right to read where the blob is (distribution does the same).
    let source = route.as_ref().and_then(|route| query::mount_source(route, parts.uri.query().unwrap_or_default()));
    let source = source.and_then(|source| scope::needed(Some(Action::Pull), Some(&source)));
    let scopes: Vec<String> = own.iter().chain(&source).map(scope::written).collect();
    if !scopes.is_empty() {
        text += &format!(",scope=\"{}\"", scopes.join(" "));
    }
    match error.code() {
        Code::InsufficientScope => text += ",error=\"insufficient_scope\"",
        Code::BearerTokenRejected | Code::BearerTokenExpired => text += ",error=\"invalid_token\"",
        _ => {}
    }
    HeaderValue::try_from(text).unwrap_or(BASIC)
}

/// The service as the client has addressed it, where the configuration does not say how it is reached.
pub(crate) fn base_url(config: &Config, parts: &Parts, is_secure: bool) -> String {
    if let Some(url) = &config.listen.external_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if is_secure { "https" } else { "http" };
    let host = host(&parts.headers).or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    // The client is told its own word, and only as far as it is a host.
    let host = host.filter(|host| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)));
    format!("{scheme}://{}", host.unwrap_or(&config.listen.address))
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}
