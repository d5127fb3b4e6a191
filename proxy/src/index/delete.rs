//! Deletes of objects: of what keys hold now, and of versions.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::types::Json;

use super::audited::audited;
use super::convert::{check, seconds};
use super::{Index, Tags};
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Whether there was anything. S3 answers 204 either way.
    pub existed: bool,
    /// Whether it has left a delete marker, or has removed one.
    pub delete_marker: bool,
    /// The marker that it has left, or the version that was asked for; nothing where the bucket never kept versions.
    pub version_id: Option<String>,
}

/// What shall be deleted, and what must hold of it when the delete commits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deletion<'a> {
    /// The key.
    pub key: &'a str,
    /// The version that goes for good; without one the current one goes, or is hidden by a marker where the bucket keeps versions.
    pub version: Option<&'a str>,
    /// `If-Match`: the ETag that it has, without quotes; `*` for any.
    pub etag: Option<&'a str>,
    /// The row that it must be; otherwise it stays.
    pub only_row: Option<i64>,
    /// Whether it must be the latest version of its key, or an older one; otherwise it stays. An older one is the latest again, as the
    /// same row, once those that followed it are gone.
    pub only_latest: Option<bool>,
    /// The tags that it must have, no more and no others; otherwise it stays.
    pub only_tags: Option<&'a Tags>,
    /// On behalf of somebody who may bypass governance, and asks for it.
    pub bypass: bool,
}

impl<'a> Deletion<'a> {
    /// Of what a key holds now.
    #[must_use]
    pub const fn of(key: &'a str) -> Self {
        Self { key, version: None, etag: None, only_row: None, only_latest: None, only_tags: None, bypass: false }
    }

    const fn is_plain(&self) -> bool {
        let is_any = self.only_row.is_none() && self.only_latest.is_none() && self.only_tags.is_none();
        is_any && self.version.is_none() && self.etag.is_none()
    }
}

/// Why something is deleted; events tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteCause {
    /// Somebody asked for it.
    Request,
    /// A rule of the bucket's lifecycle.
    Lifecycle,
}

impl DeleteCause {
    const fn event(self) -> &'static str {
        match self {
            Self::Request => "ObjectRemoved",
            Self::Lifecycle => "LifecycleExpiration",
        }
    }
}

/// By whom, why, and for how long the bytes stay readable.
#[derive(Debug, Clone, Copy)]
pub struct DeleteBy<'a> {
    /// Why.
    pub cause: DeleteCause,
    /// Who; delete markers are theirs.
    pub owner: &'a str,
    /// As in [`NewObject::grace`](super::NewObject::grace).
    pub grace: Duration,
}

const DELETE: &str = audited!(5, "SELECT status, deleted FROM delete_objects($1, $2, $3, $4)");

