//! What the lifecycle worker asks: which bucket's turn it is, pages of what rules may be about, and how far a pass has come.
//!
//! Pages are read behind a place, in the order of an index each: a pass costs no more memory for a large bucket, and goes on where
//! another process has left it. What does not live here: rules, and what they say (`bucket_configuration::lifecycle`).

use std::time::Duration;

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::convert::{seconds, to_u64};
use super::list::Bounds;
use super::{Index, Tags};
use crate::error::{Code, Error, Result};

/// What a pass looks at, in this order: what is left alone by the first is hidden, or seen to hide nothing, by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleStage {
    /// Versions that another one has followed.
    Versions,
    /// The current version of each key.
    Objects,
    /// Uploads that are not completed.
    Uploads,
}

impl LifecycleStage {
    /// Every stage, in order.
    pub const ALL: [Self; 3] = [Self::Versions, Self::Objects, Self::Uploads];

    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::Objects => "objects",
            Self::Uploads => "uploads",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// How far a pass has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecyclePlace {
    /// What is being looked at.
    pub stage: LifecycleStage,
    /// The key that was looked at last; empty: none yet.
    pub key: String,
    /// And of it the row or the upload.
    pub id: String,
}

/// A pass over a bucket, held by this process.
#[derive(Debug, Clone)]
pub struct LifecyclePass {
    /// The bucket's name.
    pub bucket: String,
    /// The rules, as they were when it was taken.
    pub document: Value,
    /// Where it goes on.
    pub place: LifecyclePlace,
    /// What time it is for the index.
    pub now: OffsetDateTime,
    /// What time it was when the pass began.
    pub begun_at: OffsetDateTime,
    bucket_id: i64,
    holder: Uuid,
}

/// How much a pass has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifecycleCounts {
    /// Versions, markers and uploads that it has looked at.
    pub looked: u64,
    /// Current versions that have gone, or are hidden.
    pub objects: u64,
    /// Older versions that have gone.
    pub versions: u64,
    /// Delete markers that have gone because they hid nothing.
    pub markers: u64,
    /// Uploads that were given up.
    pub uploads: u64,
    /// Versions that were due, and are locked.
    pub locked: u64,
    /// What was due, and was changed meanwhile.
    pub spared: u64,
}

/// The pass over a bucket that is under way, or the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleStatus {
    /// When it began; none where there was none yet.
    pub begun_at: Option<OffsetDateTime>,
    /// When it ended; none where it is under way.
    pub ended_at: Option<OffsetDateTime>,
    /// When the next one begins; of one that is under way, when somebody else takes it unless it goes on.
    pub due_at: OffsetDateTime,
    /// How much it has done so far.
    pub counts: LifecycleCounts,
    /// Why it was interrupted last.
    pub error: Option<String>,
}

/// A version that rules may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleVersion {
    /// The row.
    pub id: i64,
    /// The key.
    pub key: String,
    /// Its version id.
    pub version_id: String,
    /// Bytes.
    pub size: u64,
    /// Tags.
    pub tags: Tags,
    /// Whether it is a delete marker.
    pub is_delete_marker: bool,
    /// Since when it is what it is: of an older version since when another one follows it, of a current one since when it is there.
    pub since: OffsetDateTime,
    /// Of an older version, how many older versions of the key are newer, markers not counted, as far as was asked; of a marker, whether
    /// there are others at all.
    pub others: i64,
    /// Whether it is locked.
    pub is_locked: bool,
}

/// An upload that rules may be about.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LifecycleUpload {
    /// The upload id.
    pub id: String,
    /// The key.
    pub key: String,
    /// When it began.
    pub initiated_at: OffsetDateTime,
}

