//! `/access-keys`: access keys of service accounts. A secret is shown once, when its key is made.
//!
//! Who may make a key may give it any role and group: that right is as good as every other.

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
use zas_policy::{Principal, Resource};

use super::caller::asks;
use super::etag::{etag, expected};
use super::name::check_name;
use super::page::Page;
use super::{BASE, Permitted, Refusal};
use crate::app::App;
use crate::audit::Kind;
use crate::authz::Permit;
use crate::error::{Code, Error};
use crate::identity::{Issued, NewKey, ServiceAccount};
use crate::index::{AccessKeyChange, AccessKeyPage, StoredAccessKey};

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

/// An access key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessKey {
    /// The id; public.
    #[schema(example = "ZASKQ3VJ6XG2N5YTBWLA")]
    id: String,
    /// Whom it speaks as: the keys of one account are of one account.
    account: String,
    /// The user's name in policies.
    #[schema(example = "service/ci-bot")]
    name: String,
    /// What it is for.
    description: String,
    /// Roles.
    roles: Vec<String>,
    /// Groups.
    groups: Vec<String>,
    /// The policy that narrows it.
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// Whether it is switched off.
    disabled: bool,
    /// From when on it is no longer good.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// By whom.
    created_by: String,
    /// Grows with each change; as `ETag`, in quotes.
    version: i64,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeAccessKey {
    /// The key.
    #[serde(flatten)]
    key: AccessKey,
    /// Its secret: this is the only time that it is shown.
    secret: String,
}

/// A page of keys by id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessKeys {
    /// The keys.
    access_keys: Vec<AccessKey>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What a key shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccessKey {
    /// The service account's name; policies call it `service/<name>`.
    #[schema(example = "ci-bot")]
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Roles that it has.
    #[serde(default)]
    roles: Vec<String>,
    /// Groups that it is in.
    #[serde(default)]
    groups: Vec<String>,
    /// A policy that narrows what the account may do.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// From when on it is no longer good; unset: never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

/// What shall become of a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessKeyUpdate {
    /// Switches it off or on.
    disabled: bool,
}

/// What the second key of an account shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// From when on the new key is no longer good; unset: never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) expires_at: Option<OffsetDateTime>,
}

impl AccessKeys {
    /// A page as the index has it.
    pub(super) fn of(page: AccessKeyPage) -> Self {
        let next = page.keys.last().filter(|_| page.truncated).map(|key| key.id.clone());
        Self { access_keys: page.keys.into_iter().map(AccessKey::from).collect(), next }
    }
}

impl AccessKeyUpdate {
    /// What it means to the index.
    pub(super) const fn change(&self) -> AccessKeyChange {
        if self.disabled { AccessKeyChange::Disable } else { AccessKeyChange::Enable }
    }
}

impl From<StoredAccessKey> for AccessKey {
    fn from(stored: StoredAccessKey) -> Self {
        Self {
            id: stored.id,
            account: stored.account,
            name: stored.name,
            description: stored.description,
            roles: stored.roles,
            groups: stored.groups,
            policy: stored.policy.map(|policy| serde_json::from_str(&policy).unwrap_or(Value::String(policy))),
            disabled: stored.disabled_at.is_some(),
            expires_at: stored.expires_at,
            last_used_at: stored.last_used_at,
            created_at: stored.created_at,
            created_by: stored.created_by,
            version: stored.version,
        }
    }
}

/// List access keys, without their secrets.
#[utoipa::path(get, path = "/access-keys", tag = "access keys", params(Page), responses((status = 200, body = AccessKeys)))]
pub(super) async fn list_access_keys(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListAccessKeys>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<AccessKeys>, Refusal> {
    let Query(page) = page?;
    if !page.prefix().is_empty() {
        return Err(Error::new(Code::InvalidArgument, "Ids are random: there is no prefix.")
            .with("field", "prefix")
            .into());
    }
    let found = app.index.access_keys(None, page.after(), page.limit()?).await?;
    Ok(Json(AccessKeys::of(found)))
}

/// Make a service account with its first access key.
#[utoipa::path(post, path = "/access-keys", tag = "access keys", request_body = NewAccessKey,
    responses((status = 201, body = MadeAccessKey), (status = 400, description = "A field is wrong: the error names it."),
        (status = 501, description = "No key ring is configured to seal secrets.")))]
