//! `/buckets`: list, make, show and delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Action, Resource};

use super::answer::Answer;
use super::idempotency::Posted;
use super::page::Page;
use super::{Asks, BASE, Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error};
use crate::index::{self, BeginsWith, NewBucket};
use crate::s3;

/// Asks for all buckets.
pub(super) struct ListBuckets;

impl Asks for ListBuckets {
    const NAME: &'static str = "ListBuckets";
    const ACTION: Option<Action> = Some(Action::ListAllMyBuckets);
}

/// Asks to make a bucket. Which one stands in the body: the handler asks the policy.
pub(super) struct CreateBucket;

impl Asks for CreateBucket {
    const NAME: &'static str = "CreateBucket";
    const ACTION: Option<Action> = None;
}

/// Asks for one bucket.
pub(super) struct GetBucket;

impl Asks for GetBucket {
    const NAME: &'static str = "GetBucket";
    const ACTION: Option<Action> = Some(Action::GetBucketLocation);
    fn resource(parameter: impl Fn(&str) -> String) -> Resource {
        Resource::bucket(parameter("bucket"))
    }
}

/// Asks to delete an empty bucket.
pub(super) struct DeleteBucket;

impl Asks for DeleteBucket {
    const NAME: &'static str = "DeleteBucket";
    const ACTION: Option<Action> = Some(Action::DeleteBucket);
    fn resource(parameter: impl Fn(&str) -> String) -> Resource {
        Resource::bucket(parameter("bucket"))
    }
}

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Bucket {
    /// The name.
    #[schema(example = "releases")]
    name: String,
    /// The region that clients sign for.
    region: String,
    /// Who made it.
    #[schema(example = "user/alice")]
    owner: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<index::Bucket> for Bucket {
    fn from(bucket: index::Bucket) -> Self {
        Self { name: bucket.name, region: bucket.region, owner: bucket.owner, created_at: bucket.created_at }
    }
}

/// A page of buckets, in byte order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BucketList {
    /// The buckets.
    buckets: Vec<Bucket>,
    /// `after` of the next page; unset: this is the last.
    next: Option<String>,
}

/// What a new bucket is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BucketRequest {
    /// The name: 3 to 63 lower-case letters, digits, dots and hyphens, as S3 allows it.
    #[schema(example = "releases", min_length = 3, max_length = 63, pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")]
    name: String,
}

/// List buckets.
#[utoipa::path(get, path = "/buckets", tag = "buckets", params(Page), responses((status = 200, body = BucketList)))]
pub(super) async fn list_buckets(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListBuckets>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<BucketList>, Refusal> {
    let Query(page) = page?;
    let found = app.index.list_buckets(page.prefix(), page.after(), page.limit()?).await?;
    let next = found.buckets.last().filter(|_| found.truncated).map(|bucket| bucket.name.clone());
    Ok(Json(BucketList { buckets: found.buckets.into_iter().map(Bucket::from).collect(), next }))
}

/// Make a bucket.
#[utoipa::path(post, path = "/buckets", tag = "buckets", request_body = BucketRequest,
    responses((status = 201, body = Bucket, headers(("Location" = String, description = "Where the bucket is."))),
        (status = 409, description = "There is one of this name."),
        (status = 503, description = "The registry would lose objects as it is configured: the error names what is to be changed.")))]
pub(super) async fn create_bucket(
    State(app): State<Arc<App>>,
    permitted: Permitted<CreateBucket>,
    Posted { body: BucketRequest { name }, once }: Posted<BucketRequest>,
) -> Result<Answer, Refusal> {
    if !s3::is_bucket_name(&name) {
        return Err(Error::from(Code::InvalidBucketName).with("field", "name").into());
    }
    let caller = permitted.permit.caller();
    let permit = app.authority.authorize(caller, Action::CreateBucket, Resource::bucket(&*name)).await?;
    app.check_writes()?;
    let (by, record) = (permit.principal().to_string(), permit.record());
    let new = NewBucket {
        name: &name,
        region: &app.config.s3.region,
        owner: &by,
        store: &app.config.store.name,
        prefix: &app.config.store.prefix,
        shards: app.config.store.shards,
        quota: app.config.s3.default_quota.into(),
        object_lock: false,
        audit: record.as_slice(),
    };
    let begins = BeginsWith { ownership: app.config.s3.object_ownership, list: None };
    once.carry_out(&app, &permit, async |index| {
        let bucket = Bucket::from(index.create_bucket_with(new, begins).await?);
        Answer::json(StatusCode::CREATED, &bucket)?.with(header::LOCATION, &format!("{BASE}/buckets/{}", bucket.name))
    })
    .await
}

/// Show a bucket.
#[utoipa::path(get, path = "/buckets/{bucket}", tag = "buckets", params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = Bucket), (status = 404, description = "There is none of this name.")))]
pub(super) async fn get_bucket(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetBucket>,
    Path(bucket): Path<String>,
) -> Result<Json<Bucket>, Refusal> {
    Ok(Json(app.index.bucket(&bucket).await?.into()))
}

/// Delete an empty bucket.
#[utoipa::path(delete, path = "/buckets/{bucket}", tag = "buckets", params(("bucket" = String, Path, description = "The name.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this name."),
        (status = 409, description = "It holds something.")))]
pub(super) async fn delete_bucket(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteBucket>,
    Path(bucket): Path<String>,
) -> Result<StatusCode, Refusal> {
    app.index.delete_bucket(&bucket, permitted.permit.record().as_slice()).await?;
    Ok(StatusCode::NO_CONTENT)
}
