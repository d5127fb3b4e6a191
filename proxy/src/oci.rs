//! The OCI door: which requests of the distribution API reach the upstream registry, and as what.
//!
//! An allow-list in five steps: the raw path is read strictly (`path.rs`), the caller is asked for, the policy is asked, the query
//! is written anew (`query.rs`), header and body are bounded (`request.rs`). What is left is forwarded by the listener; its answer
//! passes `answer.rs`. `/v2/` and the catalog are answered here. Everything is a function of the request's head.
//! What does not live here: moving bytes (`listener`), and S3's view of the same bytes.

mod answer;
mod catalog;
mod name;
mod path;
mod query;
mod request;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use url::Url;
use zas_policy::{Action, Principal, Resource};

use crate::app::App;
use crate::authz::{Permit, authorize};
use crate::config::Config;
use crate::error::{Code, Error, RequestId, Result, oci_json};
use crate::gateway::RequestContext;
use crate::identity::{AccessKeys, basic_principal};
use crate::telemetry;

pub use answer::Answer;
pub use name::{ContentDigest, Name, Reference};
pub use path::{Operation, Route};
use request::BodyLimit;
pub use request::Changes;

/// Says which API this is; Docker looks for it.
const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));

/// How a client that showed no credentials is asked for some.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"Zot Artifact Store\", charset=\"UTF-8\"");

/// Host and name together are no longer than many clients can take (distribution-spec, "Pull").
const HOST_AND_NAME_BYTES: usize = 255;

/// What becomes of a request.
#[derive(Debug)]
pub enum Plan {
    /// It is answered.
    Respond {
        /// The answer.
        response: Response<Bytes>,
        /// The operation's name in metrics.
        label: &'static str,
    },
    /// It goes to the upstream registry.
    Forward(Box<Forward>),
}

/// A request for the upstream registry. It was authorised: it holds the permit.
#[derive(Debug)]
pub struct Forward {
    /// Who may do what.
    pub permit: Permit,
    /// Path and query, printed from what was read.
    pub path_and_query: PathAndQuery,
    /// What changes in the request's header.
    pub request: Changes,
    /// The largest body in bytes.
    pub body_limit: u64,
    /// What a larger body is.
    pub too_large: Code,
    /// What the client sees of the answer.
    pub answer: Answer,
    /// The operation's name in metrics.
    pub label: &'static str,
}

/// Decides what becomes of a request at the OCI door, before a byte of its body is read.
pub async fn plan(app: &App, parts: &Parts, context: &RequestContext) -> Plan {
    let label = label(parts);
    let door = Door { config: &app.config, keys: &app.access_keys };
    let decided = match door.admit(parts) {
        Ok(Admitted::Base) => Ok(respond(base(&parts.method), label)),
        Ok(Admitted::Catalog) => {
            let raw = parts.uri.query().unwrap_or_default();
            let answer = catalog::catalog(&app.store, &app.config.store.prefix, &parts.method, raw).await;
            answer.map(|response| respond(response, label))
        }
        Ok(Admitted::Forward(forward)) => Ok(Plan::Forward(forward)),
        Err(error) => Err(error),
    };
    decided.unwrap_or_else(|error| {
        error.log(context.request_id.as_str(), label);
        telemetry::error(error.code());
        Plan::Respond { response: refusal(&error, &context.request_id), label }
    })
}

/// An error as clients of the distribution API read it, with what they need to go on: a challenge, the methods there are.
#[must_use]
pub fn refusal(error: &Error, request_id: &RequestId) -> Response<Bytes> {
    let mut response = oci_json(error, request_id);
    let headers = response.headers_mut();
    if error.row().status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    if let Some(allow) = error.details().find_map(|(name, value)| (name == "allow").then_some(value))
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        headers.insert(header::ALLOW, allow);
    }
    let (name, value) = API_VERSION;
    headers.insert(name, value);
    response
}

fn respond(mut response: Response<Bytes>, label: &'static str) -> Plan {
    let (name, value) = API_VERSION;
    response.headers_mut().insert(name, value);
    Plan::Respond { response, label }
}

/// The answer of `/v2/`: yes, this is a registry.
fn base(method: &Method) -> Response<Bytes> {
    let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from_static(b"{}") };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The operation's name in metrics, also where the request is refused.
