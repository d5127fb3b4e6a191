//! Runs of fsck: begun, held by one process at a time, saved, ended.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::index::Index;
use crate::index::failure::Failure;
use crate::index::pool::Loan;

/// A run as its row has it.
#[derive(Debug, Clone)]
pub struct SavedRun {
    /// The row.
    pub id: i64,
    /// What is looked at and repaired.
    pub options: Value,
    /// The phase that it is in.
    pub phase: String,
    /// The last thing of that phase that was looked at; unset: nothing yet.
    pub place: Option<Value>,
    /// What was counted so far.
    pub tally: Value,
    /// Whether it has come to its end.
    pub is_ended: bool,
}

/// A run that this process holds. A lock of Postgres's keeps others off, which goes with its connection, and so with the process.
/// Where the connection alone is lost, the next one who takes the run is seen at the next [`save`](Self::save).
pub struct HeldRun {
    index: Index,
    id: i64,
    holder: Uuid,
    _lock: Loan,
}

/// Runs that nobody has touched for a quarter of a year go.
const TIDY: &str = "
    WITH gone AS (DELETE FROM fsck_runs WHERE saved_at < clock_timestamp() - interval '90 days' RETURNING 1)
    SELECT count(*) FROM gone";

const BEGIN: &str = "INSERT INTO fsck_runs (options, phase, holder) VALUES ($1, $2, $3) RETURNING id";

const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('fsck_runs/' || $1::bigint, 0))";

const TAKE: &str = "
    UPDATE fsck_runs SET holder = $2 WHERE id = $1
    RETURNING id, options, phase, place, tally, ended_at IS NOT NULL AS is_ended";

const SAVE: &str = "
    WITH saved AS (
        UPDATE fsck_runs
        SET phase = $3, place = $4, tally = $5, saved_at = clock_timestamp(), ended_at = CASE WHEN $6 THEN clock_timestamp() END
        WHERE id = $1 AND holder = $2
        RETURNING 1
    )
    SELECT count(*) FROM saved";

#[derive(sqlx::FromRow)]
struct RunRow {
    id: i64,
    options: Json<Value>,
    phase: String,
    place: Option<Json<Value>>,
    tally: Json<Value>,
    is_ended: bool,
}

impl Index {
    /// Begins a run and holds it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn begin_fsck(&self, options: &Value, phase: &str) -> Result<(HeldRun, SavedRun)> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(TIDY)).await?;
        let (id,): (i64,) =
            self.fetch_one(|| sqlx::query_as(BEGIN).bind(Json(options)).bind(phase).bind(Uuid::now_v7())).await?;
        self.hold_fsck(id).await
    }

    /// Takes a run that was begun earlier.
    /// # Errors
    /// `NoSuchEntity`; `OperationAborted` where another process holds it.
    pub async fn hold_fsck(&self, id: i64) -> Result<(HeldRun, SavedRun)> {
        let mut lock = self.pool.acquire().await.map_err(Failure::from)?;
        let is_locked: Vec<(bool,)> = self.on(&mut lock, sqlx::query_as(LOCK).bind(id)).await?;
        if is_locked != [(true,)] {
            let text = format!("Run {id} is held by another process.");
            return Err(Error::new(Code::OperationAborted, text));
        }
        let holder = Uuid::now_v7();
        let row: Option<RunRow> = self.fetch_optional(|| sqlx::query_as(TAKE).bind(id).bind(holder)).await?;
        let row = row.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("There is no run {id}.")))?;
        let saved = SavedRun {
            id: row.id,
            options: row.options.0,
            phase: row.phase,
            place: row.place.map(|place| place.0),
            tally: row.tally.0,
            is_ended: row.is_ended,
        };
        Ok((HeldRun { index: self.clone(), id, holder, _lock: lock }, saved))
    }
}

impl HeldRun {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Saves how far it has come.
    /// # Errors
    /// `IndexUnavailable`; `OperationAborted` where another process has taken it.
    pub async fn save(&self, phase: &str, place: Option<&Value>, tally: &Value, is_ended: bool) -> Result<()> {
        let (saved,): (i64,) = self
            .index
            .fetch_one(|| {
                sqlx::query_as(SAVE)
                    .bind(self.id)
                    .bind(self.holder)
                    .bind(phase)
                    .bind(place.map(Json))
                    .bind(Json(tally))
                    .bind(is_ended)
            })
            .await?;
        if saved == 0 {
            let text = format!("Run {} was taken over by another process.", self.id);
            return Err(Error::new(Code::OperationAborted, text));
        }
        Ok(())
    }
}
