//! What the sweeper asks: which blobs may have to go, and the mark that lets one go.
//!
//! A blob is condemned first, in a transaction of its own, and then deleted at the store. A lock would not do: it goes with
//! the connection, while a delete request that was sent goes on, and could meet a fresh upload of the same bytes. The mark
//! stays until the store has answered. While it stands nothing can name or pin the blob (`migrations/0002`); a writer of
//! the same bytes takes another shard meanwhile.

use std::time::Duration;

use time::OffsetDateTime;

use super::convert::{seconds, to_digest};
use super::pin::PlaceRow;
use super::{BlobRef, Index, Repository};
use crate::error::Result;

/// A blob that a sweep may have to delete.
#[derive(Debug, Clone)]
pub struct DuePin {
    /// The blob.
    pub blob: BlobRef,
    /// Where it is.
    pub repository: Repository,
}

/// A condemned blob: the holder deletes it at the store and then forgets it. A guard that is dropped leaves the mark, for
/// the delete request may be on its way; after a while another sweep takes over.
#[derive(Debug)]
#[must_use = "a condemned blob is to be deleted at the store, and then forgotten or released"]
pub struct SweepGuard {
    index: Index,
    blob: BlobRef,
    condemned_at: OffsetDateTime,
}

const DUE: &str = "
    WITH due AS (
        (SELECT repository_id, digest FROM blob_pins WHERE due_at <= now() ORDER BY due_at LIMIT $1)
        UNION
        (SELECT repository_id, digest FROM blobs
         WHERE condemned_at <= now() - make_interval(secs => $2) ORDER BY condemned_at LIMIT $1)
    )
    SELECT due.repository_id, due.digest, stores.name AS store, placements.prefix, placements.id AS placement_id,
           repositories.shard
    FROM due
    JOIN repositories ON repositories.id = due.repository_id
    JOIN placements ON placements.id = repositories.placement_id
    JOIN stores ON stores.id = placements.store_id
    LIMIT $1";

const DROP_SETTLED: &str = "
    WITH settled AS (
        SELECT id FROM blob_pins
        WHERE due_at <= now() AND is_named(repository_id, digest)
        ORDER BY due_at LIMIT $1
        FOR UPDATE SKIP LOCKED
    ), dropped AS (
        DELETE FROM blob_pins USING settled WHERE blob_pins.id = settled.id RETURNING 1
    )
    SELECT count(*) FROM dropped";

const FORGET: &str = "
    WITH forgotten AS (
        DELETE FROM blobs WHERE repository_id = $1 AND digest = $2 AND condemned_at = $3 RETURNING 1
    )
    SELECT count(*) FROM forgotten";

/// The pin comes with the pardon: a blob that nothing names, pins or condemns would never be looked at again.
const RELEASE: &str = "
    WITH released AS (
        UPDATE blobs SET condemned_at = NULL WHERE repository_id = $1 AND digest = $2 AND condemned_at = $3
        RETURNING repository_id, digest
    ), pinned AS (
        INSERT INTO blob_pins (repository_id, digest, due_at)
        SELECT repository_id, digest, clock_timestamp() + make_interval(secs => $4) FROM released
        RETURNING 1
    )
    SELECT count(*) FROM pinned";

#[derive(sqlx::FromRow)]
struct DueRow {
    repository_id: i64,
    digest: Vec<u8>,
    #[sqlx(flatten)]
    place: PlaceRow,
}

impl Index {
    /// Up to `limit` blobs that have a due pin, or whose sweeper was not heard of for long.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn due_pins(&self, limit: u32) -> Result<Vec<DuePin>> {
        let reclaim = seconds(self.reclaim_after);
        let rows: Vec<DueRow> = self.fetch_all(|| sqlx::query_as(DUE).bind(i64::from(limit)).bind(reclaim)).await?;
        rows.into_iter()
            .map(|row| {
                Ok(DuePin {
                    blob: BlobRef { repository_id: row.repository_id, digest: to_digest(&row.digest)? },
                    repository: row.place.into_repository(row.repository_id),
                })
            })
            .collect()
    }

    /// Condemns a blob that nothing names and no live pin protects. `None` where it must stay (then its due pins are
    /// removed, for they have said all they had to say), where it is gone, or where somebody else is at it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn begin_sweep(&self, blob: BlobRef) -> Result<Option<SweepGuard>> {
        let (condemned_at,): (Option<OffsetDateTime>,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT condemn_blob($1, $2, $3)")
                    .bind(blob.repository_id)
                    .bind(blob.digest.as_bytes().as_slice())
                    .bind(seconds(self.reclaim_after))
            })
            .await?;
        Ok(condemned_at.map(|condemned_at| SweepGuard { index: self.clone(), blob, condemned_at }))
    }

    /// Removes up to `limit` due pins of blobs that are named: they need no look at the store. How many it was.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn drop_settled_pins(&self, limit: u32) -> Result<u64> {
        let (dropped,): (i64,) = self.fetch_one(|| sqlx::query_as(DROP_SETTLED).bind(i64::from(limit))).await?;
        Ok(super::convert::to_u64(dropped))
    }

    /// Forgets up to `limit` placements, with their repositories, whose bucket was deleted `grace` ago and that hold no blob
    /// and no open upload session. How many it was.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_placements(&self, grace: Duration, limit: u32) -> Result<u64> {
        let (forgotten,): (i64,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT forget_placements($1, $2)").bind(seconds(grace)).bind(i64::from(limit))
            })
            .await?;
        Ok(super::convert::to_u64(forgotten))
    }
}

impl SweepGuard {
    /// The blob.
    #[must_use]
    pub const fn blob(&self) -> BlobRef {
        self.blob
    }

    /// Forgets the blob: the store has answered that it is deleted, or that it is not there.
    /// # Errors
    /// `IndexUnavailable`; then the mark stands, and another sweep deletes and forgets it once more.
    pub async fn forget(self) -> Result<()> {
        let digest = self.blob.digest;
        let _: (i64,) = self
            .index
            .fetch_one(|| {
                sqlx::query_as(FORGET)
                    .bind(self.blob.repository_id)
                    .bind(digest.as_bytes().as_slice())
                    .bind(self.condemned_at)
            })
            .await?;
        Ok(())
    }

    /// Takes the mark away again and has the blob looked at after `retry_after`. Only for a holder who knows that no delete
    /// request is on its way: none was sent, or the store has refused it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn release(self, retry_after: Duration) -> Result<()> {
        let digest = self.blob.digest;
        let _: (i64,) = self
            .index
            .fetch_one(|| {
                sqlx::query_as(RELEASE)
                    .bind(self.blob.repository_id)
                    .bind(digest.as_bytes().as_slice())
                    .bind(self.condemned_at)
                    .bind(seconds(retry_after))
            })
            .await?;
        Ok(())
    }
}
