//! `/sessions` and `/revocations`: sessions of roles, and the end of what was issued before it lapses by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use zas_policy::Resource;

use super::answer::Answer;
use super::caller::asks;
use super::idempotency::Posted;
use super::page::bounded;
use super::text::text;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::identity::longest_credential;
use crate::index::{Revocation as Stored, RevocationKind, RevocationPlace, RoleSession, cut};

asks! { "session":
    /// Asks for all sessions.
    ListSessions: ListSessions, |_| Resource::Service;
    /// Asks for one.
    GetSession: GetSession, |id| Resource::managed("session", id);
    /// Asks to end one.
    RevokeSession: RevokeSession, |id| Resource::managed("session", id);
    /// Asks for what was revoked.
    ListRevocations: ListSessions, |_| Resource::Service;
    /// Asks to revoke a token, or everything of a person.
    Revoke: RevokeSession, |_| Resource::Service;
}

/// A session of a role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// Its id.
    id: Uuid,
    /// The id of its access key; public.
    #[schema(example = "ASIAQ3VJ6XG2N5YTBWLA")]
    access_key_id: String,
    /// Whoever took the role: the id.
    subject: String,
    /// And the name.
    name: String,
    /// The role.
    role: String,
    /// The name that they gave the session.
    session_name: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    issued_at: OffsetDateTime,
    /// When it ends by itself.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Whether it was ended before.
    revoked: bool,
}

/// A page of sessions that have not lapsed, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    /// The sessions.
    sessions: Vec<Session>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What is no longer good.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A session, by its id.
    Session,
    /// Tokens, sessions and access keys of a person, by the person's id.
    Subject,
    /// A token: the issuer's name in the configuration, a slash and the token's `jti`.
    Token,
    /// What was issued for a login at an issuer: the issuer's name in the configuration, a slash and the tokens' `sid`.
    Login,
}

/// What shall no longer be good.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRevocation {
    /// What it is.
    kind: Kind,
    /// Which one.
    #[serde(deserialize_with = "text::<_, 512>")]
    #[schema(
        example = "kc/0e7a6c1b-6c43-4c4e-a05c-2f31a1a0f1d4",
        min_length = 1,
        max_length = 512,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"
    )]
    value: String,
    /// Why.
    #[serde(default, deserialize_with = "text::<_, 512>")]
    #[schema(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    reason: String,
}

/// What is no longer good though it has not lapsed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revocation {
    /// What it is.
    kind: Kind,
    /// Which one.
    value: String,
    /// What was issued up to then is no longer good.
    #[serde(with = "time::serde::rfc3339")]
    before: OffsetDateTime,
    /// When all of it has lapsed by itself: then this is forgotten.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Why.
    reason: String,
    /// Who said so.
    revoked_by: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// A page of what was revoked, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revocations {
    /// The revocations.
    revocations: Vec<Revocation>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Which page of a list of sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; unset: the first page.
    after: Option<Uuid>,
}

/// Which page of a list of revocations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RevocationPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; unset: the first page.
    #[param(pattern = r"^(0|-?[1-9][0-9]{0,15})\.(login|session|subject|token)\.[^\x00-\x1f\x7f-\x9f]{1,512}$")]
    after: Option<String>,
}

impl From<RoleSession> for Session {
    fn from(row: RoleSession) -> Self {
        let RoleSession { id, access_key_id, subject, name, role, session_name, issued_at, expires_at, revoked } = row;
        Self { id, access_key_id, subject, name, role, session_name, issued_at, expires_at, revoked }
    }
}

impl From<Kind> for RevocationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Session => Self::Session,
            Kind::Subject => Self::Subject,
            Kind::Token => Self::Token,
            Kind::Login => Self::Login,
        }
    }
}

impl From<Stored> for Revocation {
    fn from(row: Stored) -> Self {
        let Stored { kind, value, before, expires_at, reason, revoked_by, revoked_at } = row;
        let kind = match kind {
            RevocationKind::Session => Kind::Session,
            RevocationKind::Subject => Kind::Subject,
            RevocationKind::Token => Kind::Token,
            RevocationKind::Login => Kind::Login,
        };
        Self { kind, value, before, expires_at, reason, revoked_by, revoked_at }
    }
}

/// List sessions that have not lapsed.
#[utoipa::path(get, path = "/sessions", tag = "sessions", params(SessionPage), responses((status = 200, body = Sessions)))]
pub(super) async fn list_sessions(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListSessions>,
    page: Result<Query<SessionPage>, QueryRejection>,
) -> Result<Json<Sessions>, Refusal> {
    let Query(page) = page?;
    let (found, more) = app.index.role_sessions(page.after, bounded(page.limit)?).await?;
    let next = found.last().filter(|_| more).map(|session| session.id.to_string());
    Ok(Json(Sessions { sessions: found.into_iter().map(Session::from).collect(), next }))
}

