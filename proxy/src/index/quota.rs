//! Quotas: how much a bucket may hold, and how much it holds.
//!
//! Both are counted and enforced by the functions of `migrations/0011` and, for what refers to objects, `0016`, in the transaction of each write; what is refused is
//! `QuotaExceeded`, whichever statement it was. Here they are set, shown and recounted, and asked before bytes are sent.

use time::OffsetDateTime;

use super::audited::audited;
use super::convert::{check, limit, to_i64, to_u64};
use super::failure::Failure;
use super::list::Bounds;
use super::{Index, cut};
use crate::audit::Record;
use crate::config;
use crate::error::{Code, Error, Result};

/// How much a bucket may hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes, of objects, of the parts of open uploads and of what refers to objects; unset: any number.
    pub bytes: Option<u64>,
    /// Objects; unset: any number.
    pub objects: Option<u64>,
}

impl From<config::DefaultQuota> for Quota {
    fn from(quota: config::DefaultQuota) -> Self {
        Self { bytes: quota.bytes.map(|bytes| bytes.as_u64()), objects: quota.objects }
    }
}

/// How much a bucket holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes, of objects, of the parts of open uploads and of what refers to objects.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

/// A bucket's quota as it stands.
#[derive(Debug, Clone)]
pub struct BucketQuota {
    /// The bucket's name.
    pub bucket: String,
    /// The limits; none where there is no quota.
    pub quota: Quota,
    /// What is counted against them, also where there are none.
    pub usage: Usage,
    /// Another with each change; 0 where there is no quota.
    pub version: i64,
    /// When it became what it is.
    pub changed_at: Option<OffsetDateTime>,
    /// By whom.
    pub changed_by: Option<String>,
}

/// What a quota shall be.
#[derive(Debug, Clone, Copy)]
pub struct NewQuota<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The limits; one of them at least.
    pub quota: Quota,
    /// The version that it replaces, 0 for none; unset: whatever there is.
    pub expected: Option<i64>,
    /// Who makes the change.
    pub by: &'a str,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

/// By how much the count was wrong: what was there and not counted. Below zero: what was counted and not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// Bytes.
    pub bytes: i64,
    /// Objects.
    pub objects: i64,
}

/// Buckets with their quota, by what `$join` says of those that have none.
macro_rules! quotas {
    ($join:literal, $rest:literal) => {
        concat!(
            "SELECT b.name, q.max_bytes, q.max_objects, q.version, q.changed_at, q.changed_by, u.bytes, u.objects
             FROM buckets b ",
            $join,
            " bucket_quotas q ON q.bucket_id = b.id
             CROSS JOIN LATERAL (
                 SELECT COALESCE(sum(bytes), 0)::bigint AS bytes, COALESCE(sum(objects), 0)::bigint AS objects
                 FROM bucket_usage WHERE bucket_id = b.id
             ) u
             WHERE ",
            $rest
        )
    };
}

const ONE: &str = quotas!("LEFT JOIN", "b.name = $1");

const LIST: &str = quotas!("JOIN", "b.name >= $1 AND b.name < $2 ORDER BY b.name LIMIT $3");

const PUT: &str =
    audited!(6, "SELECT status, version, changed, used_bytes, used_objects FROM put_bucket_quota($1, $2, $3, $4, $5)");

const DELETE: &str = audited!(3, "SELECT delete_bucket_quota($1, $2) AS status");

const RECOUNT: &str = audited!(2, "SELECT status, bytes, objects FROM recount_usage($1)");

#[derive(sqlx::FromRow)]
struct QuotaRow {
    name: String,
    max_bytes: Option<i64>,
    max_objects: Option<i64>,
    version: Option<i64>,
    changed_at: Option<OffsetDateTime>,
    changed_by: Option<String>,
    bytes: i64,
    objects: i64,
}

impl From<QuotaRow> for BucketQuota {
    fn from(row: QuotaRow) -> Self {
        Self {
            bucket: row.name,
            quota: Quota { bytes: row.max_bytes.map(to_u64), objects: row.max_objects.map(to_u64) },
            usage: Usage { bytes: to_u64(row.bytes), objects: to_u64(row.objects) },
            version: row.version.unwrap_or_default(),
            changed_at: row.changed_at,
            changed_by: row.changed_by,
        }
    }
}

