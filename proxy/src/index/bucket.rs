//! Buckets.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::audited::audited;
use super::convert::{check, limit};
use super::list::{Bounds, cut};
use super::{BeginsWith, Index, Placement, Quota};
use crate::audit::Record;
use crate::bucket_configuration::{OwnershipControls, acl};
use crate::error::{Code, Error, Result};

/// A bucket's row.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The row.
    pub id: i64,
    /// The name.
    pub name: String,
    /// Where its bytes go.
    pub placement: Placement,
    /// The region that GetBucketLocation answers.
    pub region: String,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A page of buckets in byte order of their names.
#[derive(Debug, Clone)]
pub struct BucketPage {
    /// The buckets.
    pub buckets: Vec<Bucket>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

/// What a new bucket is.
#[derive(Debug, Clone)]
pub struct NewBucket<'a> {
    /// The name; checked by the caller.
    pub name: &'a str,
    /// The region.
    pub region: &'a str,
    /// Who makes it.
    pub owner: &'a str,
    /// The store's name, as in the configuration; its row is made where it is missing.
    pub store: &'a str,
    /// First component of its repositories at the store.
    pub prefix: &'a str,
    /// Number of shards.
    pub shards: u16,
    /// How much it may hold from the first moment on.
    pub quota: Quota,
    /// Whether it keeps versions and locks objects from the first moment on.
    pub object_lock: bool,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

const CREATE: &str = audited!(
    9,
    "SELECT status, bucket_id, placement, created,
            CASE WHEN status = 'ok' AND $10 THEN begin_object_lock(bucket_id) END AS locks,
            CASE WHEN status = 'ok' AND ($11 IS NOT NULL OR $12 IS NOT NULL) THEN begin_bucket(bucket_id, $11, $12, $3) END AS begun
     FROM create_bucket($1, $2, $3, $4, $5, $6, $7, $8)"
);

const DELETE: &str = audited!(2, "SELECT delete_bucket($1) AS status");

const LIST: &str = "
    SELECT b.id, b.name, b.region, b.owner, b.created_at, p.id AS placement_id, p.shards, s.name AS store
    FROM buckets b JOIN placements p ON p.id = b.placement_id JOIN stores s ON s.id = p.store_id
    WHERE b.name >= $1 AND b.name < $2
    ORDER BY b.name
    LIMIT $3";

const ONE: &str = "
    SELECT b.id, b.name, b.region, b.owner, b.created_at, p.id AS placement_id, p.shards, s.name AS store
    FROM buckets b JOIN placements p ON p.id = b.placement_id JOIN stores s ON s.id = p.store_id
    WHERE b.name = $1";

/// Status, bucket, placement, and when; what was begun with it besides says nothing.
type Created = (String, Option<i64>, Option<i64>, Option<OffsetDateTime>);

#[derive(sqlx::FromRow)]
struct BucketRow {
    id: i64,
    name: String,
    region: String,
    owner: String,
    created_at: OffsetDateTime,
    placement_id: i64,
    shards: i16,
    store: String,
}

impl From<BucketRow> for Bucket {
    fn from(row: BucketRow) -> Self {
        let placement = Placement {
            id: row.placement_id,
            store: row.store,
            // The schema has shards between 1 and 256.
            shards: row.shards.unsigned_abs(),
        };
        Self { id: row.id, name: row.name, placement, region: row.region, owner: row.owner, created_at: row.created_at }
    }
}

impl Index {
    /// Makes a bucket with its placement and repositories; its owner owns everything in it.
    /// # Errors
    /// As [`Self::create_bucket_with`].
    pub async fn create_bucket(&self, bucket: NewBucket<'_>) -> Result<Bucket> {
        self.create_bucket_with(bucket, BeginsWith::default()).await
    }

    /// Makes a bucket with its placement and repositories, an ownership of its objects and a list.
    /// # Errors
    /// `BucketAlreadyOwnedByYou` where the name is taken; `InvalidArgument` where a limit is none that can be counted to;
    /// `InternalError` where the shards are no power of two up to 256.
    pub async fn create_bucket_with(&self, bucket: NewBucket<'_>, begins: BeginsWith<'_>) -> Result<Bucket> {
        let records = self.canonical(bucket.audit);
        if !bucket.shards.is_power_of_two() || bucket.shards > 256 {
            return Err(Error::internal(format!("{} shards: not a power of two up to 256", bucket.shards)));
        }
        let (max_bytes, max_objects) = (limit(bucket.quota.bytes)?, limit(bucket.quota.objects)?);
        // What a bucket has that says nothing need not be said.
        let ownership = begins.ownership.has_lists().then(|| OwnershipControls::of(begins.ownership));
        let list = begins.list.and_then(acl::written);
        let (status, id, placement, created_at): Created = self
            .fetch_one(|| {
                sqlx::query_as(CREATE)
                    .bind(bucket.name)
                    .bind(bucket.region)
                    .bind(bucket.owner)
                    .bind(bucket.store)
                    .bind(bucket.prefix)
                    .bind(i32::from(bucket.shards))
                    .bind(max_bytes)
                    .bind(max_objects)
                    .bind(&records)
                    .bind(bucket.object_lock)
                    .bind(ownership.as_ref().map(Json))
                    .bind(list.as_ref().map(Json))
            })
            .await
            .map_err(|failure| match failure.constraint() {
                Some("buckets_name_key") => Code::BucketAlreadyOwnedByYou.into(),
                _ => Error::from(failure),
            })?;
        check(&status)?;
        let (Some(id), Some(placement), Some(created_at)) = (id, placement, created_at) else {
            return Err(Error::internal("create_bucket answered without a row"));
        };
        Ok(Bucket {
            id,
            name: bucket.name.to_owned(),
            placement: Placement { id: placement, store: bucket.store.to_owned(), shards: bucket.shards },
            region: bucket.region.to_owned(),
            owner: bucket.owner.to_owned(),
            created_at,
        })
    }

    /// A bucket by name.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn bucket(&self, name: &str) -> Result<Bucket> {
        let row: Option<BucketRow> = self.fetch_optional(|| sqlx::query_as(ONE).bind(name)).await?;
        row.map(Bucket::from).ok_or_else(|| Code::NoSuchBucket.into())
    }

    /// Buckets whose names start with `prefix` and come after `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn list_buckets(&self, prefix: &str, after: &str, limit: u32) -> Result<BucketPage> {
        let bounds = Bounds::new(prefix, None, after);
        let rows: Vec<BucketRow> = self
            .fetch_all(|| {
                sqlx::query_as(LIST)
                    .bind(&bounds.lower)
                    .bind(&bounds.upper)
                    .bind(i64::from(limit) + i64::from(limit > 0))
            })
            .await?;
        let (buckets, truncated) = cut(rows.into_iter().map(Bucket::from).collect(), limit);
        Ok(BucketPage { buckets, truncated })
    }

    /// Deletes a bucket that holds no object and no upload.
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub async fn delete_bucket(&self, name: &str, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self.fetch_one(|| sqlx::query_as(DELETE).bind(name).bind(&records)).await?;
        check(&status)
    }
}
