//! `/event-targets/{event_target}/dead-events`: events that were given up, and how to have them told after all.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use zas_policy::Resource;

use super::answer::Answer;
use super::caller::asks;
use super::event_targets::stands;
use super::idempotency::Once;
use super::page::bounded;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::index::Event;

/// Events that are told again by one request.
const BATCH: u32 = 10_000;

asks! { "event_target":
    /// Asks for what was given up.
    ListDeadEvents: GetEventTarget, |name| Resource::managed("event-target", name);
    /// Asks to have it told again.
    RedeliverEvents: RedeliverEvents, |name| Resource::managed("event-target", name);
}

/// Which of the dead events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadEventsPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<i64>,
}

/// An event that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadEvent {
    /// The event; later ones of a key have greater ids.
    id: i64,
    /// The bucket, as it was called then.
    bucket: String,
    /// The key.
    key: String,
    /// What has happened.
    #[schema(example = "ObjectCreated:Put")]
    event: String,
    /// The version; null in a bucket that never had any.
    version_id: Option<String>,
    /// When it has happened.
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    /// How often it was told.
    attempts: i32,
    /// Why it was given up.
    error: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339::option")]
    failed_at: Option<OffsetDateTime>,
}

impl From<Event> for DeadEvent {
    fn from(event: Event) -> Self {
        let Event { id, bucket, key, event, version_id, occurred_at, attempts, error, failed_at, .. } = event;
        Self { id, bucket, key, event, version_id, occurred_at, attempts, error, failed_at }
    }
}

/// A page of dead events in the order in which they happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadEvents {
    /// The events.
    dead_events: Vec<DeadEvent>,
    /// `after` of the next page; null on the last.
    next: Option<i64>,
}

/// How many events are told after all.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Redelivered {
    /// The events: at most 10,000 by one request.
    redelivered: u64,
}

/// List events that were given up.
#[utoipa::path(get, path = "/event-targets/{event_target}/dead-events", tag = "event targets",
    params(("event_target" = String, Path, description = "The name."), DeadEventsPage),
    responses((status = 200, body = DeadEvents), (status = 404, description = "There is no target of this name.")))]
pub(super) async fn list_dead_events(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListDeadEvents>,
    Path(name): Path<String>,
    page: Result<Query<DeadEventsPage>, QueryRejection>,
) -> Result<Json<DeadEvents>, Refusal> {
    let Query(page) = page?;
    stands(&app, &name).await?;
    let (events, more) = app.index.dead_events(&name, page.after.unwrap_or(0), bounded(page.limit)?).await?;
    let next = events.last().filter(|_| more).map(|event| event.id);
    Ok(Json(DeadEvents { dead_events: events.into_iter().map(DeadEvent::from).collect(), next }))
}

/// Have events told after all that were given up: the oldest first, up to 10,000.
#[utoipa::path(post, path = "/event-targets/{event_target}/dead-events/redeliver", tag = "event targets",
    params(("event_target" = String, Path, description = "The name.")),
    responses((status = 200, body = Redelivered), (status = 404, description = "There is no target of this name.")))]
pub(super) async fn redeliver_events(
    State(app): State<Arc<App>>,
    permitted: Permitted<RedeliverEvents>,
    Path(name): Path<String>,
    once: Once,
) -> Result<Answer, Refusal> {
    stands(&app, &name).await?;
    let record = permitted.permit.record();
    once.carry_out(&app, &permitted.permit, async |index| {
        let redelivered = index.redeliver_events(&name, BATCH, record.as_slice()).await?;
        Answer::json(StatusCode::OK, &Redelivered { redelivered })
    })
    .await
}
