//! `/-/backchannel-logout`: an issuer says that somebody has logged out (OpenID Connect Back-Channel Logout 1.0).
//!
//! What was issued to them until then ends: tokens, sessions, tokens of the registry. Access keys stay: to log out is not to leave.
//! The issuer's signature on the logout token is all that speaks for it; no policy is asked, for no principal asks. Said again, a
//! logout changes nothing, so that a token that is sent again, by whomever, does no harm.
//! What does not live here: what makes a logout token (`identity::issuers`), and how replicas hear of it (`identity::revocations`).

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::json;
use time::OffsetDateTime;

use crate::app::App;
use crate::audit::{Api, Facts, Kind, Record};
use crate::error::{Code, Error, RequestId, Result, our_json};
use crate::gateway::{Body, RequestContext, full};
use crate::identity::{Logout, longest_credential};
use crate::index::{self, RevocationKind};
use crate::telemetry;

/// Where it is.
pub const PATH: &str = "/-/backchannel-logout";

/// Bytes of a form: a token of 16 KiB, and what else somebody may send along.
const LARGEST: usize = 64 * 1024;

const OPERATION: &str = "BackchannelLogout";

/// Answers one request.
pub async fn call(app: &App, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let context = parts.extensions.get::<RequestContext>().cloned();
    let request_id = context.as_ref().map_or_else(RequestId::generate, |context| context.request_id.clone());
    if let Some(context) = &context {
        let _ = context.operation.set(OPERATION);
    }
    let mut response = match log_out(app, &parts, body, context.as_ref()).await {
        Ok(()) => Response::new(full(Bytes::new())),
        Err(error) => {
            error.log(request_id.as_str(), OPERATION);
            telemetry::error(error.code());
            refusal(&error, &request_id)
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whatever keeps a logout from happening is answered 400 (section 2.8), with an error as OAuth 2.0 writes it.
fn refusal(error: &Error, request_id: &RequestId) -> Response<Body> {
    let mut response = if error.code() == Code::MethodNotAllowed {
        our_json(error, request_id).map(full)
    } else {
        let name = if error.row().retryable { "temporarily_unavailable" } else { "invalid_request" };
        let body = json!({"error": name, "error_description": error.message(), "request_id": request_id.as_str()});
        let mut response = Response::new(full(body.to_string().into()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    response.extensions_mut().insert(error.code());
    response
}

async fn log_out(app: &App, parts: &Parts, body: Body, context: Option<&RequestContext>) -> Result<()> {
    if parts.method != Method::POST {
        return Err(Error::from(Code::MethodNotAllowed).with("allow", "POST"));
    }
    let logout = app.identity.issuers().verify_logout(&token(body).await?).await?;
    // Whoever has logged out somewhere has logged out: the whole person, where the token names one.
    let (kind, value) = match (&logout.subject, &logout.login) {
        (Some(subject), _) => (RevocationKind::Subject, subject),
        (None, Some(login)) => (RevocationKind::Login, login),
        (None, None) => return Err(Error::internal("a logout of nobody")),
    };
    let record = context.map(|context| record(&logout, value, context, parts));
    let change = index::Logout {
        kind,
        value,
        before: OffsetDateTime::from_unix_timestamp(logout.issued_at).map_err(Error::internal)?,
        expires_at: OffsetDateTime::now_utc() + longest_credential(&app.config.identity.issuers),
        reason: "logged out at the issuer",
        by: &format!("issuer/{}", logout.issuer),
    };
    let is_news = app.index.log_out(&change, record.as_slice()).await?;
    match app.identity.revocations() {
        Some(revocations) if is_news => revocations.refresh(&app.index).await,
        _ => Ok(()),
    }
}

/// The one token of the form; what else stands there is ignored (section 2.5).
async fn token(body: Body) -> Result<String> {
    let form = axum::body::to_bytes(axum::body::Body::new(body), LARGEST).await;
    let form = form.map_err(|error| Error::new(Code::InvalidRequest, "The form cannot be read.").detail(error))?;
    let mut tokens = url::form_urlencoded::parse(&form).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        _ => Err(Error::new(Code::InvalidArgument, "The form has one logout_token.").with("field", "logout_token")),
    }
}

fn record(logout: &Logout, value: &str, context: &RequestContext, parts: &Parts) -> Record {
    let facts = Facts::of(Api::Rest, context, &parts.headers);
    Record::new(Kind::Operation)
        .issuer(&logout.issuer)
        .api(facts.api)
        .action(OPERATION)
        .reference(value)
        .request(&facts.request_id)
        .client(facts.source_ip, facts.user_agent.as_deref(), facts.tls)
        .answered(200, None)
        .note(format!("logout token {}", logout.token_id))
}
