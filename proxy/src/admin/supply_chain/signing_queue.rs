//! `/buckets/{bucket}/signing-queue`: objects that a signing rule wants signed, and that are not yet.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use zas_policy::Resource;

use crate::admin::answer::Answer;
use crate::admin::caller::asks;
use crate::admin::idempotency::Once;
use crate::admin::page::bounded;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::index::QueuedSigning;

asks! { "bucket":
    /// Asks for what waits in a bucket.
    ListSigningQueue: GetSigningRules, Resource::bucket;
    /// Asks to try again what was given up.
    RetrySigning: PutSigningRules, Resource::bucket;
}

/// What has become of an object that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum QueueState {
    /// It will be tried.
    Waiting,
    /// It was given up, until it is asked for again.
    Failed,
}

/// Which part of the queue.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct QueuePage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<i64>,
    /// Only those of this state.
    #[param(inline)]
    state: Option<QueueState>,
}

/// An object that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueuedObject {
    /// The key.
    key: String,
    /// The rule that wants it signed.
    rule: String,
    /// Whether it waits or was given up.
    state: QueueState,
    /// Since when it waits.
    #[serde(with = "time::serde::rfc3339")]
    queued_at: OffsetDateTime,
    /// When it is tried next; null: not by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    /// How often it was tried.
    attempts: i32,
    /// What came of the last attempt.
    error: Option<String>,
    /// When it was given up.
    #[serde(with = "time::serde::rfc3339::option")]
    failed_at: Option<OffsetDateTime>,
}

impl From<QueuedSigning> for QueuedObject {
    fn from(queued: QueuedSigning) -> Self {
        let state = if queued.failed_at.is_some() { QueueState::Failed } else { QueueState::Waiting };
        Self {
            key: queued.key,
            rule: queued.rule,
            state,
            queued_at: queued.queued_at,
            due_at: Some(queued.due_at).filter(|_| state == QueueState::Waiting),
            attempts: queued.attempts,
            error: queued.error,
            failed_at: queued.failed_at,
        }
    }
}

/// A part of the queue, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningQueue {
    /// The objects.
    objects: Vec<QueuedObject>,
    /// `after` of the next page; null on the last.
    next: Option<i64>,
}

/// How much is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retried {
    /// Objects that were given up and wait again.
    retried: u64,
}

/// List the objects of a bucket that wait to be signed, or were given up.
#[utoipa::path(get, path = "/buckets/{bucket}/signing-queue", tag = "signing rules",
    params(("bucket" = String, Path, description = "The name."), QueuePage),
    responses((status = 200, body = SigningQueue), (status = 404, description = "There is no bucket of this name.")))]
pub(super) async fn list_signing_queue(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListSigningQueue>,
    Path(bucket): Path<String>,
    page: Result<Query<QueuePage>, QueryRejection>,
) -> Result<Json<SigningQueue>, Refusal> {
    let Query(page) = page?;
    app.index.bucket(&bucket).await?;
    let failed = page.state.map(|state| state == QueueState::Failed);
    let (found, more) = app.index.signing_queue(&bucket, failed, page.after.unwrap_or(0), bounded(page.limit)?).await?;
    let next = found.last().filter(|_| more).map(|queued| queued.id);
    Ok(Json(SigningQueue { objects: found.into_iter().map(QueuedObject::from).collect(), next }))
}

/// Try again what was given up in a bucket.
#[utoipa::path(post, path = "/buckets/{bucket}/signing-queue/retry", tag = "signing rules",
    params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = Retried), (status = 404, description = "There is no bucket of this name.")))]
pub(super) async fn retry_signing(
    State(app): State<Arc<App>>,
    permitted: Permitted<RetrySigning>,
    Path(bucket): Path<String>,
    once: Once,
) -> Result<Answer, Refusal> {
    let record = permitted.permit.record();
    once.carry_out(&app, &permitted.permit, async |index| {
        let retried = index.retry_signing(&bucket, record.as_slice()).await?;
        Answer::json(StatusCode::OK, &Retried { retried })
    })
    .await
}
