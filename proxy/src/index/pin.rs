//! Pins: until a pin is due nothing deletes its blob. See `blobs` for the life of a blob.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::convert::{seconds, to_i64};
use super::{BlobRef, Index, Repository};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// A blob that is about to be uploaded.
#[derive(Debug, Clone)]
pub struct PinRequest {
    /// The bucket's name.
    pub bucket: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size.
    pub size: u64,
    /// The shard it goes to; `None` for the shard of the digest.
    pub shard: Option<u8>,
}

/// A pinned blob: what a commit needs to name it.
#[derive(Debug, Clone)]
pub struct PinnedBlob {
    /// The blob.
    pub blob: BlobRef,
    /// Its size.
    pub size: u64,
    /// The pin's row; the commit removes it.
    pub pin_id: i64,
    /// Where to upload it.
    pub repository: Repository,
}

/// For each request: bucket -> placement -> repository -> blob -> pin. Blobs are taken in the order of their keys, so that
/// two batches cannot wait for each other in a circle. The upsert waits for a sweeper that is about to condemn the blob, and
/// passes over one that is condemned; then `pinned` is false. Pin ids are drawn first, for two requests may ask for one blob.
///
/// Nobody waits until the pin is on Postgres' disk: the commit that needs it comes later in the same log. Where Postgres itself
/// crashes in between, the pin is lost and that commit is refused; what was uploaded stays at the store (docs/adr/0003).
const PIN: &str = "
    WITH request AS MATERIALIZED (
        SELECT r.n, r.digest, r.size, repositories.id AS repository_id, stores.name AS store,
               placements.prefix, placements.id AS placement_id, repositories.shard,
               nextval(pg_get_serial_sequence('blob_pins', 'id')) AS pin_id
        FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::smallint[], $5::smallint[])
             WITH ORDINALITY AS r (bucket, digest, size, shard, turn, n)
        CROSS JOIN (SELECT set_config('synchronous_commit', 'off', true)) AS lazily
        JOIN buckets ON buckets.name = r.bucket
        JOIN placements ON placements.id = buckets.placement_id
        JOIN stores ON stores.id = placements.store_id
        LEFT JOIN repositories ON repositories.placement_id = placements.id
             AND repositories.shard = COALESCE(r.shard, (get_byte(r.digest, 0) + r.turn) & (placements.shards - 1))
    ), blob AS (
        INSERT INTO blobs (repository_id, digest, size)
        SELECT DISTINCT ON (repository_id, digest) repository_id, digest, size
        FROM request WHERE repository_id IS NOT NULL
        ORDER BY repository_id, digest
        ON CONFLICT (repository_id, digest) DO UPDATE SET size = EXCLUDED.size WHERE blobs.condemned_at IS NULL
        RETURNING repository_id, digest
    ), pin AS (
        INSERT INTO blob_pins (id, repository_id, digest, due_at) OVERRIDING SYSTEM VALUE
        SELECT pin_id, repository_id, digest, clock_timestamp() + make_interval(secs => $6)
        FROM request JOIN blob USING (repository_id, digest)
    )
    SELECT n, repository_id, store, prefix, placement_id, shard, pin_id, blob.digest IS NOT NULL AS pinned
    FROM request LEFT JOIN blob USING (repository_id, digest)";

const LAPSE: &str = "
    WITH lapsed AS (UPDATE blob_pins SET due_at = clock_timestamp() WHERE id = $1 RETURNING 1)
    SELECT count(*) FROM lapsed";

const REPOSITORY: &str = "
    SELECT stores.name AS store, placements.prefix, placements.id AS placement_id, repositories.shard
    FROM repositories
    JOIN placements ON placements.id = repositories.placement_id
    JOIN stores ON stores.id = placements.store_id
    WHERE repositories.id = $1";

/// Rounds in which blobs that are being deleted are asked for again, and the pause before the next one.
const ROUNDS: i16 = 6;
const PAUSE: Duration = Duration::from_millis(50);

/// Repositories that are remembered; beyond that all are forgotten and learnt again.
const REMEMBERED: usize = 65_536;

#[derive(sqlx::FromRow)]
struct PinRow {
    n: i64,
    repository_id: Option<i64>,
    #[sqlx(flatten)]
    place: PlaceRow,
    pin_id: i64,
    pinned: bool,
}

/// What a repository's name is made of.
#[derive(sqlx::FromRow)]
pub(super) struct PlaceRow {
    store: String,
    prefix: String,
    placement_id: i64,
    shard: Option<i16>,
}

impl PlaceRow {
    /// The shard's number.
    pub(super) fn shard(&self) -> u8 {
        self.shard.and_then(|shard| u8::try_from(shard).ok()).unwrap_or_default()
    }

