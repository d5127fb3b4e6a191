//! Tags of objects that are there. Those of new ones are written with them.

use sqlx::types::Json;

use super::audited::audited;
use super::convert::check;
use super::{Index, Tags};
use crate::audit::Record;
use crate::error::Result;

const PUT: &str = audited!(5, "SELECT status, version FROM put_object_tags($1, $2, $3, $4)");

impl Index {
    /// Replaces all tags of a version, or of the current one; its time of change stays. Gives the version as clients are told of it
    /// ([`Object::version_id`](super::Object::version_id)).
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`; `MethodNotAllowed` for a delete marker.
    pub async fn put_object_tags(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        tags: &Tags,
        audit: &[Record],
    ) -> Result<Option<String>> {
        let records = self.canonical(audit);
        let (status, version): (String, Option<String>) = self
            .fetch_one(|| sqlx::query_as(PUT).bind(bucket).bind(key).bind(Json(tags)).bind(version).bind(&records))
            .await?;
        check(&status)?;
        Ok(version)
    }
}