/// $3 moves the clock, for tests.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT bucket_id FROM lifecycle_passes WHERE due_at <= now() + make_interval(secs => $3)
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE lifecycle_passes AS p
        SET holder = $1, due_at = clock_timestamp() + make_interval(secs => $2 + $3), ended_at = NULL,
            begun_at = CASE WHEN p.stage IS NULL THEN clock_timestamp() ELSE p.begun_at END,
            looked = CASE WHEN p.stage IS NULL THEN 0 ELSE p.looked END,
            objects = CASE WHEN p.stage IS NULL THEN 0 ELSE p.objects END,
            versions = CASE WHEN p.stage IS NULL THEN 0 ELSE p.versions END,
            markers = CASE WHEN p.stage IS NULL THEN 0 ELSE p.markers END,
            uploads = CASE WHEN p.stage IS NULL THEN 0 ELSE p.uploads END,
            locked = CASE WHEN p.stage IS NULL THEN 0 ELSE p.locked END,
            spared = CASE WHEN p.stage IS NULL THEN 0 ELSE p.spared END,
            stage = COALESCE(p.stage, 'versions')
        FROM due WHERE p.bucket_id = due.bucket_id
        RETURNING p.bucket_id, p.stage, p.after_key, p.after_id, p.begun_at
    )
    SELECT c.bucket_id, b.name AS bucket, f.document, c.stage, c.after_key, c.after_id,
           clock_timestamp() + make_interval(secs => $3) AS moved_now, c.begun_at + make_interval(secs => $3) AS moved_begun
    FROM claimed AS c
    JOIN buckets AS b ON b.id = c.bucket_id
    JOIN bucket_configurations AS f ON f.bucket_id = c.bucket_id AND f.kind = 'lifecycle'";

/// Whoever has lost it, to other rules or to somebody else, finds no row.
const ADVANCE: &str = "
    UPDATE lifecycle_passes
    SET stage = $3, after_key = $4, after_id = $5, due_at = clock_timestamp() + make_interval(secs => $6), error = NULL,
        looked = looked + $7, objects = objects + $8, versions = versions + $9, markers = markers + $10,
        uploads = uploads + $11, locked = locked + $12, spared = spared + $13
    WHERE bucket_id = $1 AND holder = $2 RETURNING 1::bigint";

const END: &str = "
    UPDATE lifecycle_passes
    SET stage = NULL, after_key = '', after_id = '', holder = NULL, ended_at = clock_timestamp(), due_at = $3, error = NULL
    WHERE bucket_id = $1 AND holder = $2 RETURNING 1::bigint";

const INTERRUPT: &str = "
    UPDATE lifecycle_passes
    SET holder = NULL, due_at = clock_timestamp() + make_interval(secs => $3), error = COALESCE($4, error)
    WHERE bucket_id = $1 AND holder = $2 RETURNING 1::bigint";

const STATUS: &str = "
    SELECT p.begun_at, p.ended_at, p.due_at, p.looked, p.objects, p.versions, p.markers, p.uploads, p.locked, p.spared, p.error
    FROM buckets AS b LEFT JOIN lifecycle_passes AS p ON p.bucket_id = b.id
    WHERE b.name = $1";

/// Walks `objects_older_in_order` from the key $2 on, of which it comes behind the row $4: that key has a scan of its own, which begins
/// there, so that a page costs the same however many versions of one key came before it. What follows a version is the one with the
/// next greater row.
pub(super) const VERSIONS: &str = "
    SELECT o.id, o.key, o.version_id, o.size, o.tags, o.is_delete_marker, next.last_modified AS since,
           is_locked(o.retention_mode, o.retain_until, o.legal_hold, false) AS is_locked,
           (SELECT count(*) FROM (
               SELECT FROM objects AS n
               WHERE $6 > 0 AND n.bucket_id = $1 AND n.key = o.key AND NOT n.is_latest AND n.id > o.id AND NOT n.is_delete_marker
               LIMIT $6
           ) AS newer) AS others
    FROM (
        SELECT * FROM (
            (SELECT * FROM objects
             WHERE bucket_id = $1 AND NOT is_latest AND key = $2 AND id < $4
             ORDER BY id DESC LIMIT $5)
            UNION ALL
            (SELECT * FROM objects
             WHERE bucket_id = $1 AND NOT is_latest AND key > $2 AND key < $3
             ORDER BY key, id DESC LIMIT $5)
        ) AS rest
        ORDER BY key, id DESC LIMIT $5
    ) AS o
    CROSS JOIN LATERAL (
        SELECT follower.last_modified FROM (
            (SELECT n.id, n.last_modified FROM objects AS n
             WHERE n.bucket_id = $1 AND n.key = o.key AND NOT n.is_latest AND n.id > o.id
             ORDER BY n.id LIMIT 1)
            UNION ALL
            (SELECT n.id, n.last_modified FROM objects AS n WHERE n.bucket_id = $1 AND n.key = o.key AND n.is_latest)
        ) AS follower
        ORDER BY follower.id LIMIT 1
    ) AS next
    ORDER BY o.key, o.id DESC";

