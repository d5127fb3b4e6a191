//! `/buckets/{bucket}/lifecycle`: what the bucket's lifecycle rules have done lately.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::Resource;

use super::caller::asks;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::index;

asks! { "bucket":
    /// Asks how lifecycle rules are carried out.
    GetLifecycleStatus: GetLifecycleStatus, Resource::bucket;
}

/// The pass over a bucket by its lifecycle rules that is under way, or the last one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LifecycleStatus {
    /// The bucket.
    #[schema(example = "releases")]
    bucket: String,
    /// When it began; null where there was none yet.
    #[serde(with = "time::serde::rfc3339::option")]
    begun_at: Option<OffsetDateTime>,
    /// When it ended; null while it is under way.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    /// When the next one begins; of one that is under way, when another replica takes it unless it goes on.
    #[serde(with = "time::serde::rfc3339")]
    next_at: OffsetDateTime,
    /// Versions, delete markers and uploads that were looked at.
    looked_at: u64,
    /// Current versions that have gone, or are hidden where the bucket keeps versions.
    objects_expired: u64,
    /// Older versions that have gone.
    versions_removed: u64,
    /// Delete markers that have gone because they hid nothing.
    markers_removed: u64,
    /// Uploads that were given up.
    uploads_aborted: u64,
    /// Versions that were due, and stay because they are locked.
    locked: u64,
    /// What was due, and stays because it was changed meanwhile.
    spared: u64,
    /// Why it was interrupted last; null where it was not, or has gone on since.
    error: Option<String>,
}

/// Show what a bucket's lifecycle rules have done lately.
#[utoipa::path(get, path = "/buckets/{bucket}/lifecycle", tag = "buckets",
    params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = LifecycleStatus),
        (status = 404, description = "There is no bucket of this name, or it has no lifecycle rules.")))]
pub(super) async fn get_lifecycle_status(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetLifecycleStatus>,
    Path(bucket): Path<String>,
) -> Result<Json<LifecycleStatus>, Refusal> {
    let status = app.index.lifecycle_status(&bucket).await?;
    let status = status.ok_or_else(|| Error::from(Code::NoSuchLifecycleConfiguration))?;
    let index::LifecycleStatus { begun_at, ended_at, due_at, counts, error } = status;
    Ok(Json(LifecycleStatus {
        bucket,
        begun_at,
        ended_at,
        next_at: due_at,
        looked_at: counts.looked,
        objects_expired: counts.objects,
        versions_removed: counts.versions,
        markers_removed: counts.markers,
        uploads_aborted: counts.uploads,
        locked: counts.locked,
        spared: counts.spared,
        error,
    }))
}
