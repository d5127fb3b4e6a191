//! Whether a bucket keeps versions.

use super::Index;
use super::audited::audited;
use super::convert::check;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// What a bucket does with what is overwritten and deleted (AWS, "Retaining multiple versions of objects").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It never kept any.
    Off,
    /// It keeps them.
    Enabled,
    /// It keeps those that it has; what is written is the null version.
    Suspended,
}

impl Versioning {
    const ALL: [Self; 3] = [Self::Off, Self::Enabled, Self::Suspended];

    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Enabled => "enabled",
            Self::Suspended => "suspended",
        }
    }
}

const ONE: &str = "SELECT versioning FROM buckets WHERE name = $1";

const PUT: &str = audited!(3, "SELECT put_versioning($1, $2) AS status");

impl Index {
    /// Whether a bucket keeps versions.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn bucket_versioning(&self, bucket: &str) -> Result<Versioning> {
        let row: Option<(String,)> = self.fetch_optional(|| sqlx::query_as(ONE).bind(bucket)).await?;
        let (name,) = row.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        let known = Versioning::ALL.into_iter().find(|versioning| versioning.as_str() == name);
        known.ok_or_else(|| Error::internal(format!("the index knows the unknown versioning {name:?}")))
    }

    /// Keeps versions from now on, or no more.
    /// # Errors
    /// `NoSuchBucket`; `InvalidBucketState` where a bucket that locks objects would keep none.
    pub async fn put_bucket_versioning(&self, bucket: &str, versioning: Versioning, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(PUT).bind(bucket).bind(versioning.as_str()).bind(&records)).await?;
        check(&status)
    }
}