/// Walks `objects_latest`.
const OBJECTS: &str = "
    SELECT o.id, o.key, o.version_id, o.size, o.tags, o.is_delete_marker, o.last_modified AS since,
           is_locked(o.retention_mode, o.retain_until, o.legal_hold, false) AS is_locked,
           CASE WHEN o.is_delete_marker THEN (
               SELECT count(*) FROM (
                   SELECT FROM objects AS n WHERE n.bucket_id = $1 AND n.key = o.key AND NOT n.is_latest LIMIT 1
               ) AS older
           ) ELSE 0 END AS others
    FROM objects AS o
    WHERE o.bucket_id = $1 AND o.is_latest AND o.key >= $2 AND o.key < $3
    ORDER BY o.key LIMIT $4";

/// Walks `uploads_by_key` from the key $2 on, of which it comes behind the upload $4.
pub(super) const UPLOADS: &str = "
    SELECT id, key, initiated_at FROM uploads
    WHERE bucket_id = $1 AND (key, id) > ($2, $4) AND key < $3
    ORDER BY key, id LIMIT $5";

#[derive(sqlx::FromRow)]
struct PassRow {
    bucket_id: i64,
    bucket: String,
    document: Value,
    stage: String,
    after_key: String,
    after_id: String,
    moved_now: OffsetDateTime,
    moved_begun: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    id: i64,
    key: String,
    version_id: String,
    size: i64,
    tags: Json<Tags>,
    is_delete_marker: bool,
    since: OffsetDateTime,
    others: i64,
    is_locked: bool,
}

impl From<VersionRow> for LifecycleVersion {
    fn from(row: VersionRow) -> Self {
        let VersionRow { id, key, version_id, size, tags, is_delete_marker, since, others, is_locked } = row;
        Self { id, key, version_id, size: to_u64(size), tags: tags.0, is_delete_marker, since, others, is_locked }
    }
}

#[derive(sqlx::FromRow)]
struct StatusRow {
    begun_at: Option<OffsetDateTime>,
    ended_at: Option<OffsetDateTime>,
    due_at: Option<OffsetDateTime>,
    looked: Option<i64>,
    objects: Option<i64>,
    versions: Option<i64>,
    markers: Option<i64>,
    uploads: Option<i64>,
    locked: Option<i64>,
    spared: Option<i64>,
    error: Option<String>,
}

impl StatusRow {
    /// Nothing where the bucket has no rules.
    fn into_status(self) -> Option<LifecycleStatus> {
        let count = |count: Option<i64>| to_u64(count.unwrap_or_default());
        let counts = LifecycleCounts {
            looked: count(self.looked),
            objects: count(self.objects),
            versions: count(self.versions),
            markers: count(self.markers),
            uploads: count(self.uploads),
            locked: count(self.locked),
            spared: count(self.spared),
        };
        let (begun_at, ended_at, error) = (self.begun_at, self.ended_at, self.error);
        Some(LifecycleStatus { begun_at, ended_at, due_at: self.due_at?, counts, error })
    }
}

