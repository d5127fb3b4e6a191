//! The repositories that are ours at the store.

use crate::error::Result;
use crate::index::pin::PlaceRow;
use crate::index::{Index, Repository};

/// A repository that holds bytes of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRepository {
    /// The repository.
    pub repository: Repository,
    /// The placement that it belongs to.
    pub placement_id: i64,
    /// Its number there.
    pub shard: u8,
    /// The repository of what refers to the artifacts of the placement.
    pub referrers: String,
}

const PAGE: &str = "
    SELECT r.id, stores.name AS store, placements.prefix, placements.id AS placement_id, r.shard,
           referrer_repository(placements.id) AS referrers, placements.id AS placement
    FROM (SELECT * FROM repositories WHERE id > $1 ORDER BY id LIMIT $2) AS r
    JOIN placements ON placements.id = r.placement_id
    JOIN stores ON stores.id = placements.store_id
    ORDER BY r.id";

const KNOWN: &str = "
    SELECT EXISTS (SELECT FROM placements AS p JOIN repositories AS r ON r.placement_id = p.id
                   WHERE p.id = $1 AND p.prefix = $2 AND ($3::smallint IS NULL OR r.shard = $3))";

/// Ids are given once: a placement up to the last one may have been forgotten since, a later one was never made here.
const LAST_PLACEMENT: &str = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM placements_id_seq";

#[derive(sqlx::FromRow)]
struct RepositoryRow {
    id: i64,
    #[sqlx(flatten)]
    place: PlaceRow,
    referrers: String,
    placement: i64,
}

impl Index {
    /// Repositories behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_repositories(&self, after: i64, limit: u32) -> Result<Vec<CheckedRepository>> {
        let rows: Vec<RepositoryRow> =
            self.fetch_all(|| sqlx::query_as(PAGE).bind(after).bind(i64::from(limit))).await?;
        let checked = |row: RepositoryRow| CheckedRepository {
            placement_id: row.placement,
            shard: row.place.shard(),
            referrers: row.referrers,
            repository: row.place.into_repository(row.id),
        };
        Ok(rows.into_iter().map(checked).collect())
    }

    /// Whether a placement, with this shard where one is given, is one that the index has.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_knows_repository(&self, placement: i64, prefix: &str, shard: Option<u8>) -> Result<bool> {
        let (known,): (bool,) =
            self.fetch_one(|| sqlx::query_as(KNOWN).bind(placement).bind(prefix).bind(shard.map(i16::from))).await?;
        Ok(known)
    }

    /// The last placement that was ever made.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_last_placement(&self) -> Result<i64> {
        let (last,): (i64,) = self.fetch_one(|| sqlx::query_as(LAST_PLACEMENT)).await?;
        Ok(last)
    }
}
