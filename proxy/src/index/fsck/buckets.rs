//! What buckets are counted to hold, and where they put their bytes.

use crate::error::Result;
use crate::index::{Drift, Index};

/// A bucket as the index knows it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBucket {
    /// The row.
    pub id: i64,
    /// The name.
    pub name: String,
    /// By how much its count is wrong.
    pub drift: Drift,
    /// Whether rows are missing that it is counted in.
    pub lacks_counters: bool,
    /// Whether its placement counts as one whose bucket is gone, or lacks repositories.
    pub has_bad_placement: bool,
}

const NEXT: &str = "SELECT id FROM buckets WHERE id > $1 ORDER BY id LIMIT 1";

/// One snapshot: each write counts in its own transaction.
const CHECK: &str = "
    SELECT b.id, b.name, truth.bytes - counted.bytes AS bytes, truth.objects - counted.objects AS objects,
           counted.stripes <> 17 AS lacks_counters,
           p.orphaned_at IS NOT NULL OR p.shards <> (SELECT count(*) FROM repositories AS r WHERE r.placement_id = p.id)
               AS has_bad_placement
    FROM buckets AS b
    JOIN placements AS p ON p.id = b.placement_id
    JOIN usage_recounted AS truth ON truth.bucket_id = b.id
    CROSS JOIN LATERAL (
        SELECT COALESCE(sum(u.bytes), 0)::bigint AS bytes, COALESCE(sum(u.objects), 0)::bigint AS objects, count(*) AS stripes
        FROM bucket_usage AS u WHERE u.bucket_id = b.id
    ) AS counted
    WHERE b.id = $1";

#[derive(sqlx::FromRow)]
struct BucketRow {
    id: i64,
    name: String,
    bytes: i64,
    objects: i64,
    lacks_counters: bool,
    has_bad_placement: bool,
}

impl Index {
    /// The bucket whose row comes behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_next_bucket(&self, after: i64) -> Result<Option<i64>> {
        let row: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(NEXT).bind(after)).await?;
        Ok(row.map(|(id,)| id))
    }

    /// Counts a bucket; `None` where it is gone. Reads every row of it.
    /// # Errors
    /// `IndexUnavailable`, also where it took longer than `database.statement_timeout`.
    pub async fn fsck_bucket(&self, id: i64) -> Result<Option<CheckedBucket>> {
        let row: Option<BucketRow> = self.fetch_optional(|| sqlx::query_as(CHECK).bind(id)).await?;
        Ok(row.map(|row| CheckedBucket {
            id: row.id,
            name: row.name,
            drift: Drift { bytes: row.bytes, objects: row.objects },
            lacks_counters: row.lacks_counters,
            has_bad_placement: row.has_bad_placement,
        }))
    }
}
