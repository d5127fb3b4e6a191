//! `/-/token`: tokens for clients of the registry, by GET with Basic authentication, or by POST as OAuth 2.0 has it (distribution,
//! "Token Authentication Specification" and "OAuth2 Token Authentication"). A token is for what the policy allows of what was asked
//! for; less is not an error.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response as AxumResponse};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zas_policy::{Action, Resource};

use super::name::Name;
use super::scope;
use crate::app::App;
use crate::audit::{Api, Facts, Kind, Trail};
use crate::authz::{Caller, Conditions, Permit};
use crate::error::{Code, Error, RequestId, Result, oci_json};
use crate::gateway::{Body, RequestContext, full};
use crate::identity::{Access, Holder, Shown};
use crate::telemetry;

/// Bytes of a form: a token of 16 KiB as password, and its scopes.
const LARGEST: usize = 64 * 1024;

/// What is asked for, whichever way.
#[derive(Debug, Default)]
struct Asked {
    scopes: Vec<String>,
    wants_refresh: bool,
    names_scope: bool,
}

/// What a client gets.
#[derive(Debug, Serialize)]
struct Issued {
    token: String,
    access_token: String,
    expires_in: i64,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Answers one request for a token.
pub async fn call(app: Arc<App>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let context = parts.extensions.get::<RequestContext>().cloned();
    let request_id = context.as_ref().map_or_else(RequestId::generate, |context| context.request_id.clone());
    if let Some(context) = &context {
        let _ = context.operation.set("IssueToken");
    }
    match issue(&app, &parts, body, context.as_ref()).await {
        Ok(issued) => {
            let answer: AxumResponse = ([(header::CACHE_CONTROL, "no-store")], Json(issued)).into_response();
            answer.map(|body| body.map_err(|error| -> crate::gateway::BoxError { Box::new(error) }).boxed_unsync())
        }
        Err(error) => {
            error.log(request_id.as_str(), "IssueToken");
            telemetry::error(error.code());
            let mut answer = refusal(&error, &request_id);
            answer.extensions_mut().insert(error.code());
            answer
        }
    }
}

fn refusal(error: &Error, request_id: &RequestId) -> Response<Body> {
    let mut response = oci_json(error, request_id);
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"Zot Artifact Store\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.map(full)
}

async fn issue(app: &App, parts: &Parts, body: Body, context: Option<&RequestContext>) -> Result<Issued> {
    let (shown, asked) = match parts.method {
        Method::GET => by_query(app, parts).await?,
        Method::POST => by_form(app, body).await?,
        _ => return Err(Error::from(Code::MethodNotAllowed).with("allow", "GET, POST")),
    };
    let Some(shown) = shown else { return Err(Code::Unauthenticated.into()) };
    let permit = permitted(app, &shown, &parts.headers, context).await?;
    let access = granted(app, &permit, &asked)?;
    let now = OffsetDateTime::now_utc();
    let tokens = app.identity.registry_tokens()?;
    let written: Vec<String> = access.iter().map(scope::written).collect();
    let written = written.join(" ");
    let (token, lifetime) = tokens.issue(&shown.holder, access, now)?;
    let refresh_token = match &shown.holder {
        // Nobody stays longer than the issuer's token says.
        Holder::Person(_) => None,
        Holder::Key(_) if shown.refresh.is_some() => shown.refresh,
        Holder::Key(id) => asked.wants_refresh.then(|| tokens.issue_refresh(id, now)).transpose()?,
    };
    if let Some(record) = permit.recorded(Kind::Token) {
        app.journal.record(record.reference(&written).answered(200, None)).await?;
    }
    Ok(Issued {
        token: token.expose().to_owned(),
        access_token: token.expose().to_owned(),
        expires_in: lifetime.whole_seconds(),
        issued_at: now.format(&Rfc3339).map_err(Error::internal)?,
        scope: asked.names_scope.then_some(written),
        refresh_token: refresh_token.map(|token| token.expose().to_owned()),
    })
}

/// What the policy allows of what was asked for.
fn granted(app: &App, permit: &Permit, asked: &Asked) -> Result<Vec<Access>> {
    let wanted = scope::parse(asked.scopes.iter().map(String::as_str))?;
    let is_reserved = |name: &Name| name.is_reserved(&app.config.store.prefix);
    Ok(wanted.into_iter().filter_map(|scope| scope.granted(&app.authority, permit.caller(), is_reserved)).collect())
}

/// To be somebody is enough: what the token is good for, the policy says scope by scope.
async fn permitted(app: &App, shown: &Shown, headers: &HeaderMap, context: Option<&RequestContext>) -> Result<Permit> {
    let trail = context.map_or_else(Trail::none, |context| Trail::of(Facts::of(Api::Oci, context, headers)));
    let caller = Caller::new(shown.principal.clone(), trail, Conditions::of(headers));
    app.authority.authorize(&caller, Action::GetCallerIdentity, Resource::Service).await
}

async fn by_query(app: &App, parts: &Parts) -> Result<(Option<Shown>, Asked)> {
    let mut asked = Asked::default();
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "service" => check_service(app, &value)?,
            "scope" => asked.scopes.push(value.into_owned()),
            "offline_token" => asked.wants_refresh = value == "true",
            _ => {}
        }
    }
    Ok((app.identity.shown(&parts.headers).await?, asked))
}

async fn by_form(app: &App, body: Body) -> Result<(Option<Shown>, Asked)> {
    let form = axum::body::to_bytes(axum::body::Body::new(body), LARGEST).await;
    let form = form.map_err(|error| Error::new(Code::InvalidRequest, "The form cannot be read.").detail(error))?;
    let mut asked = Asked { names_scope: true, ..Asked::default() };
    let (mut grant, mut user, mut password, mut refresh) = (String::new(), String::new(), String::new(), String::new());
    for (name, value) in url::form_urlencoded::parse(&form) {
        match &*name {
            "service" => check_service(app, &value)?,
            "scope" => asked.scopes.push(value.into_owned()),
            "access_type" => asked.wants_refresh = value == "offline",
            "grant_type" => grant = value.into_owned(),
            "username" => user = value.into_owned(),
            "password" => password = value.into_owned(),
            "refresh_token" => refresh = value.into_owned(),
            _ => {}
        }
    }
    let shown = match grant.as_str() {
        "password" => app.identity.shown_password(&user, &password).await?,
        "refresh_token" => app.identity.shown_refresh(&refresh).await?,
        _ => {
            let text = "The grant_type is password or refresh_token.";
            return Err(Error::new(Code::InvalidArgument, text).with("field", "grant_type"));
        }
    };
    Ok((Some(shown), asked))
}

/// A token for another service would be a mistake of somebody's configuration.
fn check_service(app: &App, service: &str) -> Result<()> {
    if service == app.config.identity.registry_service {
        return Ok(());
    }
    let text = format!("The service of this registry is {}.", app.config.identity.registry_service);
    Err(Error::new(Code::InvalidArgument, text).with("field", "service"))
}
