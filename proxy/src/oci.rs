//! The OCI door: which requests of the distribution API reach the upstream registry, and as what.
//!
//! An allow-list in five steps: path and tags are read strictly (`path.rs`, `tags.rs`), the caller is asked for, the policy is asked,
//! the query is written anew (`query.rs`), header and body are bounded (`request.rs`). What is left is forwarded by the listener; its
//! answer passes `answer.rs`. `/v2/` and the catalog are answered here, and so is everything below `s3/`: S3 objects as OCI artifacts
//! (`artifact.rs`). All else is a function of the request's head.
//! What does not live here: moving bytes (`listener`), and S3's view of the same bytes.

mod answer;
mod artifact;
mod catalog;
mod challenge;
mod changed;
mod gate;
mod name;
mod on_record;
mod path;
mod query;
mod request;
mod scope;
mod tags;
mod token;
mod transfer;
mod update_tag;

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use tracing::{Instrument, Span};
use url::Url;
use zas_policy::{Action, KeyName, Principal, Resource};

use crate::app::App;
use crate::audit::{Api, Facts, Kind, Trail};
use crate::authz::{Authority, Caller, Conditions, Permit};
use crate::config::Config;
use crate::error::{Code, Error, Result, oci_json};
use crate::gateway::RequestContext;
use crate::identity::{Access, Authenticator};
use crate::listener::{Forward, Routed, Upstream};
use crate::store::Store;
use crate::telemetry;

use answer::OciAnswer;
use catalog::View;
use gate::Pulled;
use on_record::{OnRecord, Target};
use request::BodyLimit;
use transfer::Transfer;

pub use artifact::{Unnamed, serve};
pub use challenge::TOKEN_PATH;
pub(crate) use challenge::base_url;
pub use name::{ContentDigest, Name, Reference};
pub use path::{Operation, Route};
pub use token::call as issue_token;

/// Says which API this is; Docker looks for it.
const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));

/// Host and name together are no longer than many clients can take (distribution-spec, "Pull").
const HOST_AND_NAME_BYTES: usize = 255;

/// Decides what becomes of a request at the OCI door, before a byte of its body is read.
/// # Errors
/// What the client did wrong, or may not; [`refusal`] renders it, [`operation`] names it in metrics.
pub async fn route(app: &App, parts: &Parts, context: &RequestContext) -> Result<Routed> {
    let route = Route::parse(parts.uri.path()).map_err(|error| for_method(error, &parts.method))?;
    let span = telemetry::request_span(&parts.method, route.template(), &parts.headers);
    telemetry::record_request_id(&span, &context.request_id);
    if route.name().is_some_and(artifact::owns) {
        return Box::pin(artifact::route(app, parts, context, &route, span)).await;
    }
    let door = Door {
        config: &app.config,
        store: &app.store,
        identity: &app.identity,
        authority: &app.authority,
        app: Some(app),
    };
    let tags = tags::of(&route, &parts.method, parts.uri.query().unwrap_or_default())?;
    match door.admit(&route, &tags, parts, context, &span).await? {
        Admitted::Base(permit) => {
            let answer = Ok(base(&parts.method));
            on_record::answered(&app.journal, &permit, Kind::Login, &answer).await?;
            Ok(respond(answer?, "Base"))
        }
        Admitted::Catalog(permit) => {
            let raw = parts.uri.query().unwrap_or_default();
            let may_see =
                |name: &str| app.authority.may_know(permit.caller(), Action::Pull, &Resource::repository(name));
            let view = View { prefix: &app.config.store.prefix, may_see: &may_see };
            let answer = catalog::catalog(&app.store, view, &parts.method, raw).instrument(span).await;
            on_record::answered(&app.journal, &permit, Kind::Operation, &answer).await?;
            Ok(respond(answer?, "Catalog"))
        }
        Admitted::Forward(permit, mut forward) => {
            // The last thing that is asked: who may not, learns nothing of the registry's health.
            let passage = app.store.pass(request::has_body(&parts.method, &parts.headers))?;
            update_tag::check(app, &permit, &route, &tags, parts).await?;
            let name = permitted_name(&route)?.clone();
            let target = Target { home: &name, path_and_query: &forward.path_and_query };
            let changed = changed::names(app, &route, &parts.method, &tags).await?;
            let on_record = OnRecord::begin(&app.journal, &permit, &route, tags, &parts.method, target).await?;
            let pushing = match changed.as_slice() {
                [] => None,
                gone if parts.method == Method::DELETE => {
                    app.evidence.expect_deletion(app, name.as_str(), gone).await?
                }
                changed => app.evidence.expect_push(app, name.as_str(), changed).await?,
            };
            // A tag may have become the digest that was looked at.
            let there = Route::parse(forward.path_and_query.path())?;
            forward.answer = Some(Arc::new(OciAnswer {
                name: name.clone(),
                digest: there.digest().cloned(),
                home: name,
                upstream: door.upstream()?,
                span,
                transfer: Transfer::of(&route, parts),
                passage: Mutex::new(Some(passage)),
                on_record: Some(on_record),
                ahead: None,
                pushing,
            }));
            let request_id = context.request_id.as_str();
            tracing::trace!(request_id, action = %permit.action(), resource = %permit.resource(), "forwarded");
            Ok(Routed::Forward(forward))
        }
    }
}

