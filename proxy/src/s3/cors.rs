//! What browsers are told that ask on behalf of pages of other origins: preflights are answered here, and answers to actual requests say
//! which pages may read them (AWS, *Using cross-origin resource sharing*; WHATWG Fetch, "CORS protocol").
//!
//! A preflight shows no credentials, so that it is answered by a bucket's rules alone; a bucket without rules and one that there is not
//! are answered alike. What the rules are does not live here (`bucket_configuration`).

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::host::Domains;
use crate::authz::Policies;
use crate::bucket_configuration::Cors;
use crate::bucket_configuration::cors::{Asked, METHODS, Rule, judged_by, names};
use crate::error::{Code, Error, Result};

/// What preflights are called in logs and metrics.
pub(super) const PREFLIGHT: &str = "Preflight";

/// What an answer depends on besides its target.
const VARIES_BY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// An actual request on behalf of a page, to a bucket that has rules.
pub(super) struct Page {
    rules: Arc<Cors>,
    origin: String,
    method: String,
    headers: Option<String>,
}

impl Page {
    /// Of a request with an `Origin`; others cost nothing.
    pub(super) fn of(policies: &Policies, domains: &Domains, parts: &Parts) -> Option<Self> {
        let origin = text(parts, header::ORIGIN)?.to_owned();
        let rules = policies.cors(&domains.named(parts)?.bucket)?;
        let announced = text(parts, header::ACCESS_CONTROL_REQUEST_METHOD);
        let method = judged_by(announced, &parts.method).to_owned();
        let headers = text(parts, header::ACCESS_CONTROL_REQUEST_HEADERS).map(str::to_owned);
        Some(Self { rules, origin, method, headers })
    }

    /// Says in an answer, whatever it is, whether the page may read it.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let asked = Asked { origin: &self.origin, method: &self.method, headers: self.headers.as_deref() };
        if let Some(rule) = self.rules.rule(asked) {
            describe(rule, asked, headers);
        }
        // Also where no rule fits: a page that one fits must not be given this answer.
        headers.append(header::VARY, HeaderValue::from_static(VARIES_BY));
    }
}

/// The headers that answer a preflight.
///
/// # Errors
/// `BadRequest` where it asks for nothing, `CorsForbidden` where no rule allows it.
pub(super) fn preflight(policies: &Policies, domains: &Domains, parts: &Parts) -> Result<HeaderMap> {
    let origin = text(parts, header::ORIGIN)
        .ok_or_else(|| Error::new(Code::BadRequest, "Insufficient information. Origin request header needed."))?;
    let announced = text(parts, header::ACCESS_CONTROL_REQUEST_METHOD);
    let method = announced.filter(|method| METHODS.contains(method)).ok_or_else(|| invalid_method(announced))?;
    let asked = Asked { origin, method, headers: text(parts, header::ACCESS_CONTROL_REQUEST_HEADERS) };
    let named = domains.named(parts);
    let refused = |error: Error| {
        let is_object = named.as_ref().is_some_and(|named| named.has_key);
        error.with("Method", method).with("ResourceType", if is_object { "OBJECT" } else { "BUCKET" })
    };
    let rules = named.as_ref().and_then(|named| policies.cors(&named.bucket)).ok_or_else(|| {
        refused(Error::new(Code::CorsForbidden, "CORSResponse: CORS is not enabled for this bucket."))
    })?;
    let rule = rules.rule(asked).ok_or_else(|| refused(Code::CorsForbidden.into()))?;
    let mut headers = HeaderMap::new();
    describe(rule, asked, &mut headers);
    let wanted: Vec<String> = asked.headers.map(names).into_iter().flatten().map(str::to_ascii_lowercase).collect();
    put(&mut headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &wanted.join(", "));
    headers.append(header::VARY, HeaderValue::from_static(VARIES_BY));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(headers)
}

/// What a rule lets a page do and see.
fn describe(rule: &Rule, asked: Asked<'_>, headers: &mut HeaderMap) {
    let origin = rule.shown_origin(asked.origin);
    put(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    put(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
    put(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed.join(", "));
    if let Some(seconds) = rule.max_age {
        put(headers, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    if origin != "*" {
        put(headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
}

/// Sets a header; one without a value says nothing, and is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

fn invalid_method(announced: Option<&str>) -> Error {
    let method: String = announced.unwrap_or("null").chars().take(64).collect();
    Error::new(Code::BadRequest, format!("Invalid Access-Control-Request-Method: {method}"))
}

fn text(parts: &Parts, name: HeaderName) -> Option<&str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authorization;
    use http::{Method, Request};

    fn parts(method: Method, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/bucket/key");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn refusal(headers: &[(&str, &str)]) -> Error {
        let (policies, domains) = (Policies::new(&Authorization::default()), Domains::new(&[]));
        preflight(&policies, &domains, &parts(Method::OPTIONS, headers)).unwrap_err()
    }

    fn page(origin: &str) -> Page {
        let rule = Rule {
            origins: vec!["https://app.example".into()],
            methods: vec!["GET".into(), "HEAD".into()],
            exposed: vec!["ETag".into(), "x-amz-request-id".into()],
            max_age: Some(600),
            ..Rule::default()
        };
        Page { rules: Arc::new(Cors(vec![rule])), origin: origin.into(), method: "GET".into(), headers: None }
    }

    #[test]
    fn a_preflight_that_asks_for_nothing_is_a_bad_request() {
        for headers in [
            &[][..],
            &[("origin", "https://a")],
            &[("access-control-request-method", "GET")],
            &[("origin", "https://a"), ("access-control-request-method", "PATCH")],
        ] {
            assert_eq!(refusal(headers).code(), Code::BadRequest, "{headers:?}");
        }
    }

    #[test]
    fn where_no_rules_are_known_nothing_is_allowed() {
        let error = refusal(&[("origin", "https://a"), ("access-control-request-method", "GET")]);
        assert_eq!(error.code(), Code::CorsForbidden);
        assert_eq!(error.message(), "CORSResponse: CORS is not enabled for this bucket.");
        let details: Vec<_> = error.details().collect();
        assert_eq!(details, [("Method", "GET"), ("ResourceType", "OBJECT")]);
    }

    #[test]
    fn a_page_that_a_rule_is_for_is_named_and_told_what_it_may_see() {
        let mut headers = HeaderMap::new();
        page("https://app.example").tell(&mut headers);
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example"),
            ("access-control-allow-methods", "GET, HEAD"),
            ("access-control-expose-headers", "ETag, x-amz-request-id"),
            ("access-control-max-age", "600"),
            ("access-control-allow-credentials", "true"),
            ("vary", VARIES_BY),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }

    #[test]
    fn another_page_is_told_nothing_but_that_the_answer_is_not_for_everybody() {
        let mut headers = HeaderMap::new();
        page("https://evil.example").tell(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["vary"]);
    }
}