/// Show a session that has not lapsed.
#[utoipa::path(get, path = "/sessions/{session}", tag = "sessions", params(("session" = Uuid, Path, description = "The id.")),
    responses((status = 200, body = Session), (status = 404, description = "There is none that lasts.")))]
pub(super) async fn get_session(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetSession>,
    Path(id): Path<String>,
) -> Result<Json<Session>, Refusal> {
    let session = app.index.role_session(session_id(&id)?).await?.ok_or(Code::NoSuchEntity)?;
    Ok(Json(session.into()))
}

/// End a session. On every replica it holds within five seconds.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "sessions", params(("session" = Uuid, Path, description = "The id.")),
    responses((status = 204, description = "It has ended."), (status = 404, description = "There is none that lasts.")))]
pub(super) async fn revoke_session(
    State(app): State<Arc<App>>,
    permitted: Permitted<RevokeSession>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let (by, record) = (permitted.permit.principal().to_string(), permitted.permit.record());
    app.index.revoke_role_session(session_id(&id)?, "", &by, record.as_slice()).await?;
    know(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what was revoked and has not lapsed.
#[utoipa::path(get, path = "/revocations", tag = "sessions", params(RevocationPage), responses((status = 200, body = Revocations)))]
pub(super) async fn list_revocations(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListRevocations>,
    page: Result<Query<RevocationPage>, QueryRejection>,
) -> Result<Json<Revocations>, Refusal> {
    let Query(page) = page?;
    let after = page.after.as_deref().map(place).transpose()?;
    let limit = bounded(page.limit)?;
    let found = app.index.revocations(after, limit + 1).await?;
    let (found, more) = cut(found, limit);
    let next = found.last().filter(|_| more).map(token);
    Ok(Json(Revocations { revocations: found.into_iter().map(Revocation::from).collect(), next }))
}

/// Revoke a session, a token, or everything of a person that was issued until now. On every replica it holds within five seconds.
///
/// With a person go the access keys of the person, and those that the person answers for. Whoever can still log in gets new tokens:
/// disable the person at the issuer first.
#[utoipa::path(post, path = "/revocations", tag = "sessions", request_body = NewRevocation,
    responses((status = 204, description = "It is no longer good."), (status = 404, description = "There is no such session that lasts.")))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    permitted: Permitted<Revoke>,
    Posted { body: new, once }: Posted<NewRevocation>,
) -> Result<Answer, Refusal> {
    if new.value.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "value: at least one character").with("field", "value").into());
    }
    let session = matches!(new.kind, Kind::Session).then(|| new.value.parse::<Uuid>()).transpose();
    let session = session.map_err(|_| Error::from(Code::NoSuchEntity).with("field", "value"))?;
    let kind = RevocationKind::from(new.kind);
    let by = permitted.permit.principal().to_string();
    let record = permitted.permit.record().map(|record| record.reference(&new.value));
    let expires_at = OffsetDateTime::now_utc() + longest_credential(&app.config.identity.issuers);
    let revoked = once.carry_out(&app, &permitted.permit, async |index| {
        match session {
            Some(id) => index.revoke_role_session(id, &new.reason, &by, record.as_slice()).await?,
            None => index.revoke(kind, &new.value, expires_at, &new.reason, &by, record.as_slice()).await?,
        }
        Ok(Answer::done())
    });
    let answer = revoked.await?;
    know(&app).await?;
    Ok(answer)
}

/// This replica knows at once.
async fn know(app: &App) -> Result<(), Error> {
    match app.identity.revocations() {
        Some(revocations) => revocations.refresh(&app.index).await,
        None => Ok(()),
    }
}

/// A place in the list for clients, who give it back as it is: microseconds since 1970, kind and value.
fn token(last: &Stored) -> String {
    format!("{}.{}.{}", last.revoked_at.unix_timestamp_nanos() / 1000, last.kind.as_str(), last.value)
}

fn place(token: &str) -> Result<RevocationPlace, Error> {
    let parse = || {
        let (micros, rest) = token.split_once('.')?;
        let (kind, value) = rest.split_once('.')?;
        let micros = micros.parse::<i64>().ok().filter(|number| number.to_string() == micros)?;
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
        let kind = RevocationKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        let is_value = (1..=512).contains(&value.chars().count()) && !value.chars().any(char::is_control);
        is_value.then(|| (moment, kind, value.to_owned()))
    };
    parse().ok_or_else(|| Error::new(Code::InvalidArgument, "after: not a `next` of this list").with("field", "after"))
}

fn session_id(text: &str) -> Result<Uuid, Error> {
    let wrong =
        |_| Error::new(Code::InvalidArgument, "session: the id of a session is a UUID").with("field", "session");
    text.parse().map_err(wrong)
}
