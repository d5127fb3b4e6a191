//! Tags of objects that are there. Those of new ones are written with them.

use sqlx::types::Json;

use super::audited::audited;
use super::convert::check;
use super::{Index, Tags};
use crate::audit::Record;
use crate::error::Result;

const PUT: &str = audited!(4, "SELECT put_object_tags($1, $2, $3) AS status");

impl Index {
    /// Replaces all tags of an object; its time of change stays.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub async fn put_object_tags(&self, bucket: &str, key: &str, tags: &Tags, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(PUT).bind(bucket).bind(key).bind(Json(tags)).bind(&records)).await?;
        check(&status)
    }
}