fn permitted_name(route: &Route) -> Result<&Name> {
    route.name().ok_or_else(|| Error::internal("a route without a repository is not forwarded"))
}

/// The name in metrics of what a request asks for, also where it is refused.
#[must_use]
pub fn operation(parts: &Parts) -> &'static str {
    let operation = Route::parse(parts.uri.path()).ok().and_then(|route| route.operation(&parts.method));
    operation.map_or("Unknown", |operation| operation.label)
}

/// An error as clients of the distribution API read it, with what they need to go on: a challenge, the methods there are.
#[must_use]
pub fn refusal(config: &Config, parts: &Parts, context: &RequestContext, error: &Error) -> Response<Bytes> {
    let mut response = oci_json(error, &context.request_id);
    let headers = response.headers_mut();
    if error.row().status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, challenge::challenge(config, parts, context, error));
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

fn respond(mut response: Response<Bytes>, label: &'static str) -> Routed {
    let (name, value) = API_VERSION;
    response.headers_mut().insert(name, value);
    Routed::Respond { response: Box::new(response), label }
}

/// A manifest with an impossible name is not there; to put one there is a mistake (distribution-spec, "Pushing Manifests").
fn for_method(error: Error, method: &Method) -> Error {
    if error.code() == Code::ManifestUnknown && method == Method::PUT {
        return Error::new(Code::InvalidDigest, "The reference is neither a tag nor a digest.");
    }
    error
}

/// The answer of `/v2/`: yes, this is a registry.
fn base(method: &Method) -> Response<Bytes> {
    let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from_static(b"{}") };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// All that the decisions need to know.
struct Door<'a> {
    config: &'a Config,
    store: &'a Store,
    identity: &'a Authenticator,
    authority: &'a Authority,
    /// What is known of artifacts, where policies ask; without it, nothing is.
    app: Option<&'a App>,
}

/// A request that may be served.
#[derive(Debug)]
enum Admitted {
    Base(Box<Permit>),
    Catalog(Box<Permit>),
    Forward(Box<Permit>, Box<Forward>),
}

