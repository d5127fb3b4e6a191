//! `/verifications`: verifications that somebody did not wait for; and carrying them out, off a queue in the index that all replicas share.
//!
//! Whoever takes one has it for a while; a process that ends without a word leaves it to the others.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;
use zas_policy::Action;

use super::artifact::asks_in_handler;
use super::verified::VerifiedArtifact;
use super::verify::Asked;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error, RequestId, Result, our_json};
use crate::index::QueuedVerification;
use crate::supply_chain::artifact::ArtifactRef;

asks_in_handler! {
    /// Asks what came of a verification. Of which artifact is looked up.
    GetVerification;
}

/// What the service calls itself on record when it does this (`user/system/verification`).
const TASK: &str = "verification";

/// How long nobody else carries out what somebody carries out.
const LEASE: Duration = Duration::from_secs(300);

/// How long one rests where there is nothing to do, or the index does not answer.
const REST: Duration = Duration::from_secs(1);

/// The pause after a failure that may pass, and how often it is tried.
const PAUSE: Duration = Duration::from_secs(10);
const ATTEMPTS: i32 = 5;

/// The state of a verification.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VerificationState {
    /// It waits.
    Queued,
    /// It was begun.
    Running,
    /// It is done: `result` is what came of it.
    Done,
    /// It could not be done: `error` says why.
    Failed,
}

/// A verification that somebody did not wait for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerificationJob {
    /// Its id.
    id: Uuid,
    /// The artifact, as it was named.
    artifact: String,
    /// How far it is.
    state: VerificationState,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    queued_at: OffsetDateTime,
    /// When it was done.
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    /// What came of it, as a verification that is waited for is answered; null until then.
    #[schema(value_type = Option<VerifiedArtifact>)]
    result: Option<Value>,
    /// Why it could not be done; null where it could.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

impl VerificationJob {
    fn of(job: QueuedVerification) -> Self {
        let state = match (job.status, job.begun_at) {
            (Some(status), _) if status < 300 => VerificationState::Done,
            (Some(_), _) => VerificationState::Failed,
            (None, Some(_)) => VerificationState::Running,
            (None, None) => VerificationState::Queued,
        };
        let answer = job.answer.and_then(|answer| serde_json::from_str::<Value>(&answer).ok());
        let (result, error) = match state {
            VerificationState::Failed => (None, answer),
            _ => (answer, None),
        };
        let QueuedVerification { id, artifact, queued_at, finished_at, .. } = job;
        Self { id, artifact, state, queued_at, finished_at, result, error }
    }
}

/// Show what came of a verification that was asked for with `async`.
///
/// Needs `supply:GetVerdict` on the artifact. The answer is kept for `supply_chain.verification_retention`.
#[utoipa::path(get, path = "/verifications/{verification}", tag = "artifacts",
    params(("verification" = Uuid, Path, description = "The id.")),
    responses((status = 200, body = VerificationJob),
        (status = 404, description = "There is none of this id, or its answer is no longer kept.")))]
pub(super) async fn get_verification(
    State(app): State<Arc<App>>,
    permitted: Permitted<GetVerification>,
    Path(id): Path<String>,
) -> Result<Json<VerificationJob>, Refusal> {
    // What is no id is that of no verification.
    let id = Uuid::parse_str(&id).map_err(|_| Code::NoSuchEntity)?;
    let job = app.index.verification(id).await?.ok_or(Code::NoSuchEntity)?;
    let resource = named(&job)?.resource();
    let permit = app.authority.authorize(permitted.permit.caller(), Action::GetVerdict, resource).await?;
    permitted.reads(&permit, None);
    Ok(Json(VerificationJob::of(job)))
}

fn named(job: &QueuedVerification) -> Result<ArtifactRef> {
    job.artifact
        .parse()
        .map_err(|error| Error::internal(format!("a queued verification of {:?}: {error}", job.artifact)))
}

/// Carries out verifications that wait, until `stop`. What has begun then is left to others.
pub async fn carry_out_verifications(app: &App, stop: CancellationToken) {
    let workers = (0..app.config.supply_chain.verification_workers).map(|_| work_off(app));
    tokio::select! {
        _ = futures::future::join_all(workers) => stop.cancelled().await,
        () = stop.cancelled() => {}
    }
}

async fn work_off(app: &App) {
    loop {
        match work_off_one(app).await {
            Ok(true) => {}
            Ok(false) => sleep(REST.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await,
            Err(error) => {
                tracing::debug!("verifications wait: {}", error.for_log());
                sleep(REST * 5).await;
            }
        }
    }
}

/// One that waits; whether there was one.
pub(in crate::admin) async fn work_off_one(app: &App) -> Result<bool> {
    let Some(job) = app.index.claim_verification(LEASE).await? else { return Ok(false) };
    match carry_out(app, &job).await {
        Ok(verified) => {
            let answer = serde_json::to_string(&verified).map_err(Error::internal)?;
            app.index.finish_verification(job.id, 200, &answer).await?;
        }
        Err(error) if error.row().retryable && job.attempts < ATTEMPTS => {
            tracing::debug!(artifact = job.artifact, "a verification is tried again: {}", error.for_log());
            app.index.put_off_verification(job.id, PAUSE).await?;
        }
        Err(error) => {
            let (parts, body) = our_json(&error, &RequestId::generate()).into_parts();
            let answer = String::from_utf8_lossy(&body).into_owned();
            app.index.finish_verification(job.id, parts.status.as_u16(), &answer).await?;
        }
    }
    Ok(true)
}

async fn carry_out(app: &App, job: &QueuedVerification) -> Result<VerifiedArtifact> {
    let asked: Asked = serde_json::from_str(&job.request)
        .map_err(|error| Error::internal(format!("a queued verification cannot be read: {error}")))?;
    asked.carry_out(app, TASK, &named(job)?).await
}
