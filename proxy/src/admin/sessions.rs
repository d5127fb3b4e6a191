//! `/sessions` and `/revocations`: sessions of roles, and the end of what was issued before it lapses by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use zas_policy::Resource;

use super::caller::asks;
use super::page::Page;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::identity::longest_credential;
use crate::index::{Revocation as Stored, RevocationKind, RoleSession};

/// Revocations that are shown.
const SHOWN: u32 = 1000;

/// Bytes of a reason, and of what is revoked.
const LONGEST: usize = 512;

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
    #[schema(example = "kc/0e7a6c1b-6c43-4c4e-a05c-2f31a1a0f1d4")]
    value: String,
    /// Why.
    #[serde(default)]
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

/// What was revoked, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revocations {
    /// At most 1,000 of them.
    revocations: Vec<Revocation>,
}

impl From<RoleSession> for Session {
    fn from(row: RoleSession) -> Self {
        let RoleSession { id, access_key_id, subject, name, role, session_name, issued_at, expires_at, revoked } = row;
        Self { id, access_key_id, subject, name, role, session_name, issued_at, expires_at, revoked }
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
#[utoipa::path(get, path = "/sessions", tag = "sessions", params(Page), responses((status = 200, body = Sessions)))]
pub(super) async fn list_sessions(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListSessions>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Sessions>, Refusal> {
    let Query(page) = page?;
    if !page.prefix().is_empty() {
        return Err(Error::new(Code::InvalidArgument, "Ids are random: there is no prefix.")
            .with("field", "prefix")
            .into());
    }
    let after = if page.after().is_empty() { None } else { Some(session_id(page.after(), "after")?) };
    let (found, more) = app.index.role_sessions(after, page.limit()?).await?;
    let next = found.last().filter(|_| more).map(|session| session.id.to_string());
    Ok(Json(Sessions { sessions: found.into_iter().map(Session::from).collect(), next }))
}

/// Show a session that has not lapsed.
#[utoipa::path(get, path = "/sessions/{session}", tag = "sessions", params(("session" = String, Path, description = "The id.")),
    responses((status = 200, body = Session), (status = 404, description = "There is none that lasts.")))]
pub(super) async fn get_session(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetSession>,
    Path(id): Path<String>,
) -> Result<Json<Session>, Refusal> {
    let session = app.index.role_session(session_id(&id, "session")?).await?.ok_or(Code::NoSuchEntity)?;
    Ok(Json(session.into()))
}

/// End a session. On every replica it holds within five seconds.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "sessions", params(("session" = String, Path, description = "The id.")),
    responses((status = 204, description = "It has ended."), (status = 404, description = "There is none that lasts.")))]
pub(super) async fn revoke_session(
    State(app): State<Arc<App>>,
    permitted: Permitted<RevokeSession>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let (by, record) = (permitted.permit.principal().to_string(), permitted.permit.record());
    app.index.revoke_role_session(session_id(&id, "session")?, "", &by, record.as_slice()).await?;
    know(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what was revoked and has not lapsed.
#[utoipa::path(get, path = "/revocations", tag = "sessions", responses((status = 200, body = Revocations)))]
pub(super) async fn list_revocations(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListRevocations>,
) -> Result<Json<Revocations>, Refusal> {
    let found = app.index.revocations(SHOWN).await?;
    Ok(Json(Revocations { revocations: found.into_iter().map(Revocation::from).collect() }))
}

/// Revoke a session, a token, or everything of a person that was issued until now. On every replica it holds within five seconds.
///
/// With a person go the access keys of the person, and those that the person answers for. Whoever can still log in gets new tokens:
/// disable the person at the issuer first.
#[utoipa::path(post, path = "/revocations", tag = "sessions", request_body = NewRevocation,
    responses((status = 204, description = "It is no longer good."), (status = 400, description = "A field is wrong.")))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    permitted: Permitted<Revoke>,
    body: Result<Json<NewRevocation>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(new) = body?;
    check_text(&new.value, "value", !new.value.is_empty())?;
    check_text(&new.reason, "reason", true)?;
    let by = permitted.permit.principal().to_string();
    let record = permitted.permit.record().map(|record| record.reference(&new.value));
    let (kind, audit) = match new.kind {
        Kind::Session => {
            let id = session_id(&new.value, "value")?;
            app.index.revoke_role_session(id, &new.reason, &by, record.as_slice()).await?;
            know(&app).await?;
            return Ok(StatusCode::NO_CONTENT);
        }
        Kind::Subject => (RevocationKind::Subject, record),
        Kind::Token => (RevocationKind::Token, record),
        Kind::Login => (RevocationKind::Login, record),
    };
    let expires_at = OffsetDateTime::now_utc() + longest_credential(&app.config.identity.issuers);
    app.index.revoke(kind, &new.value, expires_at, &new.reason, &by, audit.as_slice()).await?;
    know(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// This replica knows at once.
async fn know(app: &App) -> Result<(), Error> {
    match app.identity.revocations() {
        Some(revocations) => revocations.refresh(&app.index).await,
        None => Ok(()),
    }
}

fn session_id(text: &str, field: &'static str) -> Result<Uuid, Error> {
    text.parse().map_err(|_| Error::new(Code::InvalidArgument, "The id of a session is a UUID.").with("field", field))
}

fn check_text(text: &str, field: &'static str, holds: bool) -> Result<(), Error> {
    if holds && text.len() <= LONGEST && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("{field} has at most 512 characters, none of control; a value has at least one.");
    Err(Error::new(Code::InvalidArgument, message).with("field", field))
}
