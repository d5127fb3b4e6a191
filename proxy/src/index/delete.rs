//! Deletes of objects.

use std::collections::HashSet;
use std::time::Duration;

use super::Index;
use super::audited::audited;
use super::convert::{check, seconds};
use crate::audit::Record;
use crate::error::{Code, Result};

/// What a delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was anything. S3 answers 204 either way.
    pub existed: bool,
}

/// One key of a delete, and what must hold of it when the delete commits.
#[derive(Debug, Clone, Copy)]
pub struct Deletion<'a> {
    /// The key.
    pub key: &'a str,
    /// `If-Match`: the ETag that it has, without quotes; `*` for any.
    pub etag: Option<&'a str>,
}

const DELETE: &str = audited!(4, "SELECT status, deleted FROM delete_objects($1, $2, $3)");

/// As [`DELETE`], of keys with conditions. Only what is deleted is recorded: there is one record for each key, in their order.
const DELETE_IF: &str = "
    WITH done AS MATERIALIZED (
        SELECT status, deleted, failed, missing FROM delete_objects_if($1, $2, $3, $4)
    ), audited AS MATERIALIZED (
        SELECT audit_append(ARRAY(
            SELECT of_key.record FROM unnest($5::text[]) WITH ORDINALITY AS of_key (record, place)
            WHERE of_key.place <> ALL (done.failed || done.missing)
            ORDER BY of_key.place
        )) AS written
        FROM done WHERE done.status = 'ok'
    )
    SELECT done.* FROM done LEFT JOIN audited ON true WHERE audited.written IS NULL OR audited.written >= 0";

#[derive(sqlx::FromRow)]
struct DeletedIf {
    status: String,
    deleted: Option<Vec<String>>,
    /// Places, from 1, of the keys that have another ETag.
    failed: Option<Vec<i32>>,
    /// Places of the keys that are not there.
    missing: Option<Vec<i32>>,
}

impl DeletedIf {
    /// What became of each key.
    fn outcomes(self, wanted: &[Deletion<'_>]) -> Vec<Result<Deleted>> {
        let [failed, missing] = [self.failed, self.missing].map(Option::unwrap_or_default);
        let deleted: HashSet<String> = self.deleted.unwrap_or_default().into_iter().collect();
        let places = 1_i32..;
        let outcomes = places.zip(wanted).map(|(place, deletion)| -> Result<Deleted> {
            if failed.contains(&place) {
                Err(Code::PreconditionFailed.into())
            } else if missing.contains(&place) {
                Err(Code::NoSuchKey.into())
            } else {
                Ok(Deleted { existed: deleted.contains(deletion.key) })
            }
        });
        outcomes.collect()
    }
}

impl Index {
    /// Deletes an object.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn delete_object(&self, bucket: &str, key: &str, grace: Duration, audit: &[Record]) -> Result<Deleted> {
        let found = self.delete(bucket, &[key], grace, audit).await?;
        Ok(Deleted { existed: !found.is_empty() })
    }

    /// Deletes up to 1,000 objects in one transaction; the answers stand in the order of `keys`.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn delete_objects(
        &self,
        bucket: &str,
        keys: &[String],
        grace: Duration,
        audit: &[Record],
    ) -> Result<Vec<Deleted>> {
        let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found: HashSet<String> = self.delete(bucket, &wanted, grace, audit).await?.into_iter().collect();
        Ok(keys.iter().map(|key| Deleted { existed: found.contains(key) }).collect())
    }

    /// Deletes up to 1,000 objects in one transaction, each if what is said of it holds in that moment; the answers stand in the
    /// order of `wanted`. `audit` is empty, or has one record for each of `wanted`, in their order.
    /// # Errors
    /// `NoSuchBucket`; of one key `PreconditionFailed` where it has another ETag, `NoSuchKey` where it is not there.
    pub async fn delete_objects_if(
        &self,
        bucket: &str,
        wanted: &[Deletion<'_>],
        grace: Duration,
        audit: &[Record],
    ) -> Result<Vec<Result<Deleted>>> {
        let keys: Vec<&str> = wanted.iter().map(|deletion| deletion.key).collect();
        let etags: Vec<Option<&str>> = wanted.iter().map(|deletion| deletion.etag).collect();
        let records = self.canonical(audit);
        let row: DeletedIf = self
            .fetch_one(|| {
                sqlx::query_as(DELETE_IF).bind(bucket).bind(&keys).bind(&etags).bind(seconds(grace)).bind(&records)
            })
            .await?;
        check(&row.status)?;
        Ok(row.outcomes(wanted))
    }

    /// Deletes objects; gives the keys of those that were there.
    async fn delete(&self, bucket: &str, keys: &[&str], grace: Duration, audit: &[Record]) -> Result<Vec<String>> {
        let records = self.canonical(audit);
        let (status, deleted): (String, Option<Vec<String>>) = self
            .fetch_one(|| sqlx::query_as(DELETE).bind(bucket).bind(keys).bind(seconds(grace)).bind(&records))
            .await?;
        check(&status)?;
        Ok(deleted.unwrap_or_default())
    }
}
