//! Emptying a bucket batch by batch, whatever it holds: what a batch takes away and a record of each key commit together.
//!
//! Several statements a batch, for its records name what the first has found and locked.

use std::time::Duration;

use super::Index;
use super::audited::audited;
use super::convert::{check, seconds, to_u64};
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// How often a batch is begun that another transaction was in the way of.
const ATTEMPTS: u32 = 3;

/// The pause before it is begun again.
const PAUSE: Duration = Duration::from_millis(20);

/// What was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Emptied {
    /// Objects, each of their versions by itself.
    pub objects: u64,
    /// Uploads that were under way.
    pub uploads: u64,
    /// What both held, in bytes.
    pub bytes: u64,
}

impl Emptied {
    /// Whether there was nothing.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// With what was taken away besides.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_add(other.objects),
            uploads: self.uploads.saturating_add(other.uploads),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

const BUCKET: &str = "SELECT id FROM buckets WHERE name = $1 FOR KEY SHARE";

/// A bucket that holds a version that is locked is not emptied at all: nothing would be won.
const HAS_LOCKED: &str = "
    SELECT EXISTS (
        SELECT FROM objects
        WHERE bucket_id = $1 AND (legal_hold OR retain_until IS NOT NULL)
          AND is_locked(retention_mode, retain_until, legal_hold, false)
    )";

/// Whoever writes to the bucket has committed, or waits for its end.
const LOCK_BUCKET: &str = "SELECT id FROM buckets WHERE name = $1 FOR UPDATE";

const HAS_OBJECTS: &str = "SELECT EXISTS (SELECT FROM objects WHERE bucket_id = $1)";

/// Uploads that are looked up at a time where all of a bucket's go in one transaction.
const UPLOADS_AT_ONCE: i64 = 1_000;

/// The keys whose versions go, under the lock that whoever changes them takes first.
const KEYS: &str = "SELECT id, key FROM objects WHERE bucket_id = $1 AND is_latest ORDER BY key LIMIT $2 FOR UPDATE";

const OLDER: &str = "
    SELECT id, key FROM objects
    WHERE bucket_id = $1 AND key = ANY ($3) AND NOT is_latest ORDER BY key, id DESC LIMIT $2 FOR UPDATE";

const UPLOADS: &str = "
    SELECT id, key, (SELECT COALESCE(sum(part.size), 0)::bigint FROM upload_parts AS part WHERE part.upload_id = uploads.id) AS bytes
    FROM uploads WHERE bucket_id = $1 ORDER BY key, id LIMIT $2 FOR UPDATE";

/// Before they are gone: each is told as if it were deleted by itself.
const TELL: &str = "SELECT 'ok' AS status FROM tell_removals($1, $2, $3)";

const REMOVE_OBJECTS: &str = "SELECT freed_bytes, freed_objects FROM remove_objects($1, $2)";

const COUNT_OBJECTS: &str = audited!(4, "SELECT 'ok' AS status FROM count_usage($1, $2, $3)");

/// Counts by itself what is gone.
const REMOVE_UPLOADS: &str = audited!(3, "SELECT 'ok' AS status FROM remove_uploads($1, $2)");

#[derive(sqlx::FromRow)]
struct FoundObject {
    id: i64,
    key: String,
}

#[derive(sqlx::FromRow)]
struct FoundUpload {
    id: String,
    key: String,
    bytes: i64,
}

impl Index {
    /// Deletes up to `limit` objects of a bucket, or uploads where it has no object any more; nothing where it is empty. The caller
    /// goes on until then. Of each key there is a record as `audit` has it; `by`, who does it, is told with the event of each object.
    /// # Errors
    /// `NoSuchBucket`; `OperationAborted` where other transactions were in the way again and again.
    pub async fn empty_bucket(
        &self,
        name: &str,
        limit: u32,
        by: &str,
        grace: Duration,
        audit: &[Record],
    ) -> Result<Emptied> {
        let mut attempt = 1;
        loop {
            match self.empty_batch(name, limit, by, grace, audit).await {
                Err(error) if error.code() == Code::OperationAborted && attempt < ATTEMPTS => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Deletes a bucket that holds no object, and gives up the uploads that are under way in it: all or nothing. Of each upload there
    /// is a record as `audit` has it.
    /// # Errors
    /// `NoSuchBucket`; `BucketNotEmpty` where it holds an object.
    pub async fn delete_bucket_and_uploads(&self, name: &str, grace: Duration, audit: &[Record]) -> Result<()> {
        let unit = self.begin().await?;
        match unit.index().take_with_uploads(name, grace, audit).await {
            Ok(()) => unit.commit().await,
            Err(error) => {
                unit.abandon().await;
                Err(error)
            }
        }
    }

    async fn take_with_uploads(&self, name: &str, grace: Duration, audit: &[Record]) -> Result<()> {
        let bucket: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(LOCK_BUCKET).bind(name)).await?;
        let (bucket,) = bucket.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        let (has_objects,): (bool,) = self.fetch_one(|| sqlx::query_as(HAS_OBJECTS).bind(bucket)).await?;
        if has_objects {
            return Err(Code::BucketNotEmpty.into());
        }
        loop {
            let found: Vec<FoundUpload> =
                self.fetch_all(|| sqlx::query_as(UPLOADS).bind(bucket).bind(UPLOADS_AT_ONCE)).await?;
            if found.is_empty() {
                return self.delete_bucket(name, audit).await;
            }
            self.take_uploads(&found, grace, audit).await?;
        }
    }

    async fn empty_batch(
        &self,
        name: &str,
        limit: u32,
        by: &str,
        grace: Duration,
        audit: &[Record],
    ) -> Result<Emptied> {
        let unit = self.begin().await?;
        match unit.index().take_away(name, limit, by, grace, audit).await {
            Ok(emptied) => {
                unit.commit().await?;
                Ok(emptied)
            }
            Err(error) => {
                unit.abandon().await;
                Err(error)
            }
        }
    }

    async fn take_away(&self, name: &str, limit: u32, by: &str, grace: Duration, audit: &[Record]) -> Result<Emptied> {
        let bucket: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(BUCKET).bind(name)).await?;
        let (bucket,) = bucket.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        let (has_locked,): (bool,) = self.fetch_one(|| sqlx::query_as(HAS_LOCKED).bind(bucket)).await?;
        if has_locked {
            return Err(super::delete::locked());
        }
        let latest: Vec<FoundObject> =
            self.fetch_all(|| sqlx::query_as(KEYS).bind(bucket).bind(i64::from(limit))).await?;
        if !latest.is_empty() {
            // Older ones first: a key has a latest version for as long as it has any.
            let keys: Vec<&str> = latest.iter().map(|object| object.key.as_str()).collect();
            let older: Vec<FoundObject> =
                self.fetch_all(|| sqlx::query_as(OLDER).bind(bucket).bind(i64::from(limit)).bind(&keys)).await?;
            let found = if older.is_empty() { latest } else { older };
            return self.take_objects(bucket, &found, by, grace, audit).await;
        }
        let found: Vec<FoundUpload> =
            self.fetch_all(|| sqlx::query_as(UPLOADS).bind(bucket).bind(i64::from(limit))).await?;
        if found.is_empty() { Ok(Emptied::default()) } else { self.take_uploads(&found, grace, audit).await }
    }

    async fn take_objects(
        &self,
        bucket: i64,
        found: &[FoundObject],
        by: &str,
        grace: Duration,
        audit: &[Record],
    ) -> Result<Emptied> {
        let ids: Vec<i64> = found.iter().map(|object| object.id).collect();
        let _: (String,) = self.fetch_one(|| sqlx::query_as(TELL).bind(bucket).bind(ids.as_slice()).bind(by)).await?;
        let (bytes, objects): (i64, i64) =
            self.fetch_one(|| sqlx::query_as(REMOVE_OBJECTS).bind(ids.as_slice()).bind(seconds(grace))).await?;
        let keys = found.iter().map(|object| object.key.as_str());
        let records: Vec<Record> = keys.flat_map(|key| audit.iter().map(move |record| record.again(key))).collect();
        let records = self.canonical(&records);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(COUNT_OBJECTS).bind(bucket).bind(-bytes).bind(-objects).bind(&records))
            .await?;
        check(&status)?;
        Ok(Emptied { objects: found.len() as u64, uploads: 0, bytes: to_u64(bytes) })
    }

    async fn take_uploads(&self, found: &[FoundUpload], grace: Duration, audit: &[Record]) -> Result<Emptied> {
        let ids: Vec<&str> = found.iter().map(|upload| upload.id.as_str()).collect();
        let keys = found.iter().map(|upload| upload.key.as_str());
        let records: Vec<Record> = keys
            .flat_map(|key| audit.iter().map(move |record| record.again(key).noted_too("an upload that was under way")))
            .collect();
        let records = self.canonical(&records);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(REMOVE_UPLOADS).bind(ids.as_slice()).bind(seconds(grace)).bind(&records))
            .await?;
        check(&status)?;
        let bytes = found.iter().map(|upload| to_u64(upload.bytes)).sum();
        Ok(Emptied { objects: 0, uploads: found.len() as u64, bytes })
    }
}
