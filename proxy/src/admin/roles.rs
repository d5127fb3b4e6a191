//! `/roles`: roles that can be taken for a while, each with its trust policy. What a role may do, policies say that are attached to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Kind, Resource};

use super::caller::asks;
use super::etag::etag;
use super::name::check_name;
use super::openapi::schemas::policy_document;
use super::page::Page;
use super::policies::{
    History, HistoryPage, PutOptions, delete_document, expected_document, history, malformed, put_document,
};
use super::text::text;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::index::{DocumentKind, NewDocument, PolicyDocument, cut};

/// The longest name of a role.
const NAME: usize = 64;

/// Seconds of the longest session: where it is not said, the fewest, and the most (AWS IAM, "MaxSessionDuration").
const USUAL_SESSION: i32 = 3600;
const SESSION: std::ops::RangeInclusive<i32> = 900..=43_200;

asks! { "role":
    /// Asks for all roles.
    ListRoles: ListRoles, |_| Resource::Service;
    /// Asks for one.
    GetRole: GetRole, Resource::role;
    /// Asks to make or replace one.
    PutRole: PutRole, Resource::role;
    /// Asks to delete one.
    DeleteRole: DeleteRole, Resource::role;
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Role {
    /// Its name.
    #[schema(example = "deploy")]
    name: String,
    /// The name as STS takes it.
    #[schema(example = "arn:aws:iam:::role/deploy")]
    arn: String,
    /// What it is for.
    description: String,
    /// The longest session, in seconds.
    max_session: i32,
    /// Grows with each change of any role or policy; as `ETag`, in quotes.
    version: i64,
    /// When it became what it is.
    #[serde(with = "time::serde::rfc3339::option")]
    changed_at: Option<OffsetDateTime>,
    /// By whom.
    changed_by: Option<String>,
    /// Who may take it; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    trust_policy: Option<Value>,
}

/// A page of roles by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Roles {
    /// The roles, without their trust policies.
    roles: Vec<Role>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What a role shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "Deploys.", "max_session": 3600, "trust_policy": {"Statement": {"Effect": "Allow",
    "Principal": {"AWS": "user/alice"}, "Action": "sts:AssumeRole"}}}))]
pub(super) struct NewRole {
    /// Who may take it: a policy with `Principal`, and without `Resource`.
    #[schema(schema_with = policy_document)]
    trust_policy: Value,
    /// What it is for.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
    /// The longest session in seconds, from 900 to 43200; 3600 where it is not said.
    #[schema(minimum = 900, maximum = 43_200)]
    max_session: Option<i32>,
}

impl Role {
    fn stored(stored: PolicyDocument, whole: bool) -> Self {
        let trust_policy =
            whole.then(|| serde_json::from_str(&stored.document).unwrap_or(Value::String(stored.document)));
        Self {
            arn: Resource::role(&stored.name).to_string(),
            name: stored.name,
            description: stored.description,
            max_session: stored.max_session.unwrap_or(USUAL_SESSION),
            version: stored.version,
            changed_at: Some(stored.changed_at),
            changed_by: Some(stored.changed_by),
            trust_policy,
        }
    }
}

/// List roles.
#[utoipa::path(get, path = "/roles", tag = "roles", params(Page), responses((status = 200, body = Roles)))]
pub(super) async fn list_roles(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListRoles>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Roles>, Refusal> {
    let Query(page) = page?;
    let limit = page.limit()?;
    let stored = app.index.list_policy_documents(DocumentKind::Role, page.prefix(), page.after(), limit + 1).await?;
    let (stored, more) = cut(stored, limit);
    let next = stored.last().filter(|_| more).map(|role| role.name.clone());
    Ok(Json(Roles { roles: stored.into_iter().map(|role| Role::stored(role, false)).collect(), next }))
}

/// Show a role with its trust policy.
#[utoipa::path(get, path = "/roles/{role}", tag = "roles", params(("role" = String, Path, description = "The name.")),
    responses((status = 200, body = Role, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name.")))]
pub(super) async fn get_role(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetRole>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let stored = app.index.policy_document(DocumentKind::Role, &name).await?.ok_or(Code::NoSuchEntity)?;
    Ok(([(header::ETAG, etag(stored.version))], Json(Role::stored(stored, true))))
}

/// Make or replace a role.
///
/// `If-Match` with the version that shall be replaced, or `If-None-Match: *` where there shall be none yet; without either the role
/// becomes what is sent whatever it was. Sessions that have begun go on; what they may do is decided anew for each request.
#[utoipa::path(put, path = "/roles/{role}", tag = "roles",
    params(("role" = String, Path, description = "The name."), PutOptions,
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = NewRole,
    responses((status = 200, body = Role, description = "As it is now, or would be with `dry_run`.",
            headers(("ETag" = String, description = "The version."))),
        (status = 400, description = "Something is wrong: the error names the field; of the trust policy, line and column too."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn put_role(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutRole>,
    Path(name): Path<String>,
    options: Result<Query<PutOptions>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Json<NewRole>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let (Query(options), Json(new)) = (options?, body?);
    check_name(&name, "A role's name", "role", NAME)?;
    let expected = expected_document(&app, DocumentKind::Role, &name, &headers).await?;
    let max_session = new.max_session.unwrap_or(USUAL_SESSION);
    if !SESSION.contains(&max_session) {
        let text = "max_session is from 900 to 43200 seconds.";
        return Err(Error::new(Code::InvalidArgument, text).with("field", "max_session").into());
    }
    // Written anew, so that line and column are those of the document alone.
    let document = serde_json::to_string_pretty(&new.trust_policy).map_err(Error::internal)?;
    zas_policy::Policy::parse(Kind::Trust, &name, &document).map_err(|error| malformed("trust_policy", &error))?;
    let by = permitted.permit.principal().to_string();
    let record = permitted.permit.record();
    let put = NewDocument {
        kind: DocumentKind::Role,
        name: &name,
        document: &document,
        description: &new.description,
        max_session: Some(max_session),
        expected,
        by: &by,
        audit: record.as_slice(),
    };
    let version = put_document(&app, put, &options).await?;
    let role = Role {
        arn: Resource::role(&name).to_string(),
        name,
        description: new.description,
        max_session,
        version,
        changed_at: (!options.dry_run).then(OffsetDateTime::now_utc),
        changed_by: (!options.dry_run).then_some(by),
        trust_policy: Some(new.trust_policy),
    };
    Ok(([(header::ETAG, etag(version))], Json(role)))
}

/// Delete a role, and with it what is attached to it. Its sessions may do nothing any more.
#[utoipa::path(delete, path = "/roles/{role}", tag = "roles",
    params(("role" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this name."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_role(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteRole>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    delete_document(&app, &permitted.permit, DocumentKind::Role, &name, &headers).await
}

/// Show what was changed in a role, when and by whom. A role that was deleted keeps its history.
#[utoipa::path(get, path = "/roles/{role}/history", tag = "roles",
    params(("role" = String, Path, description = "The name."), HistoryPage), responses((status = 200, body = History)))]
pub(super) async fn get_role_history(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetRole>,
    Path(name): Path<String>,
    page: Result<Query<HistoryPage>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    history(&app, DocumentKind::Role, &name, page).await
}
