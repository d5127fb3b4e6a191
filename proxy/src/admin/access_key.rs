//! Access keys: `/access-keys`, those of service accounts, and `/me/access-keys`, those that people make for themselves.
//!
//! What lives here: how a key is shown, and what both do with one that is there. What does not: who may have which key
//! (`access_keys.rs`, `my_access_keys.rs`), and what keys are (`identity/stored_keys.rs`).

use axum::Json;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::answer::Answer;
use super::etag::{etag, expected};
use super::page::PlainPage;
use super::{BASE, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::identity::Issued;
use crate::index::{AccessKeyChange, AccessKeyPage, AccountKind, StoredAccessKey};

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

/// What shall become of a key: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessKeyUpdate {
    /// Switches it off or on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    disabled: Option<bool>,
    /// From when on it is no longer good; null: as late as may be, of a service account never.
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    expires_at: Option<Option<OffsetDateTime>>,
}

/// The name of a role or a group.
#[derive(ToSchema)]
#[schema(value_type = String, example = "/teams/build", pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
#[expect(dead_code, reason = "it only describes names; `StoredKeys` checks them")]
pub(super) struct RoleOrGroup(String);

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
    fn of(page: AccessKeyPage) -> Self {
        let next = page.keys.last().filter(|_| page.truncated).map(|key| key.id.clone());
        Self { access_keys: page.keys.into_iter().map(AccessKey::from).collect(), next }
    }
}

impl AccessKeyUpdate {
    /// What it means to the index.
    fn change(&self) -> Result<AccessKeyChange> {
        match (self.disabled, self.expires_at) {
            (Some(true), None) => Ok(AccessKeyChange::Disable),
            (Some(false), None) => Ok(AccessKeyChange::Enable),
            (None, Some(ends)) => Ok(AccessKeyChange::Expire(ends)),
            (None, None) | (Some(_), Some(_)) => {
                let text = "Give disabled or expires_at: one change at a time.";
                Err(Error::new(Code::InvalidArgument, text).with("field", "disabled"))
            }
        }
    }
}

/// What is given is not null: null says nothing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<bool>, D::Error> {
    bool::deserialize(deserializer).map(Some)
}

/// A moment, or null, where one of them is given.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(deserializer).map(Some)
}

/// The latest end of the keys of a person: nobody's is good for ever, for nobody tells us that its person has left.
pub(super) fn latest_end(app: &App) -> (Duration, OffsetDateTime) {
    let longest = Duration::try_from(app.config.identity.personal_key_lifetime).unwrap_or(Duration::days(90));
    (longest, OffsetDateTime::now_utc() + longest)
}

/// When a key of a person ends.
/// # Errors
/// `InvalidArgument` where it is asked for longer than the configuration allows.
pub(super) fn end(app: &App, asked: Option<OffsetDateTime>) -> Result<OffsetDateTime> {
    let (longest, latest) = latest_end(app);
    match asked {
        Some(asked) if asked > latest + Duration::MINUTE => {
            let text = format!("expires_at may be {} days from now at the latest.", longest.whole_days());
            Err(Error::new(Code::InvalidArgument, text).with("field", "expires_at"))
        }
        asked => Ok(asked.unwrap_or(latest)),
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

/// A page of the keys of one owner, or of all.
pub(super) async fn list(app: &App, owner: Option<&str>, page: &PlainPage) -> Result<Json<AccessKeys>, Refusal> {
    let found = app.index.access_keys(owner, page.after(), page.limit()?).await?;
    Ok(Json(AccessKeys::of(found)))
}

/// A key, with its version as ETag.
pub(super) async fn show(app: &App, id: &str) -> Result<impl IntoResponse + use<>, Refusal> {
    let key = AccessKey::from(known(app, id).await?);
    Ok(([(header::ETAG, etag(key.version))], Json(key)))
}

/// Switches a key off or on, or makes it end at another time, and shows it; `no_later`: what the caller may not go beyond.
/// This replica knows at once.
pub(super) async fn change(
    app: &App,
    permit: &Permit,
    key: &StoredAccessKey,
    headers: &HeaderMap,
    update: &AccessKeyUpdate,
    no_later: Option<OffsetDateTime>,
) -> Result<impl IntoResponse + use<>, Refusal> {
    let change = match update.change()? {
        AccessKeyChange::Expire(ends) if key.account_kind == AccountKind::Person => {
            AccessKeyChange::Expire(Some(within(end(app, ends)?, ends, no_later)?))
        }
        change => change,
    };
    put(app, permit, &key.id, headers, change).await?;
    show(app, &key.id).await
}

/// An end that is no later than another: what was asked for beyond it is refused, what was not asked for is cut.
pub(super) fn within(
    end: OffsetDateTime,
    asked: Option<OffsetDateTime>,
    no_later: Option<OffsetDateTime>,
) -> Result<OffsetDateTime> {
    match no_later {
        Some(latest) if end > latest && asked.is_some() => {
            let text = "Only whoever shows a token makes an access key of their own good for longer.";
            Err(Error::new(Code::InvalidArgument, text).with("field", "expires_at"))
        }
        Some(latest) => Ok(end.min(latest)),
        None => Ok(end),
    }
}

/// A key that must be there.
/// # Errors
/// `NoSuchEntity`.
pub(super) async fn known(app: &App, id: &str) -> Result<StoredAccessKey> {
    app.index.access_key(id).await?.ok_or_else(|| Code::NoSuchEntity.into())
}

/// Deletes a key. This replica knows at once.
pub(super) async fn delete(app: &App, permit: &Permit, id: &str, headers: &HeaderMap) -> Result<StatusCode, Refusal> {
    put(app, permit, id, headers, AccessKeyChange::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put(app: &App, permit: &Permit, id: &str, headers: &HeaderMap, change: AccessKeyChange) -> Result<()> {
    let (expected, record) = (expected_key(app, id, headers).await?, permit.record());
    app.index.change_access_key(id, change, expected, record.as_slice()).await?;
    app.identity.stored()?.forget(id).await;
    Ok(())
}

/// The version of a key that a change expects.
pub(super) async fn expected_key(app: &App, id: &str, headers: &HeaderMap) -> Result<Option<i64>> {
    expected(headers, async || Ok(app.index.access_key(id).await?.map(|key| key.version))).await
}

/// A policy that narrows a key, as it is stored.
pub(super) fn narrowing(policy: Option<Value>) -> Result<Option<String>> {
    policy.map(|policy| serde_json::to_string_pretty(&policy)).transpose().map_err(Error::internal)
}

/// The answer with the secret. `keys` is where the key can be asked for.
pub(super) fn made(issued: Issued, keys: &str) -> Result<Answer> {
    let key = AccessKey::from(issued.key);
    let (location, version) = (format!("{BASE}{keys}/{}", key.id), etag(key.version));
    let answer = Answer::json(StatusCode::CREATED, &MadeAccessKey { key, secret: issued.secret.expose().to_owned() })?;
    Ok(answer.with(header::LOCATION, &location)?.with(header::ETAG, &version)?.secret())
}