impl Index {
    /// Takes the bucket that is first due, for `lease`. `ahead` moves the clock: for tests, zero otherwise.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_lifecycle(&self, lease: Duration, ahead: Duration) -> Result<Option<LifecyclePass>> {
        let holder = Uuid::now_v7();
        let row: Option<PassRow> = self
            .fetch_optional(|| sqlx::query_as(CLAIM).bind(holder).bind(seconds(lease)).bind(seconds(ahead)))
            .await?;
        row.map(|row| {
            let stage = LifecycleStage::parse(&row.stage)
                .ok_or_else(|| Error::internal(format!("a pass is at the unknown stage {:?}", row.stage)))?;
            let place = LifecyclePlace { stage, key: row.after_key, id: row.after_id };
            let (bucket, document, bucket_id, now) = (row.bucket, row.document, row.bucket_id, row.moved_now);
            Ok(LifecyclePass { bucket, document, place, now, begun_at: row.moved_begun, bucket_id, holder })
        })
        .transpose()
    }

    /// Notes how far a pass has come and what it has done since the last time, and holds it for `lease` again; whether it is still held.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn advance_lifecycle(
        &self,
        pass: &LifecyclePass,
        place: &LifecyclePlace,
        done: LifecycleCounts,
        lease: Duration,
    ) -> Result<bool> {
        let [looked, objects, versions, markers, uploads, locked, spared] =
            [done.looked, done.objects, done.versions, done.markers, done.uploads, done.locked, done.spared]
                .map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let held: Option<(i64,)> = self
            .fetch_optional(|| {
                sqlx::query_as(ADVANCE)
                    .bind(pass.bucket_id)
                    .bind(pass.holder)
                    .bind(place.stage.as_str())
                    .bind(&place.key)
                    .bind(&place.id)
                    .bind(seconds(lease))
                    .bind(looked)
                    .bind(objects)
                    .bind(versions)
                    .bind(markers)
                    .bind(uploads)
                    .bind(locked)
                    .bind(spared)
            })
            .await?;
        Ok(held.is_some())
    }

    /// Ends a pass; the next one begins at `next`. Nothing happens where it is held no more.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn end_lifecycle(&self, pass: &LifecyclePass, next: OffsetDateTime) -> Result<()> {
        let _: Option<(i64,)> =
            self.fetch_optional(|| sqlx::query_as(END).bind(pass.bucket_id).bind(pass.holder).bind(next)).await?;
        Ok(())
    }

    /// Lets a pass go where it is, for anybody to go on with after `pause`; with why, where it has failed.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn interrupt_lifecycle(&self, pass: &LifecyclePass, pause: Duration, error: Option<&str>) -> Result<()> {
        let _: Option<(i64,)> = self
            .fetch_optional(|| {
                sqlx::query_as(INTERRUPT).bind(pass.bucket_id).bind(pass.holder).bind(seconds(pause)).bind(error)
            })
            .await?;
        Ok(())
    }

    /// The pass over a bucket that is under way, or the last one; none where the bucket has no rules.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn lifecycle_status(&self, bucket: &str) -> Result<Option<LifecycleStatus>> {
        let row: Option<StatusRow> = self.fetch_optional(|| sqlx::query_as(STATUS).bind(bucket)).await?;
        Ok(row.ok_or_else(|| Error::from(Code::NoSuchBucket))?.into_status())
    }

    /// Up to `limit` older versions of keys that begin with `prefix`, behind the pass's place, each key's newest first; newer ones are
    /// counted up to `count`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn lifecycle_versions(
        &self,
        pass: &LifecyclePass,
        prefix: &str,
        limit: u32,
        count: i64,
    ) -> Result<Vec<LifecycleVersion>> {
        let (bounds, id) = within(prefix, &pass.place);
        let row = id.map_or(i64::MAX, |id| id.parse().unwrap_or(0));
        let rows: Vec<VersionRow> = self
            .fetch_all(|| {
                sqlx::query_as(VERSIONS)
                    .bind(pass.bucket_id)
                    .bind(&bounds.lower)
                    .bind(&bounds.upper)
                    .bind(row)
                    .bind(i64::from(limit))
                    .bind(count)
            })
            .await?;
        Ok(rows.into_iter().map(LifecycleVersion::from).collect())
    }

    /// The current versions of up to `limit` keys that begin with `prefix`, behind the pass's place, delete markers among them.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn lifecycle_objects(
        &self,
        pass: &LifecyclePass,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<LifecycleVersion>> {
        let bounds = Bounds::new(prefix, None, &pass.place.key);
        let rows: Vec<VersionRow> = self
            .fetch_all(|| {
                sqlx::query_as(OBJECTS)
                    .bind(pass.bucket_id)
                    .bind(&bounds.lower)
                    .bind(&bounds.upper)
                    .bind(i64::from(limit))
            })
            .await?;
        Ok(rows.into_iter().map(LifecycleVersion::from).collect())
    }

    /// Up to `limit` uploads of keys that begin with `prefix`, behind the pass's place.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn lifecycle_uploads(
        &self,
        pass: &LifecyclePass,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<LifecycleUpload>> {
        let (bounds, id) = within(prefix, &pass.place);
        let id = id.unwrap_or_default();
        let uploads = self.fetch_all(|| {
            sqlx::query_as(UPLOADS)
                .bind(pass.bucket_id)
                .bind(&bounds.lower)
                .bind(&bounds.upper)
                .bind(id)
                .bind(i64::from(limit))
        });
        Ok(uploads.await?)
    }
}

/// Keys that begin with `prefix`, from the place's on, and of that one what it comes behind; nothing where the place lies before them.
fn within<'a>(prefix: &str, place: &'a LifecyclePlace) -> (Bounds, Option<&'a str>) {
    let mut bounds = Bounds::new(prefix, None, "");
    let is_there = place.key.as_str() >= prefix;
    bounds.lower = if is_there { place.key.clone() } else { prefix.to_owned() };
    (bounds, is_there.then_some(place.id.as_str()))
}
