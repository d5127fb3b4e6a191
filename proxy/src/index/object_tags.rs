//! Tags of objects that are there. Those of new ones are written with them.

use sqlx::types::Json;

use super::audited::audited;
use super::convert::check;
use super::{Index, Tags};
use crate::audit::Record;
use crate::error::Result;

/// The event is told by the same statement, once the row is locked.
const PUT: &str = audited!(
    5,
    "SELECT put.status, put.version, CASE WHEN put.status = 'ok'
         THEN tell_object_event($1, $6, $2, $7, $4) END AS is_told
     FROM (SELECT status, version FROM put_object_tags($1, $2, $3, $4) OFFSET 0) AS put"
);

impl Index {
    /// Replaces all tags of a version, or of the current one, on behalf of `by`; its time of change stays. Gives the version as clients are
    /// told of it ([`Object::version_id`](super::Object::version_id)).
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`; `MethodNotAllowed` for a delete marker.
    pub async fn put_object_tags(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        tags: &Tags,
        by: &str,
        audit: &[Record],
    ) -> Result<Option<String>> {
        let records = self.canonical(audit);
        let event = if tags.is_empty() { "ObjectTagging:Delete" } else { "ObjectTagging:Put" };
        let (status, version, _): (String, Option<String>, Option<bool>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(bucket)
                    .bind(key)
                    .bind(Json(tags))
                    .bind(version)
                    .bind(&records)
                    .bind(event)
                    .bind(by)
            })
            .await?;
        check(&status)?;
        Ok(version)
    }
}
