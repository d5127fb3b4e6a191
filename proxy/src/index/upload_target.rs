//! Where bytes go whose digest is not known yet: any shard of the bucket, so that many streams spread over all of them.

use super::pin::PlaceRow;
use super::{Index, Repository};
use crate::error::{Code, Result};

/// A repository for an upload whose digest is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTarget {
    /// The repository.
    pub repository: Repository,
    /// Its shard: what `PinRequest::shard` takes once the digest is known.
    pub shard: u8,
}

const ANY_SHARD: &str = "
    SELECT repositories.id, repositories.shard, stores.name AS store, placements.prefix, placements.id AS placement_id
    FROM buckets
    JOIN placements ON placements.id = buckets.placement_id
    JOIN stores ON stores.id = placements.store_id
    JOIN repositories ON repositories.placement_id = placements.id
    WHERE buckets.name = $1
    ORDER BY random()
    LIMIT 1";

#[derive(sqlx::FromRow)]
struct TargetRow {
    id: i64,
    #[sqlx(flatten)]
    place: PlaceRow,
}

impl Index {
    /// A repository of the bucket, chosen at random.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn upload_target(&self, bucket: &str) -> Result<UploadTarget> {
        let row: Option<TargetRow> = self.fetch_optional(|| sqlx::query_as(ANY_SHARD).bind(bucket)).await?;
        let row = row.ok_or(Code::NoSuchBucket)?;
        let shard = row.place.shard();
        Ok(UploadTarget { repository: row.place.into_repository(row.id), shard })
    }
}