pub(super) async fn create_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<CreateAccessKey>,
    body: Result<Json<NewAccessKey>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(new) = body?;
    check_name(&new.name, "A service account's name", "name", NAME)?;
    refuse_narrowed(&app, &permitted.permit).await?;
    let by = permitted.permit.principal().to_string();
    let policy = narrowing(new.policy)?;
    let key = NewKey {
        owner: owner(permitted.permit.principal()),
        service_account: Some(ServiceAccount::New),
        name: format!("{PREFIX}{}", new.name),
        issuer: String::new(),
        description: new.description,
        roles: new.roles,
        groups: new.groups,
        policy,
        created_by: by,
        expires_at: new.expires_at,
    };
    let record = |id: &str| Some(permitted.permit.recorded(Kind::Operation)?.reference(id).answered(200, None));
    Ok(made(app.identity.stored()?.create(key, record).await?))
}

/// Show an access key, without its secret.
#[utoipa::path(get, path = "/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id.")),
    responses((status = 200, body = AccessKey), (status = 404, description = "There is none of this id.")))]
pub(super) async fn get_access_key(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetAccessKey>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    shown(&app, &id).await
}

/// Switch an access key off or on. On every replica it holds within five seconds.
#[utoipa::path(patch, path = "/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is changed.")),
    request_body = AccessKeyUpdate,
    responses((status = 200, body = AccessKey), (status = 404, description = "There is none of this id."),
        (status = 409, description = "It would be the third active key of its account."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn change_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<UpdateAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<AccessKeyUpdate>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(update) = body?;
    let (expected, record) = (expected(&headers)?, permitted.permit.record());
    app.index.change_access_key(&id, update.change(), expected, record.as_slice()).await?;
    app.identity.stored()?.forget(&id).await;
    shown(&app, &id).await
}

/// Delete an access key. On every replica it holds within five seconds.
#[utoipa::path(delete, path = "/access-keys/{access_key}", tag = "access keys",
    params(("access_key" = String, Path, description = "The id."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this id."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let (expected, record) = (expected(&headers)?, permitted.permit.record());
    app.index.change_access_key(&id, AccessKeyChange::Delete, expected, record.as_slice()).await?;
    app.identity.stored()?.forget(&id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a second key for the account of a key. Both are good until one is switched off or deleted.
#[utoipa::path(post, path = "/access-keys/{access_key}/rotate", tag = "access keys",
    params(("access_key" = String, Path, description = "The id.")), request_body = Rotation,
    responses((status = 201, body = MadeAccessKey), (status = 404, description = "There is none of this id."),
        (status = 409, description = "The account has two active keys already.")))]
pub(super) async fn rotate_access_key(
    State(app): State<Arc<App>>,
    permitted: Permitted<RotateAccessKey>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Rotation>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(rotation) = body?;
    refuse_narrowed(&app, &permitted.permit).await?;
    let by = permitted.permit.principal().to_string();
    let (expected, record) = (expected(&headers)?, permitted.permit.record());
    let keys = app.identity.stored()?;
    Ok(made(keys.rotate(&id, &by, rotation.expires_at, expected, record.as_slice()).await?))
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
    let session = identity.session.as_ref().and_then(|session| session.policy.as_ref());
    if session.is_none() && identity.policy.is_none() {
        return Ok(());
    }
    let why = "A session or an access key with a policy of its own makes no access keys.";
    Err(app.authority.refuse(permit, why).await?)
}

/// A policy that narrows a key, as it is stored.
pub(super) fn narrowing(policy: Option<Value>) -> Result<Option<String>, Error> {
    policy.map(|policy| serde_json::to_string_pretty(&policy)).transpose().map_err(Error::internal)
}

pub(super) async fn shown(app: &App, id: &str) -> Result<impl IntoResponse + use<>, Refusal> {
    let key: AccessKey = app.index.access_key(id).await?.ok_or(Code::NoSuchEntity)?.into();
    Ok(([(header::ETAG, etag(key.version))], Json(key)))
}

/// The answer with the secret: nobody between us and the client may keep it.
pub(super) fn made(issued: Issued) -> impl IntoResponse + use<> {
    let key = AccessKey::from(issued.key);
    let headers = [
        (header::LOCATION, format!("{BASE}/access-keys/{}", key.id)),
        (header::ETAG, etag(key.version)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::CREATED, headers, Json(MadeAccessKey { key, secret: issued.secret.expose().to_owned() }))
}
