//! `/event-targets`: webhooks that buckets may name in their notification configurations, and what waits for them. Those of the configuration
//! are shown, and changed there.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Action, Resource};

use super::caller::asks;
use super::etag::{etag, expected};
use super::page::Page;
use super::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::bucket_configuration::notification::ARN;
use crate::config::{EventFormat, EventTarget as Configured, PrivateUrl, Secret, is_target_name};
use crate::error::{Code, Error, Result};
use crate::index::{EventBacklog, NewEventTarget, StoredEventTarget};

/// Characters of a secret, at the most.
const SECRET: usize = 1024;

/// Characters of an address, at the most.
const URL: usize = 2048;

/// Asks for all targets.
pub(super) struct ListEventTargets;

impl Asks for ListEventTargets {
    const NAME: &'static str = "ListEventTargets";
    const ACTION: Option<Action> = Some(Action::ListEventTargets);
}

asks! { "event_target":
    /// Asks for one.
    GetEventTarget: GetEventTarget, |name| Resource::managed("event-target", name);
    /// Asks to make or replace one.
    PutEventTarget: PutEventTarget, |name| Resource::managed("event-target", name);
    /// Asks to delete one.
    DeleteEventTarget: DeleteEventTarget, |name| Resource::managed("event-target", name);
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EventTargetFormat {
    /// As S3 sends it to queues and topics: `{"Records": […]}`, one record.
    #[default]
    S3,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
}

impl From<EventFormat> for EventTargetFormat {
    fn from(format: EventFormat) -> Self {
        match format {
            EventFormat::S3 => Self::S3,
            EventFormat::CloudEvents => Self::CloudEvents,
        }
    }
}

impl From<EventTargetFormat> for EventFormat {
    fn from(format: EventTargetFormat) -> Self {
        match format {
            EventTargetFormat::S3 => Self::S3,
            EventTargetFormat::CloudEvents => Self::CloudEvents,
        }
    }
}

/// A target, and what waits for it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventTarget {
    /// The name.
    #[schema(example = "ci")]
    name: String,
    /// What notification configurations name it by.
    #[schema(example = "arn:zas:webhook:::ci")]
    arn: String,
    /// Where events are posted to, without what may be a token.
    #[schema(example = "https://hooks.example.com/(hidden)")]
    url: String,
    /// How they are written.
    format: EventTargetFormat,
    /// Whether bodies are signed. The secret itself is never shown.
    signed: bool,
    /// Whether it is told; otherwise events wait.
    enabled: bool,
    /// Whether the configuration of the service names it; it cannot be changed here then.
    configured: bool,
    /// Events that wait.
    pending: u64,
    /// Events that were given up: they can be told again until their retention ends.
    failed: u64,
    /// When the oldest of those that wait has happened.
    #[serde(with = "time::serde::rfc3339::option")]
    oldest_pending: Option<OffsetDateTime>,
    /// Another with each change; 0 for one of the configuration. As `ETag`, in quotes.
    version: i64,
    /// When it became what it is.
    #[serde(with = "time::serde::rfc3339::option")]
    changed_at: Option<OffsetDateTime>,
    /// By whom.
    changed_by: Option<String>,
}

/// A page of targets by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventTargets {
    /// The targets.
    event_targets: Vec<EventTarget>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What a target shall be: all of it, for what is not said is not kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://hooks.example.com/zas", "format": "cloudevents", "secret": "0123456789abcdef"}))]
pub(super) struct NewEventTargetRequest {
    /// Where events are posted to: http or https. Redirects are not followed. It must be at a public address, or in one of the networks of
    /// `events.allowed_networks`.
    #[schema(value_type = String, max_length = 2048, example = "https://hooks.example.com/zas")]
    url: PrivateUrl,
    /// How they are written.
    #[serde(default)]
    format: EventTargetFormat,
    /// Signs each body: `X-Zas-Signature: sha256=<hex HMAC-SHA256>`. Unset: nothing is signed.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    secret: Option<Secret>,
    /// Whether it is told; otherwise events wait.
    #[serde(default = "enabled")]
    #[schema(default = true)]
    enabled: bool,
}

const fn enabled() -> bool {
    true
}

impl EventTarget {
    fn stored(row: StoredEventTarget) -> Self {
        Self {
            arn: format!("{ARN}{}", row.name),
            name: row.name,
            url: row.shown_url,
            format: EventFormat::parse(&row.format).unwrap_or_default().into(),
            signed: row.signs,
            enabled: row.enabled,
            configured: false,
            pending: 0,
            failed: 0,
            oldest_pending: None,
            version: row.version,
            changed_at: Some(row.changed_at),
            changed_by: Some(row.changed_by),
        }
    }

    fn configured(target: &Configured) -> Self {
        Self {
            name: target.name.clone(),
            arn: format!("{ARN}{}", target.name),
            url: shown(&target.url),
            format: target.format.into(),
            signed: target.secret.is_some(),
            enabled: true,
            configured: true,
            pending: 0,
            failed: 0,
            oldest_pending: None,
            version: 0,
            changed_at: None,
            changed_by: None,
        }
    }

    fn with(mut self, backlogs: &[EventBacklog]) -> Self {
        if let Some(backlog) = backlogs.iter().find(|backlog| backlog.target == self.name) {
            self.pending = backlog.pending.try_into().unwrap_or_default();
            self.failed = backlog.failed.try_into().unwrap_or_default();
            self.oldest_pending = backlog.oldest;
        }
        self
    }
}

/// List who may be told of events, and what waits for them.
#[utoipa::path(get, path = "/event-targets", tag = "event targets", params(Page),
    responses((status = 200, body = EventTargets)))]
