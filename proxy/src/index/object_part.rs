//! Parts of objects that came in parts: where they begin, and what is known of their bytes.

use sqlx::types::Json;

use super::convert::to_u64;
use super::list::cut;
use super::{Checksums, Index};
use crate::error::{Code, Error, Result};

/// A part of an object, as it was when its upload was completed.
#[derive(Debug, Clone)]
pub struct ObjectPart {
    /// Its number in the upload, 1 to 10,000; numbers may be missing in between.
    pub part_number: i32,
    /// Where it begins within the object.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Checksums by algorithm.
    pub checksums: Checksums,
}

/// No row: no such version. A row of nothing: no such part.
const ONE: &str = "
    SELECT p.part_number, p.start, p.size, p.checksums
    FROM objects o
    LEFT JOIN LATERAL (
        SELECT part.part_number, part.size, part.checksums,
               (SELECT COALESCE(sum(b.size), 0) FROM object_parts b WHERE b.object_id = o.id AND b.part_number < $2)::bigint AS start
        FROM object_parts part WHERE part.object_id = o.id AND part.part_number = $2
    ) p ON true
    WHERE o.id = $1";

/// The first part of a page begins where all before it end.
const PAGE: &str = "
    SELECT p.part_number, p.size, p.checksums,
           ((SELECT COALESCE(sum(b.size), 0) FROM object_parts b WHERE b.object_id = $1 AND b.part_number <= $2)
            + sum(p.size) OVER (ORDER BY p.part_number) - p.size)::bigint AS start
    FROM (
        SELECT * FROM object_parts WHERE object_id = $1 AND part_number > $2 ORDER BY part_number LIMIT $3
    ) p
    ORDER BY p.part_number";

#[derive(sqlx::FromRow)]
struct PartRow {
    part_number: Option<i32>,
    start: Option<i64>,
    size: Option<i64>,
    checksums: Option<Json<Checksums>>,
}

impl PartRow {
    fn into_part(self) -> Option<ObjectPart> {
        Some(ObjectPart {
            part_number: self.part_number?,
            start: to_u64(self.start?),
            size: to_u64(self.size?),
            checksums: self.checksums?.0,
        })
    }
}

impl Index {
    /// A part of a version by its number; none where it has no such part.
    /// # Errors
    /// `BlobUnknown` where the version is gone since: the caller looks again.
    pub async fn object_part(&self, object_id: i64, part_number: i32) -> Result<Option<ObjectPart>> {
        let row: Option<PartRow> =
            self.fetch_optional(|| sqlx::query_as(ONE).bind(object_id).bind(part_number)).await?;
        match row {
            Some(row) => Ok(row.into_part()),
            None => Err(Error::from(Code::BlobUnknown)),
        }
    }

    /// A page of a version's parts behind a number, and whether there are more; nothing where the version is gone.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn object_parts(&self, object_id: i64, after: i32, limit: u32) -> Result<(Vec<ObjectPart>, bool)> {
        // One more than asked for says whether there are more.
        let fetch = i64::from(limit) + i64::from(limit > 0);
        let rows: Vec<PartRow> =
            self.fetch_all(|| sqlx::query_as(PAGE).bind(object_id).bind(after).bind(fetch)).await?;
        Ok(cut(rows.into_iter().filter_map(PartRow::into_part).collect(), limit))
    }
}
