//! `/quotas` and `/buckets/{bucket}/quota`: how much buckets may hold, and how much they hold. A quota's version is an ETag; `If-Match`
//! makes a change conditional.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Action, Resource};

use super::answer::Answer;
use super::caller::asks;
use super::etag::{etag, expected};
use super::idempotency::Once;
use super::page::Page;
use super::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::index::{self, BucketQuota, Drift, NewQuota};

/// From here on not every whole number is one of a 64-bit float: 2^53.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Asks for all quotas.
pub(super) struct ListQuotas;

impl Asks for ListQuotas {
    const NAME: &'static str = "ListQuotas";
    const ACTION: Option<Action> = Some(Action::ListQuotas);
}

asks! { "bucket":
    /// Asks for a bucket's quota.
    GetQuota: GetQuota, Resource::bucket;
    /// Asks to set it.
    PutQuota: PutQuota, Resource::bucket;
    /// Asks to remove it.
    DeleteQuota: DeleteQuota, Resource::bucket;
    /// Asks to count what the bucket holds.
    RecountUsage: PutQuota, Resource::bucket;
}

/// A bucket's quota, and how much the bucket holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quota {
    /// The bucket.
    #[schema(example = "releases")]
    bucket: String,
    /// Bytes that it may hold; null: any number.
    #[schema(example = 1_099_511_627_776_u64)]
    max_bytes: Option<u64>,
    /// Objects that it may hold; null: any number.
    max_objects: Option<u64>,
    /// Bytes that it holds: of objects, and of the parts of uploads that are not completed.
    used_bytes: u64,
    /// Objects that it holds.
    used_objects: u64,
    /// Another with each change of the limits; 0 where there are none. As `ETag`, in quotes.
    version: i64,
    /// When the limits became what they are.
    #[serde(with = "time::serde::rfc3339::option")]
    changed_at: Option<OffsetDateTime>,
    /// By whom.
    changed_by: Option<String>,
}

impl From<BucketQuota> for Quota {
    fn from(stands: BucketQuota) -> Self {
        let BucketQuota { bucket, quota, usage, version, changed_at, changed_by } = stands;
        Self {
            bucket,
            max_bytes: quota.bytes,
            max_objects: quota.objects,
            used_bytes: usage.bytes,
            used_objects: usage.objects,
            version,
            changed_at,
            changed_by,
        }
    }
}

/// A page of quotas by the names of their buckets; buckets without one are left out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quotas {
    /// The quotas.
    quotas: Vec<Quota>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What a quota shall be: one limit, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewQuota)]
pub(super) struct QuotaRequest {
    /// Bytes that the bucket may hold; unset: any number.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    max_bytes: Option<u64>,
    /// Objects that the bucket may hold; unset: any number.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    max_objects: Option<u64>,
}

impl QuotaRequest {
    fn limits(&self) -> Result<index::Quota, Error> {
        let limits = [("max_bytes", self.max_bytes), ("max_objects", self.max_objects)];
        if limits.iter().all(|(_, limit)| limit.is_none()) {
            let text = "Give max_bytes, max_objects, or both; DELETE removes a quota.";
            return Err(Error::new(Code::InvalidArgument, text).with("field", "max_bytes"));
        }
        if let Some((field, _)) = limits.iter().find(|(_, limit)| limit.is_some_and(|limit| limit > i64::MAX as u64)) {
            let text = format!("{field} must not be above {}.", i64::MAX);
            return Err(Error::new(Code::InvalidArgument, text).with("field", field));
        }
        Ok(index::Quota { bytes: self.max_bytes, objects: self.max_objects })
    }
}

/// What is not limited is left out: null says nothing. To JSON Schema, which knows one kind of numbers, 7.0 is an integer too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = |float: &f64| float.fract() == 0.0 && (0.0..MAX_WHOLE).contains(float);
    let limit = number.as_u64().or_else(|| number.as_f64().filter(whole).map(|float| float as u64));
    limit.map(Some).ok_or_else(|| D::Error::custom("a limit is a whole number, 0 or more"))
}

/// By how much a count was wrong; it is right now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recount {
    /// Bytes that were not counted; below zero: that were counted and not there.
    missing_bytes: i64,
    /// Objects, likewise.
    missing_objects: i64,
}

