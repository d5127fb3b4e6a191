//! `/buckets/{bucket}/policy`: the policy of a bucket, which S3 knows as its bucket policy, as a document with versions. A version is an
//! ETag; `If-Match` makes a change conditional.

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
use zas_policy::{Kind, Policy, Resource};

use super::caller::asks;
use super::etag::etag;
use super::openapi::schemas::policy_document;
use super::policies::{
    History, HistoryPage, PutOptions, delete_document, expected_document, history, malformed, record_trial,
};
use super::{Permitted, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error};
use crate::index::{DocumentKind, PolicyDocument};
use crate::s3;

asks! { "bucket":
    /// Asks for a bucket's policy.
    GetBucketPolicy: GetBucketPolicy, Resource::bucket;
    /// Asks to make or replace it.
    PutBucketPolicy: PutBucketPolicy, Resource::bucket;
    /// Asks to delete it.
    DeleteBucketPolicy: DeleteBucketPolicy, Resource::bucket;
}

/// A bucket's policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BucketPolicy {
    /// The bucket.
    #[schema(example = "releases")]
    bucket: String,
    /// Grows with each change of any policy; 0 where it was only tried. As `ETag`, in quotes.
    version: i64,
    /// When it became what it is.
    #[serde(with = "time::serde::rfc3339::option")]
    changed_at: Option<OffsetDateTime>,
    /// By whom.
    changed_by: Option<String>,
    /// The document.
    #[schema(value_type = Object)]
    document: Value,
}

impl From<PolicyDocument> for BucketPolicy {
    fn from(stored: PolicyDocument) -> Self {
        Self {
            bucket: stored.name,
            version: stored.version,
            changed_at: Some(stored.changed_at),
            changed_by: Some(stored.changed_by),
            document: serde_json::from_str(&stored.document).unwrap_or(Value::String(stored.document)),
        }
    }
}

/// What a bucket's policy shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"document": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "group//teams/build"},
    "Action": "s3:GetObject", "Resource": "arn:aws:s3:::releases/*"}}}))]
pub(super) struct NewBucketPolicy {
    /// The document: `Version` and `Statement`, with `Principal`, about this bucket and its objects alone.
    #[schema(schema_with = policy_document)]
    document: Value,
}

/// Show a bucket's policy.
#[utoipa::path(get, path = "/buckets/{bucket}/policy", tag = "policies", params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = BucketPolicy, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is no bucket of this name, or it has no policy.")))]
pub(super) async fn get_bucket_policy(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetBucketPolicy>,
    Path(bucket): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    app.index.bucket(&bucket).await?;
    let stored = app.index.policy_document(DocumentKind::Bucket, &bucket).await?.ok_or(Code::NoSuchBucketPolicy)?;
    Ok(([(header::ETAG, etag(stored.version))], Json(BucketPolicy::from(stored))))
}

/// Make or replace a bucket's policy, as S3's PutBucketPolicy does.
///
/// `If-Match` with the version that shall be replaced, or `If-None-Match: *` where there shall be none yet; without either the
/// policy becomes what is sent whatever it was.
#[utoipa::path(put, path = "/buckets/{bucket}/policy", tag = "policies",
    params(("bucket" = String, Path, description = "The name."), PutOptions,
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = NewBucketPolicy,
    responses((status = 200, body = BucketPolicy, description = "As it is now, or would be with `dry_run`.",
            headers(("ETag" = String, description = "The version."))),
        (status = 400, description = "Something is wrong: the error names the field, and line and column of the document."),
        (status = 404, description = "There is no bucket of this name."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn put_bucket_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutBucketPolicy>,
    Path(bucket): Path<String>,
    options: Result<Query<PutOptions>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Json<NewBucketPolicy>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let (Query(options), Json(new)) = (options?, body?);
    app.index.bucket(&bucket).await?;
    let expected = expected_document(&app, DocumentKind::Bucket, &bucket, &headers).await?;
    // Written anew, so that line and column are those of the document alone.
    let document = serde_json::to_string_pretty(&new.document).map_err(Error::internal)?;
    let policy = Policy::parse(Kind::Bucket, "bucket", &document).map_err(|error| malformed("document", &error))?;
    s3::check_reach(&policy, &bucket).map_err(|error| error.with("field", "document"))?;
    let by = permitted.permit.principal().to_string();
    let version = put(&app, &permitted.permit, &bucket, (&document, policy.is_public()), expected, &options).await?;
    let policy = BucketPolicy {
        bucket,
        version,
        changed_at: (!options.dry_run).then(OffsetDateTime::now_utc),
        changed_by: (!options.dry_run).then_some(by),
        document: new.document,
    };
    Ok(([(header::ETAG, etag(version))], Json(policy)))
}

/// Puts a policy, unless it is only tried; the version that it has then, 0 where it was tried.
async fn put(
    app: &App,
    permit: &Permit,
    bucket: &str,
    (document, is_public): (&str, bool),
    expected: Option<i64>,
    options: &PutOptions,
) -> Result<i64, Error> {
    if !options.dry_run {
        return s3::put_policy(app, permit, bucket, document, is_public, expected).await;
    }
    if is_public {
        s3::refuse_public(app, permit, bucket).await?;
    }
    record_trial(app, permit.record().as_slice()).await?;
    Ok(0)
}

/// Delete a bucket's policy.
#[utoipa::path(delete, path = "/buckets/{bucket}/policy", tag = "policies",
    params(("bucket" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is no bucket of this name, or it has no policy."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_bucket_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteBucketPolicy>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    app.index.bucket(&bucket).await?;
    delete_document(&app, &permitted.permit, DocumentKind::Bucket, &bucket, &headers).await
}

/// Show what was changed in a bucket's policy, by S3 and by REST, when and by whom; also those of buckets of this name that are gone.
#[utoipa::path(get, path = "/buckets/{bucket}/policy/history", tag = "policies",
    params(("bucket" = String, Path, description = "The name."), HistoryPage),
    responses((status = 200, body = History), (status = 404, description = "There can be no bucket of this name.")))]
pub(super) async fn get_bucket_policy_history(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetBucketPolicy>,
    Path(bucket): Path<String>,
    page: Result<Query<HistoryPage>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    // Of a bucket that is gone the history stays; of what can be none there is none.
    if !s3::is_bucket_name(&bucket) {
        return Err(Code::NoSuchBucket.into());
    }
    history(&app, DocumentKind::Bucket, &bucket, page).await
}