pub(super) async fn list_event_targets(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListEventTargets>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<EventTargets>, Refusal> {
    let Query(page) = page?;
    let limit = page.limit()?;
    let (stored, more) = app.index.event_targets(page.after(), page.prefix(), limit).await?;
    let configured = app.config.events.targets.iter();
    let configured =
        configured.filter(|target| target.name.as_str() > page.after() && target.name.starts_with(page.prefix()));
    // One of the configuration hides one that was made under its name.
    let stored = stored.into_iter().filter(|row| app.event_targets.of_configuration(&row.name).is_none());
    let mut all: Vec<EventTarget> =
        configured.map(EventTarget::configured).chain(stored.map(EventTarget::stored)).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = more || all.len() > most;
    all.truncate(most);
    let names: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
    let backlogs = app.index.event_backlog(Some(names.as_slice())).await?;
    let all: Vec<EventTarget> = all.into_iter().map(|target| target.with(&backlogs)).collect();
    let next = all.last().filter(|_| more).map(|target| target.name.clone());
    Ok(Json(EventTargets { event_targets: all, next }))
}

/// Show a target, and how much waits for it.
#[utoipa::path(get, path = "/event-targets/{event_target}", tag = "event targets",
    params(("event_target" = String, Path, description = "The name.")),
    responses((status = 200, body = EventTarget, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name.")))]
pub(super) async fn get_event_target(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetEventTarget>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    show(&app, &name).await
}

/// Make or replace a target. Address and secret are sealed, and never shown again.
///
/// What waits for a target that was there goes to where it is now.
#[utoipa::path(put, path = "/event-targets/{event_target}", tag = "event targets",
    params(("event_target" = String, Path, description = "The name: 1 to 64 letters, digits, `.`, `_` and `-`."),
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = NewEventTargetRequest,
    responses((status = 200, body = EventTarget, headers(("ETag" = String, description = "The version."))),
        (status = 409, description = "The configuration names it, or there are 500 targets."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured: nothing can be sealed.")))]
pub(super) async fn put_event_target(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutEventTarget>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Json<NewEventTargetRequest>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(new) = body?;
    let permit = &permitted.permit;
    check(&app, &name, &new)?;
    let sealed = app.event_targets.seal(&name, &new.url, new.secret.as_ref())?;
    let (expected, by) = (expected_target(&app, &name, &headers).await?, permit.principal().to_string());
    let url = shown(&new.url);
    let record =
        permit.record().map(|record| record.note(format!("{url}, {}", EventFormat::from(new.format).as_str())));
    let row = NewEventTarget {
        name: &name,
        format: EventFormat::from(new.format).as_str(),
        shown_url: &url,
        signs: new.secret.is_some(),
        sealed: &sealed.bytes,
        ring_key: &sealed.ring_key,
        enabled: new.enabled,
        expected,
        by: &by,
        audit: record.as_slice(),
    };
    app.index.put_event_target(row).await?;
    show(&app, &name).await
}

/// Delete a target that no bucket names any more. What waits for it is given up.
#[utoipa::path(delete, path = "/event-targets/{event_target}", tag = "event targets",
    params(("event_target" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this name."),
        (status = 409, description = "The configuration names it."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_event_target(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteEventTarget>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    not_configured(&app, &name)?;
    let (expected, record) = (expected_target(&app, &name, &headers).await?, permitted.permit.record());
    app.index.delete_event_target(&name, expected, record.as_slice()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(app: &App, name: &str, new: &NewEventTargetRequest) -> Result<()> {
    let wrong =
        |field: &'static str, text: &'static str| Err(Error::new(Code::InvalidArgument, text).with("field", field));
    if !is_target_name(name) {
        return wrong(
            "event_target",
            "A name has 1 to 64 letters, digits, ., _ and -, and begins with a letter or a digit.",
        );
    }
    if new.url.expose().chars().count() > URL {
        return wrong("url", "url must have at most 2,048 characters.");
    }
    let secret = new.secret.as_ref().map(|secret| secret.expose().chars().count());
    if secret.is_some_and(|characters| !(1..=SECRET).contains(&characters)) {
        return wrong("secret", "secret must have 1 to 1,024 characters.");
    }
    not_configured(app, name)
}

fn not_configured(app: &App, name: &str) -> Result<()> {
    match app.event_targets.of_configuration(name) {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::ReadOnly, "The configuration of the service names this event target.")),
    }
}

async fn expected_target(app: &App, name: &str, headers: &HeaderMap) -> Result<Option<i64>> {
    expected(headers, async || Ok(app.index.event_target(name).await?.map(|target| target.version))).await
}

/// A target as it stands.
pub(super) async fn stands(app: &App, name: &str) -> Result<()> {
    let is_there = app.event_targets.of_configuration(name).is_some() || app.index.event_target(name).await?.is_some();
    if is_there { Ok(()) } else { Err(no_such_target()) }
}

async fn show(app: &App, name: &str) -> Result<impl IntoResponse + use<>, Refusal> {
    let target = match app.event_targets.of_configuration(name) {
        Some(target) => EventTarget::configured(target),
        None => app.index.event_target(name).await?.map(EventTarget::stored).ok_or_else(no_such_target)?,
    };
    let target = target.with(&app.index.event_backlog(Some(&[name])).await?);
    Ok(([(header::ETAG, etag(target.version))], Json(target)))
}

fn no_such_target() -> Error {
    Error::new(Code::NoSuchEntity, "There is no such event target.")
}

/// Where an address leads.
fn shown(url: &PrivateUrl) -> String {
    format!("{url:?}")
}