impl Door<'_> {
    async fn admit(
        &self,
        route: &Route,
        tags: &[String],
        parts: &Parts,
        context: &RequestContext,
        span: &Span,
    ) -> Result<Admitted> {
        if route.name().is_some_and(|name| self.is_reserved(name)) {
            return Err(Code::NameUnknown.into());
        }
        let (principal, granted) = principal(self.identity, &parts.headers).await?;
        let operation = route
            .operation(&parts.method)
            .ok_or_else(|| Error::from(Code::MethodNotAllowed).with("allow", route.methods()))?;
        // Asked after the policy: who may not is told so, and only who may is sent for another token.
        let check_scope = |action: Action| match &granted {
            Some(granted) if !scope::covers(granted, action, route.name()) => Err(Error::from(Code::InsufficientScope)),
            _ => Ok(()),
        };
        let trail = Trail::of(Facts::of(Api::Oci, context, &parts.headers));
        let caller = Caller::new(principal, trail, Conditions::default());
        let caller = asking_about(caller, route, &parts.headers, tags.first().map(String::as_str));
        let is_anonymous = caller.principal().is_anonymous();
        let admitted = async {
            match (route.name(), operation.action) {
                (Some(name), Some(action)) => {
                    let (permit, pinned) = self.permit(&caller, action, (route, name), tags, &parts.headers).await?;
                    check_scope(action)?;
                    let to = pinned.as_ref().unwrap_or(route);
                    let mut forward = self.forward(&permit, (to, name), tags, parts, granted.as_deref())?;
                    let credentials = self.store.credentials(&parts.method, forward.path_and_query.as_str())?;
                    let changes = request::changes(&parts.headers, credentials, span);
                    forward.remove_request_headers = changes.remove;
                    forward.set_request_headers = changes.set;
                    forward.label = operation.label;
                    Ok::<_, Error>(Admitted::Forward(Box::new(permit), Box::new(forward)))
                }
                (_, Some(action)) => {
                    let permit = self.authority.authorize(&caller, action, Resource::Service).await?;
                    check_scope(action)?;
                    Ok(Admitted::Catalog(Box::new(permit)))
                }
                (_, None) if caller.principal().is_anonymous() => Err(Code::Unauthenticated.into()),
                // To be somebody is enough.
                (_, None) => {
                    let permit =
                        self.authority.authorize(&caller, Action::GetCallerIdentity, Resource::Service).await?;
                    Ok(Admitted::Base(Box::new(permit)))
                }
            }
        };
        // Clients of a registry are told first how to log in, whatever is known of the policies.
        admitted.await.map_err(|error| match error.code() {
            Code::PoliciesUnavailable if is_anonymous => Code::Unauthenticated.into(),
            _ => error,
        })
    }

    /// Asks the policy; to pull a manifest it may want to know what is known of it, and the route is that of its digest then.
    async fn permit(
        &self,
        caller: &Caller,
        action: Action,
        (route, name): (&Route, &Name),
        tags: &[String],
        headers: &HeaderMap,
    ) -> Result<(Permit, Option<Route>)> {
        let resource = Resource::repository(name.as_str());
        match (action, route, self.app) {
            (Action::Pull, Route::Manifest { name, reference }, Some(app)) => {
                Pulled::new(app, name, reference).authorize(caller).await
            }
            // Blobs, and lists of what refers to something: by then the manifest was pulled.
            (Action::Pull, ..) => Ok((self.authority.authorize_knowing(caller, action, resource).await?, None)),
            _ => Ok((self.permit_tags(caller, action, (route, &resource), tags, headers).await?, None)),
        }
    }

    /// Asks the policy about every tag that the request names, and once where it names none: all of it must be allowed.
    async fn permit_tags(
        &self,
        caller: &Caller,
        action: Action,
        (route, resource): (&Route, &Resource),
        tags: &[String],
        headers: &HeaderMap,
    ) -> Result<Permit> {
        let mut permit = self.authority.authorize(caller, action, resource.clone()).await?;
        for tag in tags.iter().skip(1) {
            let caller = asking_about(caller.clone(), route, headers, Some(tag.as_str()));
            permit = permit.beside(&self.authority.authorize(&caller, action, resource.clone()).await?);
        }
        Ok(permit)
    }

    /// The request for the upstream: path and query as they were read, and the limits of its kind.
    fn forward(
        &self,
        permit: &Permit,
        (route, name): (&Route, &Name),
        tags: &[String],
        parts: &Parts,
        granted: Option<&[Access]>,
    ) -> Result<Forward> {
        if permit.action() == Action::Push {
            check_new_name(name, &parts.headers)?;
        }
        let limit = BodyLimit::of(route, &parts.method, &self.config.limits);
        limit.check(&parts.headers)?;
        let raw = parts.uri.query().unwrap_or_default();
        let lacks_scope = Cell::new(false);
        let may_mount = |from: &Name| {
            let may = self.may_mount(permit.caller(), from);
            let is_granted = granted.is_none_or(|granted| scope::covers(granted, Action::Pull, Some(from)));
            lacks_scope.set(may && !is_granted);
            may && is_granted
        };
        let query = query::for_upstream(route, &parts.method, raw, tags, may_mount)?;
        if lacks_scope.get() {
            return Err(Code::InsufficientScope.into());
        }
        let target = if query.is_empty() { route.to_string() } else { format!("{route}?{query}") };
        let target = PathAndQuery::try_from(target).map_err(|error| Error::internal("the target").source(error))?;
        let upstream = Upstream::parse(&self.config.store.url).map_err(Error::internal)?;
        let mut forward = Forward::new(Arc::new(upstream), target, limit.bytes, "");
        forward.too_large = limit.too_large;
        forward.response_timeout = request::response_timeout(route, &parts.method, self.config);
        Ok(forward)
    }

    fn upstream(&self) -> Result<Url> {
        Url::parse(&self.config.store.url).map_err(|error| Error::internal("store.url").source(error))
    }

    fn is_reserved(&self, name: &Name) -> bool {
        name.is_reserved(&self.config.store.prefix)
    }

    fn may_mount(&self, caller: &Caller, from: &Name) -> bool {
        !self.is_reserved(from) && self.authority.may_know(caller, Action::Pull, &Resource::repository(from.as_str()))
    }
}

/// The caller, who asks about one tag of the request, or where it names none about what its path names.
fn asking_about(caller: Caller, route: &Route, headers: &HeaderMap, tag: Option<&str>) -> Caller {
    let what = on_record::what(route);
    caller.with_conditions(conditions(route, headers, tag)).about(tag.or(what.as_deref()))
}

/// What the request says under the condition keys of policies. To push by digest and set a tag beside it is to push by tag.
fn conditions(route: &Route, headers: &HeaderMap, tag: Option<&str>) -> Conditions {
    let conditions = Conditions::of(headers);
    let Route::Manifest { .. } = route else { return conditions };
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let conditions = match tag {
        Some(tag) => conditions.with(KeyName::ReferenceType, "tag").with(KeyName::Tag, tag),
        None => conditions.with(KeyName::ReferenceType, "digest"),
    };
    match media_type {
        Some(media_type) => conditions.with(KeyName::MediaType, media_type),
        None => conditions,
    }
}

/// Who asks. A header that is of another scheme, or cannot be read, is answered with a challenge: clients try again with what is
/// asked for.
async fn principal(identity: &Authenticator, headers: &HeaderMap) -> Result<(Principal, Option<Vec<Access>>)> {
    let is_one = headers.get_all(header::AUTHORIZATION).iter().count() == 1;
    identity.at_the_registry(headers).await.map_err(|error| match error.code() {
        Code::AuthorizationHeaderMalformed if is_one => Error::new(
            Code::Unauthenticated,
            "Basic authentication with an access key, or a bearer token, is required.",
        ),
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
