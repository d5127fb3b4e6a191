//! Object lock: versions that nobody may remove, for a time (retention) or until somebody says otherwise (legal hold).
//!
//! Where it holds: `remove_objects` of `migrations/0031_versions.sql`, through which every row goes.

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert::check;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// How strict a retention is (AWS, "Locking objects with Object Lock").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Whoever has `s3:BypassGovernanceRetention` may shorten it, and remove the version.
    Governance,
    /// Nobody may, before its time.
    Compliance,
}

impl RetentionMode {
    /// The name in the index and in S3.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Until when a version stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How strictly.
    pub mode: RetentionMode,
    /// Until when.
    pub until: OffsetDateTime,
}

/// How whoever writes a version wants it locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewLock {
    /// `None`: as the bucket has it for new versions.
    pub retention: Option<Retention>,
    /// `None`: not said, and so there is none.
    pub legal_hold: Option<bool>,
}

impl NewLock {
    pub(super) fn mode(&self) -> Option<&'static str> {
        self.retention.map(|retention| retention.mode.as_str())
    }

    pub(super) fn until(&self) -> Option<OffsetDateTime> {
        self.retention.map(|retention| retention.until)
    }
}

/// For how long new versions of a bucket are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionPeriod {
    /// So many days.
    Days(i32),
    /// So many years.
    Years(i32),
}

/// What a bucket that locks objects does with new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: RetentionMode,
    /// For how long.
    pub period: RetentionPeriod,
}

const BUCKET: &str = "SELECT object_lock, lock_mode, lock_days, lock_years FROM buckets WHERE name = $1";

const PUT_BUCKET: &str = audited!(5, "SELECT put_object_lock($1, $2, $3, $4) AS status");

const PUT_RETENTION: &str = audited!(7, "SELECT status FROM put_object_retention($1, $2, $3, $4, $5, $6)");

const PUT_LEGAL_HOLD: &str = audited!(5, "SELECT status FROM put_object_legal_hold($1, $2, $3, $4)");

#[derive(sqlx::FromRow)]
struct BucketRow {
    object_lock: bool,
    lock_mode: Option<String>,
    lock_days: Option<i32>,
    lock_years: Option<i32>,
}

impl BucketRow {
    fn default_retention(&self) -> Option<DefaultRetention> {
        let days = self.lock_days.map(RetentionPeriod::Days);
        let period = days.or(self.lock_years.map(RetentionPeriod::Years))?;
        let mode = self.lock_mode.as_deref().and_then(RetentionMode::parse)?;
        Some(DefaultRetention { mode, period })
    }
}

impl Index {
    /// What a bucket does with new versions where it locks objects; `None` where it locks none.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn object_lock(&self, bucket: &str) -> Result<Option<Option<DefaultRetention>>> {
        let row: Option<BucketRow> = self.fetch_optional(|| sqlx::query_as(BUCKET).bind(bucket)).await?;
        let row = row.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        Ok(row.object_lock.then(|| row.default_retention()))
    }

    /// Lets a bucket lock objects, and says how new ones are locked.
    /// # Errors
    /// `NoSuchBucket`; `InvalidBucketState` where it does not keep versions.
    pub async fn put_object_lock(
        &self,
        bucket: &str,
        retention: Option<DefaultRetention>,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (days, years) = match retention.map(|retention| retention.period) {
            Some(RetentionPeriod::Days(days)) => (Some(days), None),
            Some(RetentionPeriod::Years(years)) => (None, Some(years)),
            None => (None, None),
        };
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(PUT_BUCKET)
                    .bind(bucket)
                    .bind(retention.map(|retention| retention.mode.as_str()))
                    .bind(days)
                    .bind(years)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Sets until when a version stays; `None` for no time at all. `bypass`: on behalf of somebody who may bypass governance.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker; `ObjectLockMissing` where the bucket locks
    /// nothing; `AccessDenied` where it would be kept for less time, or less strictly.
    pub async fn put_object_retention(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        retention: Option<Retention>,
        bypass: bool,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let lock = NewLock { retention, legal_hold: None };
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(PUT_RETENTION)
                    .bind(bucket)
                    .bind(key)
                    .bind(version)
                    .bind(lock.mode())
                    .bind(lock.until())
                    .bind(bypass)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Sets or lifts a version's legal hold.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed`, `ObjectLockMissing`.
    pub async fn put_object_legal_hold(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        hold: bool,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(PUT_LEGAL_HOLD).bind(bucket).bind(key).bind(version).bind(hold).bind(&records))
            .await?;
        check(&status)
    }
}
