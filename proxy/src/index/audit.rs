//! The audit log's rows: appended in batches, sealed, signed off, retired. Records of changes come with the change
//! (`audited.rs`); what reads and checks the log is in `audit_read.rs`.

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::Index;
use super::convert::{seconds, to_u64};
use crate::audit::{Kind, Record};
use crate::error::Result;

/// The head of a chain: the last seal of a writer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditHead {
    /// Whose chain.
    pub writer: Uuid,
    /// The seal's number, from 1 without a gap.
    pub number: i64,
    /// Its hash, 32 bytes.
    pub hash: Vec<u8>,
}

/// A head that has moved since the last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MovedHead {
    /// The head.
    #[sqlx(flatten)]
    pub head: AuditHead,
    /// Records that the chain covers up to there.
    pub records: i64,
    /// Records among them that no checkpoint covers yet.
    pub fresh: i64,
}

/// A signed checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditCheckpoint {
    /// From 1 without a gap.
    pub number: i64,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// The signed note.
    pub note: String,
    /// The heads that it covers: JSON.
    pub heads: String,
}

/// What the audit log looks like right now, for metrics.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AuditState {
    /// When the oldest event that is not sealed yet happened.
    pub oldest_unsealed: Option<OffsetDateTime>,
    /// When the last checkpoint was made.
    pub last_checkpoint: Option<OffsetDateTime>,
}

const MOVED: &str = "
    SELECT id AS writer, number, hash, records, records - checkpointed AS fresh
    FROM audit_writer WHERE records > checkpointed ORDER BY id";

const STATE: &str = "
    SELECT (SELECT min(time) FROM audit_unsealed) AS oldest_unsealed,
           (SELECT made_at FROM audit_checkpoint ORDER BY number DESC LIMIT 1) AS last_checkpoint";

const CHECKPOINTS: &str = "
    SELECT number, made_at, note, heads FROM audit_checkpoint
    WHERE number >= $1 AND made_at >= $2 AND made_at < $3 ORDER BY number LIMIT $4";

