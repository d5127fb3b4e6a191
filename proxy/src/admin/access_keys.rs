//! `/access-keys`: access keys of service accounts. A secret is shown once, when its key is made.
//!
//! Who may make a key may give it any role and group: that right is as good as every other.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Principal, Resource};

use super::access_key::{
    AccessKey, AccessKeyUpdate, AccessKeys, MadeAccessKey, RoleOrGroup, Rotation, change, delete, expected_key, known,
    list, made, narrowing, show,
};
use super::answer::Answer;
use super::caller::asks;
use super::idempotency::Posted;
use super::name::check_name;
use super::openapi::schemas::maybe_policy_document;
use super::page::PlainPage;
use super::text::text;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::audit::Kind;
use crate::authz::Permit;
use crate::error::Error;
use crate::identity::{NewKey, ServiceAccount};
use crate::index::AccountKind;

/// Where they are.
const KEYS: &str = "/access-keys";

/// What the names of service accounts begin with, so that none has the name of a person.
const PREFIX: &str = "service/";

/// The longest name of a service account.
const NAME: usize = 64;

asks! { "access_key":
    /// Asks for all keys.
    ListAccessKeys: ListAccessKeys, |_| Resource::Service;
    /// Asks for one, without its secret.
    GetAccessKey: GetAccessKey, |id| Resource::managed("access-key", id);
    /// Asks to make one.
    CreateAccessKey: CreateAccessKey, |_| Resource::Service;
    /// Asks to change one.
    UpdateAccessKey: UpdateAccessKey, |id| Resource::managed("access-key", id);
    /// Asks to rotate one.
    RotateAccessKey: UpdateAccessKey, |id| Resource::managed("access-key", id);
    /// Asks to delete one.
    DeleteAccessKey: DeleteAccessKey, |id| Resource::managed("access-key", id);
}

/// What a key shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "ci-bot", "groups": ["/teams/build"], "description": "Pushes releases."}))]
pub(super) struct NewAccessKey {
    /// The service account's name; policies call it `service/<name>`.
    #[schema(example = "ci-bot", min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9+=,.@_-]*$")]
    name: String,
    /// What it is for.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
    /// Roles that it has.
    #[serde(default)]
    #[schema(value_type = Vec<RoleOrGroup>, max_items = 1000)]
    roles: Vec<String>,
    /// Groups that it is in.
    #[serde(default)]
    #[schema(value_type = Vec<RoleOrGroup>, max_items = 1000)]
    groups: Vec<String>,
    /// A policy that narrows what the account may do.
    #[serde(default)]
    #[schema(schema_with = maybe_policy_document)]
    policy: Option<Value>,
    /// From when on it is no longer good; unset: never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

/// List access keys, without their secrets.
#[utoipa::path(get, path = "/access-keys", tag = "access keys", params(PlainPage), responses((status = 200, body = AccessKeys)))]
pub(super) async fn list_access_keys(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListAccessKeys>,
    page: Result<Query<PlainPage>, QueryRejection>,
) -> Result<Json<AccessKeys>, Refusal> {
    let Query(page) = page?;
    list(&app, None, &page).await
}

/// Make a service account with its first access key.
#[utoipa::path(post, path = "/access-keys", tag = "access keys", request_body = NewAccessKey,
    responses((status = 201, body = MadeAccessKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 501, description = "No key ring is configured to seal secrets.")))]
pub(super) async fn create_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<CreateAccessKey>,
    Posted { body: new, once }: Posted<NewAccessKey>,
) -> Result<Answer, Refusal> {
    let permit = &permitted.permit;
    check_name(&new.name, "A service account's name", "name", NAME)?;
    refuse_narrowed(&app, permit).await?;
    let key = NewKey {
        owner: owner(permit.principal()),
        service_account: Some(ServiceAccount::New),
        name: format!("{PREFIX}{}", new.name),
        issuer: String::new(),
        description: new.description,
        roles: new.roles,
        groups: new.groups,
        policy: narrowing(new.policy)?,
        created_by: permit.principal().to_string(),
        expires_at: new.expires_at,
    };
    let keys = app.identity.stored()?;
    let record = |id: &str| Some(permit.recorded(Kind::Operation)?.reference(id).answered(200, None));
    once.carry_out(&app, permit, async |index| made(keys.within(&index).create(key, record).await?, KEYS)).await
}

/// Show an access key, without its secret.
#[utoipa::path(get, path = "/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id.")),
    responses((status = 200, body = AccessKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this id.")))]
pub(super) async fn get_access_key(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetAccessKey>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    show(&app, &id).await
}

/// Switch an access key off or on, or make it end at another time. On every replica it holds within five seconds.
#[utoipa::path(patch, path = "/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is changed.")),
    request_body = AccessKeyUpdate,
    responses((status = 200, body = AccessKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this id."),
        (status = 409, description = "It would be the third active key of its account."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn change_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<UpdateAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<AccessKeyUpdate>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(update) = body?;
    let key = known(&app, &id).await?;
    // A person's may be made to end sooner: only the person makes it good for longer.
    let no_later = key.expires_at.filter(|_| key.account_kind == AccountKind::Person);
    change(&app, &permitted.permit, &key, &headers, &update, no_later).await
}

/// Delete an access key. On every replica it holds within five seconds.
#[utoipa::path(delete, path = "/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this id."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn delete_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    delete(&app, &permitted.permit, &id, &headers).await
}

/// Make a second key for the service account of a key. Both are good until one is switched off or deleted.
///
/// Whoever may do it has the secret, and so can act as the account. A person's keys only the person rotates.
#[utoipa::path(post, path = "/access-keys/{access_key}/rotate", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is replaced.")),
    request_body = Rotation,
    responses((status = 201, body = MadeAccessKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 404, description = "There is none of this id."),
        (status = 409, description = "The account has two active keys already, or the key is not active."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured to seal secrets.")))]
pub(super) async fn rotate_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<RotateAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { body: rotation, once }: Posted<Rotation>,
) -> Result<Answer, Refusal> {
    let permit = &permitted.permit;
    refuse_narrowed(&app, permit).await?;
    if known(&app, &id).await?.account_kind == AccountKind::Person {
        let why = "The secret of a person's access key is for the person alone.";
        return Err(app.authority.refuse(permit, why).await.into());
    }
    let (by, record) = (permit.principal().to_string(), permit.record());
    let expected = expected_key(&app, &id, &headers).await?;
    let keys = app.identity.stored()?;
    once.carry_out(&app, permit, async |index| {
        made(keys.within(&index).rotate(&id, &by, rotation.expires_at, expected, record.as_slice()).await?, KEYS)
    })
    .await
}

/// Who answers for an account: revoking a person ends the keys that the person has made.
fn owner(principal: &Principal) -> String {
    match principal {
        Principal::Identity(identity) => identity.id.clone(),
        other => other.to_string(),
    }
}

/// A credential that a policy of its own narrows makes no other: that one would not be narrowed.
async fn refuse_narrowed(app: &App, permit: &Permit) -> Result<(), Error> {
    let Principal::Identity(identity) = permit.principal() else { return Ok(()) };
    let session = identity.session.as_ref();
    let is_narrowed = session.is_some_and(|session| session.policy.is_some() || !session.inherited.is_empty());
    if !is_narrowed && identity.policy.is_none() {
        return Ok(());
    }
    let why = "A session or an access key with a policy of its own makes no access keys.";
    Err(app.authority.refuse(permit, why).await)
}
