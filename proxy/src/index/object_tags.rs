//! Tags of objects that are there. Those of new ones are written with them.

use sqlx::types::Json;

use super::audited::audited;
use super::convert::check;
use super::{Index, Tags};
use crate::audit::Record;
use crate::error::Result;

/// The event is told by the same statement, once the row is locked; who has done it stands in the record.
const PUT: &str = audited!(
    4,
    "SELECT put.status, CASE WHEN put.status = 'ok'
         THEN tell_object_event($1, $5, $2, ($4::text[])[1]::json->>'principal') END AS is_told
     FROM (SELECT put_object_tags($1, $2, $3) AS status OFFSET 0) AS put"
);

impl Index {
    /// Replaces all tags of an object; its time of change stays.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub async fn put_object_tags(&self, bucket: &str, key: &str, tags: &Tags, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let event = if tags.is_empty() { "ObjectTagging:Delete" } else { "ObjectTagging:Put" };
        let (status, _): (String, Option<bool>) = self
            .fetch_one(|| sqlx::query_as(PUT).bind(bucket).bind(key).bind(Json(tags)).bind(&records).bind(event))
            .await?;
        check(&status)
    }
}