impl Index {
    /// Commits records that belong to no change of the index: by one statement. What stands already is left alone. How
    /// many were new.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` where Postgres refuses a record.
    pub async fn append_audit(&self, records: &[Record]) -> Result<u64> {
        let texts = self.texts(records);
        let intents: Vec<Uuid> = records.iter().filter(|r| r.kind() == Kind::Intent).map(Record::id).collect();
        let outcomes: Vec<Uuid> = records.iter().filter_map(Record::intent).collect();
        let (written,): (i64,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT audit_append_batch($1, $2, $3)").bind(&texts).bind(&intents).bind(&outcomes)
            })
            .await?;
        Ok(to_u64(written))
    }

    /// Seals up to `limit` events of this process, or of `origin` whose process is gone; how many it was.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn seal_audit(&self, origin: Option<Uuid>, limit: u32) -> Result<u64> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (sealed,): (i64,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT audit_seal_next($1, $2, $3)").bind(self.writer).bind(origin).bind(limit)
            })
            .await?;
        Ok(to_u64(sealed))
    }

    /// Writers with unsealed events that were not heard of for `silence`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_orphans(&self, silence: std::time::Duration) -> Result<Vec<Uuid>> {
        let rows: Vec<(Uuid,)> =
            self.fetch_all(|| sqlx::query_as("SELECT * FROM audit_orphans($1)").bind(seconds(silence))).await?;
        Ok(rows.into_iter().map(|(writer,)| writer).filter(|writer| *writer != self.writer).collect())
    }

    /// Makes the partitions of a day, and moves into them what came before they were there; whether any was missing.
    /// # Errors
    /// `IndexUnavailable`, also where somebody reads the log for long just then.
    pub async fn prepare_audit_day(&self, day: Date) -> Result<bool> {
        let (made,): (bool,) = self.fetch_one(|| sqlx::query_as("SELECT audit_prepare_day($1)").bind(day)).await?;
        Ok(made)
    }

    /// Days of which something was written before their partitions were there, in their order, at most a hundred.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn stray_audit_days(&self) -> Result<Vec<Date>> {
        let rows: Vec<(Date,)> = self.fetch_all(|| sqlx::query_as("SELECT * FROM audit_stray_days()")).await?;
        Ok(rows.into_iter().map(|(day,)| day).collect())
    }

    /// Heads that have moved since the last checkpoint, by writer.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn moved_audit_heads(&self) -> Result<Vec<MovedHead>> {
        Ok(self.fetch_all(|| sqlx::query_as(MOVED)).await?)
    }

    /// Checkpoints from `number` on that were made in a time range, at most `limit`, in their order.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_checkpoints(
        &self,
        number: i64,
        (from, to): (OffsetDateTime, OffsetDateTime),
        limit: u32,
    ) -> Result<Vec<AuditCheckpoint>> {
        let limit = i64::from(limit);
        Ok(self.fetch_all(|| sqlx::query_as(CHECKPOINTS).bind(number).bind(from).bind(to).bind(limit)).await?)
    }

    /// The last checkpoint.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn last_audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        const LAST: &str = "SELECT number, made_at, note, heads FROM audit_checkpoint ORDER BY number DESC LIMIT 1";
        Ok(self.fetch_optional(|| sqlx::query_as(LAST)).await?)
    }

    /// Stores a checkpoint over these heads; false where another process was faster with its number.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn add_audit_checkpoint(&self, checkpoint: &AuditCheckpoint, heads: &[MovedHead]) -> Result<bool> {
        let writers: Vec<Uuid> = heads.iter().map(|moved| moved.head.writer).collect();
        let records: Vec<i64> = heads.iter().map(|moved| moved.records).collect();
        let (added,): (bool,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT audit_add_checkpoint($1, $2, $3, $4, $5, $6)")
                    .bind(checkpoint.number)
                    .bind(checkpoint.made_at)
                    .bind(&checkpoint.note)
                    .bind(&checkpoint.heads)
                    .bind(&writers)
                    .bind(&records)
            })
            .await?;
        Ok(added)
    }

    /// The last checkpoint that the registry is known to hold; 0: none.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn published_audit_checkpoint(&self) -> Result<i64> {
        let (number,): (i64,) = self.fetch_one(|| sqlx::query_as("SELECT number FROM audit_published")).await?;
        Ok(number)
    }

    /// Notes that the registry holds all checkpoints up to this one.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn set_published_audit_checkpoint(&self, number: i64) -> Result<()> {
        const SET: &str = "UPDATE audit_published SET number = greatest(number, $1) RETURNING number";
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(SET).bind(number)).await?;
        Ok(())
    }

    /// How far sealing and signing are.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_state(&self) -> Result<AuditState> {
        Ok(self.fetch_one(|| sqlx::query_as(STATE)).await?)
    }

    /// Days that have a partition, in their order.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_days(&self) -> Result<Vec<Date>> {
        let rows: Vec<(Date,)> = self.fetch_all(|| sqlx::query_as("SELECT * FROM audit_days()")).await?;
        Ok(rows.into_iter().map(|(day,)| day).collect())
    }

    /// Where each chain stood at the end of a day, for those that were sealed on it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn audit_day_heads(&self, day: Date) -> Result<Vec<AuditHead>> {
        const HEADS: &str = "SELECT writer, number, hash FROM audit_day_heads($1)";
        Ok(self.fetch_all(|| sqlx::query_as(HEADS).bind(day)).await?)
    }

    /// How many records that were sealed on a day a webhook was not told of; 0 where it has never asked.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn untold_audit_records(&self, webhook: &str, day: Date) -> Result<u64> {
        let (untold,): (i64,) =
            self.fetch_one(|| sqlx::query_as("SELECT audit_untold($1, $2)").bind(webhook).bind(day)).await?;
        Ok(to_u64(untold))
    }

    /// Drops a day's events and seals, and leaves `tombstone` in the log, and `gaps` of what nobody was told of before; false where
    /// somebody else has.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` where the day is not over or the records are no tombstone of it and no gaps.
    pub async fn retire_audit_day(&self, day: Date, tombstone: &Record, heads: &str, gaps: &[Record]) -> Result<bool> {
        let (text, gaps) = (tombstone.canonical(self.writer), self.texts(gaps));
        let (retired,): (bool,) = self
            .fetch_one(|| {
                sqlx::query_as("SELECT audit_retire($1, $2, $3, $4)").bind(day).bind(&text).bind(heads).bind(&gaps)
            })
            .await?;
        Ok(retired)
    }
}