/// List the quotas of all buckets that have one.
#[utoipa::path(get, path = "/quotas", tag = "quotas", params(Page), responses((status = 200, body = Quotas)))]
pub(super) async fn list_quotas(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListQuotas>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Quotas>, Refusal> {
    let Query(page) = page?;
    let (found, more) = app.index.list_quotas(page.prefix(), page.after(), page.limit()?).await?;
    let next = found.last().filter(|_| more).map(|quota| quota.bucket.clone());
    Ok(Json(Quotas { quotas: found.into_iter().map(Quota::from).collect(), next }))
}

/// Show a bucket's quota, and how much the bucket holds, also where it has no quota.
#[utoipa::path(get, path = "/buckets/{bucket}/quota", tag = "quotas", params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = Quota, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is no bucket of this name.")))]
pub(super) async fn get_quota(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetQuota>,
    Path(bucket): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let quota = app.index.bucket_quota(&bucket).await?;
    Ok(([(header::ETAG, etag(quota.version))], Json(Quota::from(quota))))
}

/// Set a bucket's quota: both limits become what is sent.
///
/// A limit may be below what the bucket holds: nothing is deleted, and nothing is added until there is room. `If-Match` with the
/// version that shall be replaced, or `If-None-Match: *` where there shall be none yet; without either the quota becomes what is
/// sent whatever it was.
#[utoipa::path(put, path = "/buckets/{bucket}/quota", tag = "quotas",
    params(("bucket" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = QuotaRequest,
    responses((status = 200, body = Quota, headers(("ETag" = String, description = "The version."))),
        (status = 400, description = "There is no limit in it, or one that cannot be."),
        (status = 404, description = "There is no bucket of this name."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn put_quota(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutQuota>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
    body: Result<Json<QuotaRequest>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(request) = body?;
    let quota = request.limits()?;
    let by = permitted.permit.principal().to_string();
    let record = permitted.permit.record().map(|record| record.note(in_words(quota)));
    let expected = expected_quota(&app, &bucket, &headers).await?;
    let new = NewQuota { bucket: &bucket, quota, expected, by: &by, audit: record.as_slice() };
    let quota = app.index.put_bucket_quota(new).await?;
    Ok(([(header::ETAG, etag(quota.version))], Json(Quota::from(quota))))
}

/// Remove a bucket's quota: it may hold any number of bytes and objects then.
#[utoipa::path(delete, path = "/buckets/{bucket}/quota", tag = "quotas",
    params(("bucket" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is removed.")),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is no bucket of this name, or it has no quota."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_quota(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteQuota>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let (expected, record) = (expected_quota(&app, &bucket, &headers).await?, permitted.permit.record());
    app.index.delete_bucket_quota(&bucket, expected, record.as_slice()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Count what a bucket holds, and set right what is said of it.
///
/// Never needed but for repair: every write counts. Reads every row of the bucket while it is in use; must be done within
/// `database.statement_timeout`.
#[utoipa::path(post, path = "/buckets/{bucket}/quota/recount", tag = "quotas", params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = Recount), (status = 404, description = "There is no bucket of this name.")))]
pub(super) async fn recount_usage(
    State(app): State<Arc<App>>,
    permitted: Permitted<RecountUsage>,
    Path(bucket): Path<String>,
    once: Once,
) -> Result<Answer, Refusal> {
    let record = permitted.permit.record();
    once.carry_out(&app, &permitted.permit, async |index| {
        let Drift { bytes, objects } = index.recount_usage(&bucket, record.as_slice()).await?;
        if bytes != 0 || objects != 0 {
            tracing::warn!(bucket, bytes, objects, "what the bucket holds was counted wrong, and is set right");
        }
        Answer::json(StatusCode::OK, &Recount { missing_bytes: bytes, missing_objects: objects })
    })
    .await
}

/// The version of a quota that a change expects.
async fn expected_quota(app: &App, bucket: &str, headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let current = async || Ok(Some(app.index.bucket_quota(bucket).await?.version).filter(|version| *version != 0));
    expected(headers, current).await
}

/// What is set, for the record.
fn in_words(quota: index::Quota) -> String {
    let limits = [("max_bytes", quota.bytes), ("max_objects", quota.objects)];
    let set = limits.iter().filter_map(|(name, limit)| limit.map(|limit| format!("{name}={limit}")));
    set.collect::<Vec<_>>().join(" ")
}
