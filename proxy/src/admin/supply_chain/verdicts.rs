//! `/artifacts/verdicts` and `/verdicts`: what came of holding artifacts against policies.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use zas_policy::{Action, Resource};

use super::artifact::{self, artifact_name, asks_in_handler};
use super::sign::FoundArtifact;
use super::verified::ArtifactVerdict;
use crate::admin::page::bounded;
use crate::admin::text::{optional_text, text};
use crate::admin::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Result};
use crate::index::{ScopeKind, StoredVerdict};
use crate::supply_chain::bundle;

asks_in_handler! {
    /// Asks for the verdicts on an artifact. Which one stands in the query.
    ListVerdicts;
    /// Asks for a verdict. On which artifact is looked up.
    GetVerdict;
    /// Asks for a verdict as a signed statement.
    GetVerdictSummary;
}

/// Of which artifact, and which part.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VerdictQuery {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[param(schema_with = artifact_name, required = true)]
    artifact: String,
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "optional_text::<_, 128>")]
    #[param(max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    after: Option<String>,
}

/// The last verdict of each policy on an artifact, by the policies' names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArtifactVerdicts {
    /// The artifact.
    artifact: FoundArtifact,
    /// The verdicts.
    verdicts: Vec<ArtifactVerdict>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// List the verdicts on an artifact as it is now: the last of each policy.
///
/// Needs `supply:GetVerdict` on the artifact. Nothing is verified: `counts` says whether a verdict still holds.
#[utoipa::path(get, path = "/artifacts/verdicts", tag = "artifacts", params(VerdictQuery),
    responses((status = 200, body = ArtifactVerdicts), (status = 404, description = "There is no such artifact."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn list_verdicts(
    State(app): State<Arc<App>>,
    permitted: Permitted<ListVerdicts>,
    query: Result<Query<VerdictQuery>, QueryRejection>,
) -> Result<Json<ArtifactVerdicts>, Refusal> {
    let Query(query) = query?;
    let (name, limit) = (artifact::name(&query.artifact)?, bounded(query.limit)?);
    let permit = app.authority.authorize(permitted.permit.caller(), Action::GetVerdict, name.resource()).await?;
    let found = artifact::look_up(&app, permit, &name).await?;
    permitted.reads(&found.permit, Some(found.artifact.digest));
    let (scope, after) = (found.artifact.scope(), query.after.as_deref().unwrap_or_default());
    let key = found.artifact.object.as_ref().map_or("", |object| object.key.as_str());
    let (page, as_of) = ((after, limit), app.evidence.as_of(OffsetDateTime::now_utc()));
    let (stored, more) = app.index.verdicts_of(&scope, key, &found.artifact.digest, page, as_of).await?;
    let next = stored.last().filter(|_| more).map(|verdict| verdict.policy.clone());
    let verdicts = stored.into_iter().map(ArtifactVerdict::stored).collect::<Result<_>>()?;
    Ok(Json(ArtifactVerdicts { artifact: FoundArtifact::from(&found.artifact), verdicts, next }))
}

/// Show a verdict.
///
/// Needs `supply:GetVerdict` on the artifact. A later verdict of the same policy on the same artifact takes its place, under another id.
#[utoipa::path(get, path = "/verdicts/{verdict}", tag = "artifacts",
    params(("verdict" = Uuid, Path, description = "The id.")),
    responses((status = 200, body = ArtifactVerdict), (status = 404, description = "There is none of this id.")))]
pub(super) async fn get_verdict(
    State(app): State<Arc<App>>,
    permitted: Permitted<GetVerdict>,
    Path(id): Path<String>,
) -> Result<Json<ArtifactVerdict>, Refusal> {
    let stored = looked_up(&app, &permitted, &id).await?;
    Ok(Json(ArtifactVerdict::stored(stored)?))
}

/// Get a verdict as a signed statement: a verification summary (SLSA) in a sigstore bundle, whether it is attached to the artifact or not.
///
/// Needs `supply:GetVerdict` on the artifact.
#[utoipa::path(get, path = "/verdicts/{verdict}/summary", tag = "artifacts",
    params(("verdict" = Uuid, Path, description = "The id.")),
    responses((status = 200, description = "The bundle.", body = Object, content_type = "application/vnd.dev.sigstore.bundle.v0.3+json"),
        (status = 404, description = "There is none of this id, or it is not signed.")))]
pub(super) async fn get_verdict_summary(
    State(app): State<Arc<App>>,
    permitted: Permitted<GetVerdictSummary>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let stored = looked_up(&app, &permitted, &id).await?;
    let summary = stored.summary.ok_or(Code::NoSuchEntity)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(bundle::MEDIA_TYPE))], summary))
}

/// A verdict, for whoever may read those on its artifact; on record.
async fn looked_up<O: Asks>(app: &App, permitted: &Permitted<O>, id: &str) -> Result<StoredVerdict> {
    // What is no id is that of no verdict.
    let id = Uuid::parse_str(id).map_err(|_| Code::NoSuchEntity)?;
    let as_of = app.evidence.as_of(OffsetDateTime::now_utc());
    let stored = app.index.verdict_by_id(id, as_of).await?.ok_or(Code::NoSuchEntity)?;
    let resource = match stored.scope.kind {
        ScopeKind::Bucket => Resource::object(&stored.scope.name, &stored.key),
        ScopeKind::Repository => Resource::repository(&stored.scope.name),
    };
    let permit = app.authority.authorize(permitted.permit.caller(), Action::GetVerdict, resource).await?;
    permitted.reads(&permit, Some(stored.subject));
    Ok(stored)
}
