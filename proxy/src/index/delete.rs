//! Deletes of objects.

use std::collections::HashSet;
use std::time::Duration;

use super::Index;
use super::audited::audited;
use super::convert::{check, seconds};
use crate::audit::Record;
use crate::error::Result;

/// What a delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was anything. S3 answers 204 either way.
    pub existed: bool,
}

const DELETE: &str = audited!(4, "SELECT status, deleted FROM delete_objects($1, $2, $3)");

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
