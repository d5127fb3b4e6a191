//! What buckets are configured with: one document a kind, as JSON.
//!
//! What does not live here: what a document says ([`crate::bucket_configuration`]), and the snapshot of those that are known without
//! asking (`authz`).

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert::check;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// What a configuration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationKind {
    /// Tags of the bucket.
    Tagging,
    /// Which pages of other origins may read answers. Known without asking.
    Cors,
    /// Whether the public is let in. Known without asking.
    PublicAccessBlock,
    /// Who owns what others write, and whether access control lists count. Known without asking.
    OwnershipControls,
    /// How objects are encrypted unless their writer says otherwise.
    Encryption,
    /// Who is told what happens to objects. Set by `put_bucket_notification` alone, with the rules that it stands for.
    Notification,
    /// When objects expire. Known without asking.
    Lifecycle,
}

impl ConfigurationKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Tagging,
        Self::Cors,
        Self::PublicAccessBlock,
        Self::OwnershipControls,
        Self::Encryption,
        Self::Notification,
        Self::Lifecycle,
    ];

    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tagging => "tagging",
            Self::Cors => "cors",
            Self::PublicAccessBlock => "public-access-block",
            Self::OwnershipControls => "ownership-controls",
            Self::Encryption => "encryption",
            Self::Notification => "notification",
            Self::Lifecycle => "lifecycle",
        }
    }

    /// Whether every replica knows it without asking the index: it comes with the policies.
    #[must_use]
    pub const fn is_known_without_asking(self) -> bool {
        matches!(self, Self::Cors | Self::PublicAccessBlock | Self::OwnershipControls | Self::Lifecycle)
    }

    /// Reads a name of the index.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A configuration as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketConfiguration {
    /// The document.
    pub document: Value,
    /// Another with each change.
    pub version: i64,
    /// When it became what it is.
    pub changed_at: OffsetDateTime,
    /// By whom.
    pub changed_by: String,
}

/// What a bucket shall be configured with.
#[derive(Debug, Clone, Copy)]
pub struct NewConfiguration<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What it is about.
    pub kind: ConfigurationKind,
    /// The document; checked by the caller.
    pub document: &'a Value,
    /// Who makes the change.
    pub by: &'a str,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

/// A bucket's configuration, of a kind that is known without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownConfiguration {
    /// The bucket's name.
    pub bucket: String,
    /// What it is about.
    pub kind: ConfigurationKind,
    /// The document, as JSON.
    pub document: String,
}

const PUT: &str = audited!(5, "SELECT put_bucket_configuration($1, $2, $3, $4) AS status");

const DELETE: &str = audited!(3, "SELECT delete_bucket_configuration($1, $2) AS status");

/// A row of nothing where it is not configured, and no row where there is no bucket.
const ONE: &str = "
    SELECT c.document, c.version, c.changed_at, c.changed_by
    FROM buckets b LEFT JOIN bucket_configurations c ON c.bucket_id = b.id AND c.kind = $2
    WHERE b.name = $1";

type Row = (Option<Value>, Option<i64>, Option<OffsetDateTime>, Option<String>);

impl Index {
    /// A configuration; `None` where the bucket has none of the kind.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn bucket_configuration(
        &self,
        bucket: &str,
        kind: ConfigurationKind,
    ) -> Result<Option<BucketConfiguration>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ONE).bind(bucket).bind(kind.as_str())).await?;
        Ok(match row.ok_or_else(|| Error::from(Code::NoSuchBucket))? {
            (Some(document), Some(version), Some(changed_at), Some(changed_by)) => {
                Some(BucketConfiguration { document, version, changed_at, changed_by })
            }
            _ => None,
        })
    }

    /// Makes or replaces a configuration.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn put_bucket_configuration(&self, new: NewConfiguration<'_>) -> Result<()> {
        let records = self.canonical(new.audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.bucket)
                    .bind(new.kind.as_str())
                    .bind(Json(new.document))
                    .bind(new.by)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Removes a configuration; nothing happens where there is none.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn delete_bucket_configuration(
        &self,
        bucket: &str,
        kind: ConfigurationKind,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(DELETE).bind(bucket).bind(kind.as_str()).bind(&records)).await?;
        check(&status)
    }
}
