//! `/me/access-keys`: access keys that people make for themselves. A key speaks as its person, with the roles and groups that the
//! person last had when showing a token; it ends with them when the person is revoked.

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
use zas_policy::{Identity, Principal, Resource};

use super::access_key::{
    AccessKey, AccessKeyUpdate, AccessKeys, MadeAccessKey, Rotation, change, delete, end, expected_key, list, made,
    narrowing, show, within,
};
use super::answer::Answer;
use super::caller::asks;
use super::idempotency::Posted;
use super::openapi::schemas::maybe_policy_document;
use super::page::PlainPage;
use super::text::text;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::audit::Kind;
use crate::authz::Permit;
use crate::error::{Code, Error};
use crate::identity::NewKey;
use crate::index::StoredAccessKey;

/// Where they are.
const KEYS: &str = "/me/access-keys";

asks! { "access_key":
    /// Asks for one's own keys.
    ListMyAccessKeys: ListOwnAccessKeys, |_| Resource::Service;
    /// Asks for one of them, without its secret.
    GetMyAccessKey: GetOwnAccessKey, |id| Resource::managed("access-key", id);
    /// Asks to make one.
    CreateMyAccessKey: CreateOwnAccessKey, |_| Resource::Service;
    /// Asks to change one.
    UpdateMyAccessKey: UpdateOwnAccessKey, |id| Resource::managed("access-key", id);
    /// Asks to rotate one.
    RotateMyAccessKey: UpdateOwnAccessKey, |id| Resource::managed("access-key", id);
    /// Asks to delete one.
    DeleteMyAccessKey: DeleteOwnAccessKey, |id| Resource::managed("access-key", id);
}

/// What a key of one's own shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMyAccessKey {
    /// What it is for.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
    /// A policy that narrows what it may do.
    #[serde(default)]
    #[schema(schema_with = maybe_policy_document)]
    policy: Option<Value>,
    /// From when on it is no longer good; unset: as late as the configuration allows.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

/// List one's own access keys.
#[utoipa::path(get, path = "/me/access-keys", tag = "access keys", params(PlainPage), responses((status = 200, body = AccessKeys)))]
pub(super) async fn list_my_access_keys(
    State(app): State<Arc<App>>,
    permitted: Permitted<ListMyAccessKeys>,
    page: Result<Query<PlainPage>, QueryRejection>,
) -> Result<Json<AccessKeys>, Refusal> {
    let Query(page) = page?;
    let me = person(&app, &permitted.permit).await?;
    list(&app, Some(&me.id), &page).await
}

/// Make an access key for oneself. Only whoever shows a token of an issuer may: a key is no way to another key.
#[utoipa::path(post, path = "/me/access-keys", tag = "access keys", request_body = NewMyAccessKey,
    responses((status = 201, body = MadeAccessKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 409, description = "You have two active keys already."),
        (status = 501, description = "No key ring is configured to seal secrets.")))]
pub(super) async fn create_my_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<CreateMyAccessKey>,
    Posted { body: new, once }: Posted<NewMyAccessKey>,
) -> Result<Answer, Refusal> {
    let permit = &permitted.permit;
    let me = person(&app, permit).await?;
    if me.access_key_id.is_some() {
        let why = "Only whoever shows a token may make an access key of their own.";
        return Err(app.authority.refuse(&permitted.permit, why).await.into());
    }
    let key = NewKey {
        owner: me.id.clone(),
        service_account: None,
        name: me.name.clone(),
        issuer: me.issuer.clone(),
        description: new.description,
        roles: me.roles.clone(),
        groups: me.groups.clone(),
        policy: narrowing(new.policy)?,
        created_by: permit.principal().to_string(),
        expires_at: Some(end(&app, new.expires_at)?),
    };
    let keys = app.identity.stored()?;
    let record = |id: &str| Some(permit.recorded(Kind::Operation)?.reference(id).answered(200, None));
    once.carry_out(&app, permit, async |index| made(keys.within(&index).create(key, record).await?, KEYS)).await
}

/// Show an access key of one's own, without its secret.
#[utoipa::path(get, path = "/me/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id.")),
    responses((status = 200, body = AccessKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "You have none of this id.")))]
pub(super) async fn get_my_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<GetMyAccessKey>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    mine(&app, &permitted.permit, &id).await?;
    show(&app, &id).await
}

/// Switch an access key of one's own off or on, or make it end at another time: later only for whoever shows a token.
#[utoipa::path(patch, path = "/me/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is changed.")),
    request_body = AccessKeyUpdate,
    responses((status = 200, body = AccessKey, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "You have none of this id."),
        (status = 409, description = "It would be the third active key of yours."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn change_my_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<UpdateMyAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<AccessKeyUpdate>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(update) = body?;
    let key = mine(&app, &permitted.permit, &id).await?;
    let no_later = no_later(&permitted.permit, &key);
    change(&app, &permitted.permit, &key, &headers, &update, no_later).await
}

/// Make a second key in place of one of one's own. Both are good until one is switched off or deleted.
///
/// For whoever shows a key and no token, the new one ends when the old one does at the latest: a key is no way to stay for longer.
#[utoipa::path(post, path = "/me/access-keys/{access_key}/rotate", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is replaced.")),
    request_body = Rotation,
    responses((status = 201, body = MadeAccessKey, headers(("Location" = String, description = "Where the key is."),
            ("ETag" = String, description = "Its version."))),
        (status = 404, description = "You have none of this id."),
        (status = 409, description = "You have two active keys already, or the key is not active."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured to seal secrets.")))]
pub(super) async fn rotate_my_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<RotateMyAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { body: rotation, once }: Posted<Rotation>,
) -> Result<Answer, Refusal> {
    let permit = &permitted.permit;
    let key = mine(&app, permit, &id).await?;
    let (by, record) = (permit.principal().to_string(), permit.record());
    let expected = expected_key(&app, &id, &headers).await?;
    let ends = within(end(&app, rotation.expires_at)?, rotation.expires_at, no_later(permit, &key))?;
    let ends = Some(ends);
    let keys = app.identity.stored()?;
    once.carry_out(&app, permit, async |index| {
        made(keys.within(&index).rotate(&id, &by, ends, expected, record.as_slice()).await?, KEYS)
    })
    .await
}

/// Delete an access key of one's own.
#[utoipa::path(delete, path = "/me/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "You have none of this id."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured.")))]
pub(super) async fn delete_my_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteMyAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    mine(&app, &permitted.permit, &id).await?;
    delete(&app, &permitted.permit, &id, &headers).await
}

/// The person who asks: root, service accounts and sessions have no keys of their own.
async fn person<'p>(app: &App, permit: &'p Permit) -> Result<&'p Identity, Error> {
    match permit.principal() {
        Principal::Identity(identity) if !identity.issuer.is_empty() && identity.session.is_none() => Ok(identity),
        _ => Err(app.authority.refuse(permit, "Only people of an issuer have access keys of their own.").await),
    }
}

/// Whether a key is the person's who asks; those of others are not there.
async fn mine(app: &App, permit: &Permit, id: &str) -> Result<StoredAccessKey, Error> {
    let me = person(app, permit).await?;
    let key = app.index.access_key(id).await?.filter(|key| key.account == me.id);
    key.ok_or_else(|| Code::NoSuchEntity.into())
}

/// What the end of a key may not go beyond where it is changed by whoever shows a key: the end that it has.
fn no_later(permit: &Permit, key: &StoredAccessKey) -> Option<OffsetDateTime> {
    let Principal::Identity(me) = permit.principal() else { return None };
    me.access_key_id.as_ref().and(key.expires_at)
}
