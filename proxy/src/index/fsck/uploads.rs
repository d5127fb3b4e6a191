//! Parts of open uploads whose segments do not make them up.

use crate::error::Result;
use crate::index::Index;
use crate::index::convert::to_u64;

/// A part with something wrong.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct BadPart {
    /// The upload.
    pub upload_id: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The part.
    pub part_number: i32,
    /// What is wrong, by the names of [`crate::fsck::Kind`].
    pub problems: Vec<String>,
}

const BOUND: &str = "
    SELECT max(id), count(*) FROM (SELECT id FROM uploads WHERE id > $1 ORDER BY id LIMIT $2) AS page";

/// An upload's segments have no foreign key to its parts (migration 0001), so that either may be without the other.
const BAD: &str = "
    SELECT u.id AS upload_id, b.name AS bucket, u.key, part.part_number, part.problems
    FROM uploads AS u
    JOIN buckets AS b ON b.id = u.bucket_id
    CROSS JOIN LATERAL (
        SELECT part_number, array_remove(ARRAY[
            CASE WHEN p.size IS NULL OR p.size <> COALESCE(s.size, 0) THEN 'wrong_parts' END,
            CASE WHEN s.is_outside THEN 'segment_outside_blob' END
        ]::text[], NULL) AS problems
        FROM (SELECT part_number, size FROM upload_parts WHERE upload_id = u.id) AS p
        FULL JOIN (
            SELECT seg.part_number, sum(seg.size) AS size,
                   bool_or(blobs.size IS NULL OR seg.blob_offset < 0 OR seg.blob_offset + seg.size > blobs.size) AS is_outside
            FROM upload_segments AS seg
            LEFT JOIN blobs ON blobs.repository_id = seg.repository_id AND blobs.digest = seg.digest
            WHERE seg.upload_id = u.id GROUP BY seg.part_number
        ) AS s USING (part_number)
    ) AS part
    WHERE u.id > $1 AND u.id <= $2 AND cardinality(part.problems) > 0
    ORDER BY u.id, part.part_number";

impl Index {
    /// The last of up to `limit` open uploads behind `after`, and how many there are; `None` behind the last one.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_upload_page(&self, after: &str, limit: u32) -> Result<Option<(String, u64)>> {
        let (last, rows): (Option<String>, i64) =
            self.fetch_one(|| sqlx::query_as(BOUND).bind(after).bind(i64::from(limit))).await?;
        Ok(last.map(|last| (last, to_u64(rows))))
    }

    /// The parts with something wrong of the uploads behind `after`, up to `last`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_bad_parts(&self, after: &str, last: &str) -> Result<Vec<BadPart>> {
        Ok(self.fetch_all(|| sqlx::query_as(BAD).bind(after).bind(last)).await?)
    }
}