fn label(parts: &Parts) -> &'static str {
    let operation = Route::parse(parts.uri.path()).ok().and_then(|route| route.operation(&parts.method));
    operation.map_or("Unknown", |operation| operation.label)
}

/// All that the decisions need to know.
struct Door<'a> {
    config: &'a Config,
    keys: &'a AccessKeys,
}

/// A request that may be served.
#[derive(Debug)]
enum Admitted {
    Base,
    Catalog,
    Forward(Box<Forward>),
}

impl Door<'_> {
    fn admit(&self, parts: &Parts) -> Result<Admitted> {
        let route = Route::parse(parts.uri.path())?;
        if route.name().is_some_and(|name| self.is_reserved(name)) {
            return Err(Code::NameUnknown.into());
        }
        let principal = principal(self.keys, &parts.headers)?;
        let operation = route
            .operation(&parts.method)
            .ok_or_else(|| Error::from(Code::MethodNotAllowed).with("allow", route.methods()))?;
        BodyLimit::of(&route, &parts.method, &self.config.limits).check(&parts.headers)?;
        match (&route, operation.action) {
            (Route::Catalog, Some(action)) => {
                authorize(&principal, action, Resource::Service)?;
                Ok(Admitted::Catalog)
            }
            (_, Some(action)) => self.forward(parts, &route, operation.label, action, &principal),
            (_, None) if principal == Principal::Anonymous => Err(Code::Unauthenticated.into()),
            (_, None) => Ok(Admitted::Base),
        }
    }

    fn forward(
        &self,
        parts: &Parts,
        route: &Route,
        label: &'static str,
        action: Action,
        principal: &Principal,
    ) -> Result<Admitted> {
        let name = route.name().ok_or_else(|| Error::internal("a route without a repository is forwarded"))?;
        let permit = authorize(principal, action, Resource::repository(name.as_str()))?;
        if action == Action::Push {
            check_new_name(name, &parts.headers)?;
        }
        let raw = parts.uri.query().unwrap_or_default();
        let query = query::for_upstream(route, &parts.method, raw, |from| self.may_mount(principal, from))?;
        let target = if query.is_empty() { route.to_string() } else { format!("{route}?{query}") };
        let limit = BodyLimit::of(route, &parts.method, &self.config.limits);
        let upstream =
            Url::parse(&self.config.store.url).map_err(|error| Error::internal("store.url").source(error))?;
        Ok(Admitted::Forward(Box::new(Forward {
            permit,
            path_and_query: PathAndQuery::try_from(target)
                .map_err(|error| Error::internal("the target").source(error))?,
            request: request::changes(&parts.headers, &self.config.store),
            body_limit: limit.bytes,
            too_large: limit.too_large,
            answer: Answer::new(name.clone(), upstream),
            label,
        })))
    }

    fn is_reserved(&self, name: &Name) -> bool {
        name.is_reserved(&self.config.store.prefix)
    }

    fn may_mount(&self, principal: &Principal, from: &Name) -> bool {
        !self.is_reserved(from) && authorize(principal, Action::Pull, Resource::repository(from.as_str())).is_ok()
    }
}

/// Who asks. A header that is of another scheme, or cannot be read, is answered with a challenge: clients try again with what is
/// asked for.
fn principal(keys: &AccessKeys, headers: &HeaderMap) -> Result<Principal> {
    let is_one = headers.get_all(header::AUTHORIZATION).iter().count() == 1;
    basic_principal(keys, headers).map_err(|error| match error.code() {
        Code::AuthorizationHeaderMalformed if is_one => {
            Error::new(Code::Unauthenticated, "Basic authentication with an access key is required.")
        }
        _ => error,
    })
}

/// Refuses to put something new where it would be lost or out of reach.
fn check_new_name(name: &Name, headers: &HeaderMap) -> Result<()> {
    if name.is_overlooked() {
        return Err(Error::new(
            Code::NameInvalid,
            "The registry would neither list nor clean up a repository whose name ends in blobs, .sync or .uploads.",
        ));
    }
    let host = headers.get(header::HOST).map_or(0, HeaderValue::len);
    if host + 1 + name.as_str().len() > HOST_AND_NAME_BYTES {
        return Err(Error::new(Code::NameInvalid, "Host and repository name together have more than 255 characters."));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