/// Only what is deleted is recorded: there is one record for each, in their order.
const DELETE_VERSIONS: &str = "
    WITH done AS MATERIALIZED (
        SELECT * FROM delete_versions($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ), audited AS MATERIALIZED (
        SELECT audit_append(ARRAY(
            SELECT of_key.record FROM unnest($12::text[]) WITH ORDINALITY AS of_key (record, place)
            WHERE done.outcomes[of_key.place] = 'ok'
            ORDER BY of_key.place
        )) AS written
        FROM done WHERE done.status = 'ok'
    )
    SELECT done.* FROM done LEFT JOIN audited ON true WHERE audited.written IS NULL OR audited.written >= 0";

#[derive(sqlx::FromRow)]
struct DeletedRow {
    status: String,
    outcomes: Option<Vec<Option<String>>>,
    existed: Option<Vec<bool>>,
    is_marker: Option<Vec<bool>>,
    versions: Option<Vec<Option<String>>>,
}

impl DeletedRow {
    /// What became of each.
    fn outcomes(self) -> Vec<Result<Deleted>> {
        let statuses = self.outcomes.unwrap_or_default().into_iter();
        let flags = self.existed.unwrap_or_default().into_iter().zip(self.is_marker.unwrap_or_default());
        let versions = self.versions.unwrap_or_default().into_iter();
        let outcome = |((status, (existed, delete_marker)), version_id): ((Option<String>, _), _)| {
            check(status.as_deref().unwrap_or_default())?;
            Ok(Deleted { existed, delete_marker, version_id })
        };
        statuses.zip(flags).zip(versions).map(outcome).collect()
    }
}

impl Index {
    /// Deletes what a key holds, on behalf of the service.
    /// # Errors
    /// `NoSuchBucket`, `AccessDenied` where it is locked.
    pub async fn delete_object(&self, bucket: &str, key: &str, grace: Duration, audit: &[Record]) -> Result<Deleted> {
        let outcome = self.delete_objects(bucket, &[key.to_owned()], grace, audit).await?.pop();
        outcome.ok_or_else(|| Error::internal("a delete has no outcome"))
    }

    /// As [`Self::delete_object`], of many in one transaction; the answers stand in the order of `keys`.
    /// # Errors
    /// `NoSuchBucket`, `AccessDenied` where one is locked.
    pub async fn delete_objects(
        &self,
        bucket: &str,
        keys: &[String],
        grace: Duration,
        audit: &[Record],
    ) -> Result<Vec<Deleted>> {
        let wanted: Vec<Deletion<'_>> = keys.iter().map(|key| Deletion::of(key)).collect();
        let by = DeleteBy { cause: DeleteCause::Request, owner: "service", grace };
        self.delete_versions(bucket, &wanted, by, audit).await?.into_iter().collect()
    }

    /// Deletes up to 1,000 keys or versions in one transaction, each if what is said of it holds in that moment; the answers stand in the
    /// order of `wanted`. `audit` is empty, or has one record for each of `wanted`, in their order.
    /// # Errors
    /// `NoSuchBucket`; of one of them `PreconditionFailed` where it has another ETag, `NoSuchKey` or `NoSuchVersion` where it is not there
    /// and must be, `AccessDenied` where it is locked, `OperationAborted` where it is another row than the only one, or that one is not
    /// what it must be.
    pub async fn delete_versions(
        &self,
        bucket: &str,
        wanted: &[Deletion<'_>],
        by: DeleteBy<'_>,
        audit: &[Record],
    ) -> Result<Vec<Result<Deleted>>> {
        let is_plain = by.cause == DeleteCause::Request && wanted.iter().all(Deletion::is_plain);
        if is_plain && let Some(deleted) = self.delete_plainly(bucket, wanted, by, audit).await? {
            return Ok(deleted.into_iter().map(Ok).collect());
        }
        let keys: Vec<&str> = wanted.iter().map(|deletion| deletion.key).collect();
        let versions: Vec<Option<&str>> = wanted.iter().map(|deletion| deletion.version).collect();
        let etags: Vec<Option<&str>> = wanted.iter().map(|deletion| deletion.etag).collect();
        let rows: Vec<Option<i64>> = wanted.iter().map(|deletion| deletion.only_row).collect();
        let latest: Vec<Option<bool>> = wanted.iter().map(|deletion| deletion.only_latest).collect();
        let tags: Vec<Option<Json<&Tags>>> = wanted.iter().map(|deletion| deletion.only_tags.map(Json)).collect();
        let bypass: Vec<bool> = wanted.iter().map(|deletion| deletion.bypass).collect();
        let records = self.canonical(audit);
        let row: DeletedRow = self
            .fetch_one(|| {
                sqlx::query_as(DELETE_VERSIONS)
                    .bind(bucket)
                    .bind(&keys)
                    .bind(&versions)
                    .bind(&etags)
                    .bind(&rows)
                    .bind(&latest)
                    .bind(&tags)
                    .bind(&bypass)
                    .bind(by.cause.event())
                    .bind(by.owner)
                    .bind(seconds(by.grace))
                    .bind(&records)
            })
            .await?;
        check(&row.status)?;
        Ok(row.outcomes())
    }

    /// Deletes what keys hold, all at once, where the bucket never kept versions; `None` where it does, and then nothing was done.
    async fn delete_plainly(
        &self,
        bucket: &str,
        wanted: &[Deletion<'_>],
        by: DeleteBy<'_>,
        audit: &[Record],
    ) -> Result<Option<Vec<Deleted>>> {
        let keys: Vec<&str> = wanted.iter().map(|deletion| deletion.key).collect();
        let records = self.texts(audit);
        let (status, deleted): (String, Option<Vec<String>>) = self
            .fetch_one(|| {
                sqlx::query_as(DELETE).bind(bucket).bind(&keys).bind(seconds(by.grace)).bind(by.owner).bind(&records)
            })
            .await?;
        if status == "KeepsVersions" {
            return Ok(None);
        }
        check(&status)?;
        Self::counted(audit);
        let deleted: HashSet<String> = deleted.unwrap_or_default().into_iter().collect();
        let outcome = |key: &&str| Deleted { existed: deleted.contains(*key), ..Deleted::default() };
        Ok(Some(keys.iter().map(outcome).collect()))
    }
}

/// What it means that a version is locked.
pub(super) fn locked() -> Error {
    Error::new(Code::AccessDenied, "Access Denied because object protected by object lock.")
}