#[derive(sqlx::FromRow)]
struct PutRow {
    status: String,
    version: Option<i64>,
    changed: Option<OffsetDateTime>,
    used_bytes: Option<i64>,
    used_objects: Option<i64>,
}

impl Index {
    /// A bucket's quota, and how much it holds.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn bucket_quota(&self, bucket: &str) -> Result<BucketQuota> {
        let row: Option<QuotaRow> = self.fetch_optional(|| sqlx::query_as(ONE).bind(bucket)).await?;
        row.map(BucketQuota::from).ok_or_else(|| Code::NoSuchBucket.into())
    }

    /// Buckets that have a quota, whose names begin with `prefix` and come after `after`; and whether there are more.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn list_quotas(&self, prefix: &str, after: &str, limit: u32) -> Result<(Vec<BucketQuota>, bool)> {
        let bounds = Bounds::new(prefix, None, after);
        let rows: Vec<QuotaRow> = self
            .fetch_all(|| {
                sqlx::query_as(LIST)
                    .bind(&bounds.lower)
                    .bind(&bounds.upper)
                    .bind(i64::from(limit) + i64::from(limit > 0))
            })
            .await?;
        Ok(cut(rows.into_iter().map(BucketQuota::from).collect(), limit))
    }

    /// Sets a bucket's limits. They may be below what it holds: then nothing is added until there is room.
    /// When it returns, every write that did not know of them has committed.
    /// # Errors
    /// `NoSuchBucket`; `PreconditionFailed` where another version stands there than expected; `InvalidArgument` where a limit
    /// is none that can be counted to.
    pub async fn put_bucket_quota(&self, new: NewQuota<'_>) -> Result<BucketQuota> {
        let records = self.canonical(new.audit);
        let (max_bytes, max_objects) = (limit(new.quota.bytes)?, limit(new.quota.objects)?);
        let row: PutRow = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.bucket)
                    .bind(max_bytes)
                    .bind(max_objects)
                    .bind(new.expected)
                    .bind(new.by)
                    .bind(&records)
            })
            .await
            .map_err(Failure::refusal)?;
        check(&row.status)?;
        let (Some(version), Some(bytes), Some(objects)) = (row.version, row.used_bytes, row.used_objects) else {
            return Err(Error::internal("put_bucket_quota answered without a row"));
        };
        Ok(BucketQuota {
            bucket: new.bucket.to_owned(),
            quota: new.quota,
            usage: Usage { bytes: to_u64(bytes), objects: to_u64(objects) },
            version,
            changed_at: row.changed,
            changed_by: Some(new.by.to_owned()),
        })
    }

    /// Removes a bucket's limits. `expected`: the version that is to be removed; unset: whatever there is.
    /// # Errors
    /// `NoSuchBucket`; `NoSuchEntity` where it has none; `PreconditionFailed`.
    pub async fn delete_bucket_quota(&self, bucket: &str, expected: Option<i64>, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(DELETE).bind(bucket).bind(expected).bind(&records))
            .await
            .map_err(Failure::refusal)?;
        check(&status)
    }

    /// Counts all that a bucket holds and sets the count right, while it is in use. Reads every row of the bucket, and must be
    /// done within `database.statement_timeout`.
    /// # Errors
    /// `NoSuchBucket`; `IndexUnavailable`, also where it took too long.
    pub async fn recount_usage(&self, bucket: &str, audit: &[Record]) -> Result<Drift> {
        let records = self.canonical(audit);
        let (status, bytes, objects): (String, Option<i64>, Option<i64>) =
            self.fetch_one(|| sqlx::query_as(RECOUNT).bind(bucket).bind(&records)).await?;
        check(&status)?;
        Ok(Drift { bytes: bytes.unwrap_or_default(), objects: objects.unwrap_or_default() })
    }

    /// Whether an object of `size` bytes would be taken as things are now. Its commit may be refused all the same.
    /// # Errors
    /// `QuotaExceeded`. A bucket that does not exist has room: whoever writes to it is told something better.
    pub async fn expect_room(&self, bucket: &str, key: &str, size: u64) -> Result<()> {
        let size = to_i64(size)?;
        let _: (bool,) = self
            .fetch_one(|| sqlx::query_as("SELECT expect_room_for_object($1, $2, $3)").bind(bucket).bind(key).bind(size))
            .await?;
        Ok(())
    }
}