    pub(super) fn into_repository(self, id: i64) -> Repository {
        let name = format!("{}/{}/{:02x}", self.prefix, self.placement_id, self.shard.unwrap_or_default());
        Repository { id, store: self.store, name }
    }
}

impl Index {
    /// Pins many blobs; each has its own answer, in the order of `requests`. One round trip, unless one of them is just
    /// being deleted: then it goes to another shard, or waits a moment where it is bound to its shard.
    /// # Errors
    /// `IndexUnavailable` for all; `NoSuchBucket` for one, or `OperationAborted` where the deletion takes long.
    pub async fn pin_blobs(&self, requests: &[PinRequest], ttl: Duration) -> Result<Vec<Result<PinnedBlob>>> {
        let mut answers: Vec<Option<Result<PinnedBlob>>> = requests.iter().map(|_| None).collect();
        for round in 0..ROUNDS {
            let open: Vec<usize> = answers.iter().enumerate().filter(|(_, a)| a.is_none()).map(|(i, _)| i).collect();
            if open.is_empty() {
                break;
            }
            if round > 0 {
                tokio::time::sleep(PAUSE * u32::from(round.unsigned_abs())).await;
            }
            self.pin_round(requests, &open, round, ttl, &mut answers).await?;
        }
        let busy = || Err(Error::from(Code::OperationAborted).detail("the same bytes are just being deleted"));
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(busy)).collect())
    }

    /// Asks for the requests at the places `open`, and fills in the answers that it gets.
    async fn pin_round(
        &self,
        requests: &[PinRequest],
        open: &[usize],
        round: i16,
        ttl: Duration,
        answers: &mut [Option<Result<PinnedBlob>>],
    ) -> Result<()> {
        let asked: Vec<&PinRequest> = open.iter().filter_map(|place| requests.get(*place)).collect();
        let buckets: Vec<&str> = asked.iter().map(|request| request.bucket.as_str()).collect();
        let digests: Vec<&[u8]> = asked.iter().map(|request| request.digest.as_bytes().as_slice()).collect();
        let sizes = asked.iter().map(|request| to_i64(request.size)).collect::<Result<Vec<i64>>>()?;
        let shards: Vec<Option<i16>> = asked.iter().map(|request| request.shard.map(i16::from)).collect();
        let turns = vec![round; asked.len()];
        let rows: Vec<PinRow> = self
            .fetch_all(|| {
                sqlx::query_as(PIN)
                    .bind(&buckets)
                    .bind(&digests)
                    .bind(&sizes)
                    .bind(&shards)
                    .bind(&turns)
                    .bind(seconds(ttl))
            })
            .await?;

        let mut seen = vec![false; asked.len()];
        for row in rows {
            let at = usize::try_from(row.n.saturating_sub(1)).unwrap_or(usize::MAX);
            let (Some(request), Some(place), Some(seen)) = (asked.get(at), open.get(at), seen.get_mut(at)) else {
                return Err(Error::internal("a pin was answered that nobody asked for"));
            };
            *seen = true;
            let Some(repository_id) = row.repository_id else {
                set(answers, *place, Err(Error::internal(format!("shard {:?} does not exist", request.shard))));
                continue;
            };
            if row.pinned {
                let pinned = PinnedBlob {
                    blob: BlobRef { repository_id, digest: request.digest },
                    size: request.size,
                    pin_id: row.pin_id,
                    repository: row.place.into_repository(repository_id),
                };
                set(answers, *place, Ok(pinned));
            }
        }
        for (place, seen) in open.iter().zip(seen) {
            if !seen {
                set(answers, *place, Err(Code::NoSuchBucket.into()));
            }
        }
        Ok(())
    }

    /// Makes a pin due: the writer has given the blob up.
    /// # Errors
    /// `IndexUnavailable`; then it becomes due in its time.
    pub async fn lapse_pin(&self, pinned: &PinnedBlob) -> Result<()> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(LAPSE).bind(pinned.pin_id)).await?;
        Ok(())
    }

    /// A repository's place by its row, for reads. Rows never change, so the answer is cached.
    /// # Errors
    /// `InternalError` where there is none.
    pub async fn repository(&self, id: i64) -> Result<Arc<Repository>> {
        let known = self.repositories.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let row: Option<PlaceRow> = self.fetch_optional(|| sqlx::query_as(REPOSITORY).bind(id)).await?;
        let row = row.ok_or_else(|| Error::internal(format!("the index has no repository {id}")))?;
        let repository = Arc::new(row.into_repository(id));
        let mut known = self.repositories.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(id, Arc::clone(&repository));
        Ok(repository)
    }
}

fn set(answers: &mut [Option<Result<PinnedBlob>>], place: usize, answer: Result<PinnedBlob>) {
    if let Some(slot) = answers.get_mut(place) {
        *slot = Some(answer);
    }
}
