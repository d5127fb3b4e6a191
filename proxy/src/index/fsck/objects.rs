//! Objects whose row, segments, parts or digests do not fit together.

use crate::error::Result;
use crate::index::Index;
use crate::index::convert::to_u64;

/// A version with something wrong.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct BadObject {
    /// The row.
    pub id: i64,
    /// The bucket; empty where there is none.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version.
    pub version_id: String,
    /// What is wrong, by the names of [`crate::fsck::Kind`].
    pub problems: Vec<String>,
}

/// Where a page of rows ends, and how many there are on it.
const BOUND: &str = "
    SELECT max(id), count(*) FROM (SELECT id FROM objects WHERE id > $1 ORDER BY id LIMIT $2) AS page";

/// `not_latest`: of the versions of a key the one with the greatest id is the latest (migrations 0001, 0031); no two can be, by a
/// unique index. The digests are those that the triggers of migration 0016 give.
const BAD: &str = "
    SELECT o.id, COALESCE(b.name, '') AS bucket, o.key, o.version_id, wrong.problems
    FROM objects AS o
    LEFT JOIN buckets AS b ON b.id = o.bucket_id
    LEFT JOIN blobs AS own ON own.repository_id = o.repository_id AND own.digest = o.digest
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, COALESCE(sum(s.size), 0) AS bytes,
               COALESCE(bool_or(s.object_offset <> s.before), false) AS is_gapped,
               COALESCE(bool_or(s.blob_size IS NULL OR s.blob_offset < 0 OR s.blob_offset + s.size > s.blob_size), false) AS is_outside
        FROM (
            SELECT seg.object_offset, seg.size, seg.blob_offset, blobs.size AS blob_size,
                   sum(seg.size) OVER (ORDER BY seg.object_offset) - seg.size AS before
            FROM object_segments AS seg
            LEFT JOIN blobs ON blobs.repository_id = seg.repository_id AND blobs.digest = seg.digest
            WHERE seg.object_id = o.id
        ) AS s
    ) AS segments
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, COALESCE(sum(p.size), 0) AS bytes FROM object_parts AS p WHERE p.object_id = o.id
    ) AS parts
    CROSS JOIN LATERAL (
        SELECT COALESCE(bool_or(COALESCE(p.size, 0) <> COALESCE(s.size, 0)), false) AS differ
        FROM (SELECT part_number, size FROM object_parts WHERE object_id = o.id) AS p
        FULL JOIN (
            SELECT part_number, sum(size) AS size FROM object_segments WHERE object_id = o.id GROUP BY part_number
        ) AS s ON s.part_number = p.part_number
        WHERE o.segment_count > 1 AND o.part_count > 0
    ) AS each_part
    CROSS JOIN LATERAL (
        SELECT array_remove(ARRAY[
            CASE WHEN o.size > 0 AND o.segment_count = 0 AND o.inline_bytes IS NULL THEN 'no_bytes' END,
            CASE WHEN CASE
                WHEN o.segment_count > 1 THEN segments.n <> o.segment_count OR segments.bytes <> o.size OR segments.is_gapped
                ELSE segments.n > 0 OR (o.inline_bytes IS NOT NULL AND octet_length(o.inline_bytes) <> o.size)
            END THEN 'wrong_segments' END,
            CASE WHEN CASE
                WHEN o.segment_count = 1 THEN own.size IS NULL OR o.blob_offset < 0 OR o.blob_offset + o.size > own.size
                ELSE segments.is_outside
            END THEN 'segment_outside_blob' END,
            CASE WHEN parts.n <> o.part_count OR (o.part_count > 0 AND parts.bytes <> o.size) OR each_part.differ
                THEN 'wrong_parts' END,
            CASE WHEN NOT o.is_latest
                AND NOT EXISTS (SELECT FROM objects AS later
                                WHERE later.bucket_id = o.bucket_id AND later.key = o.key AND later.is_latest AND later.id > o.id)
                AND NOT EXISTS (SELECT FROM objects AS later
                                WHERE later.bucket_id = o.bucket_id AND later.key = o.key AND NOT later.is_latest AND later.id > o.id)
                THEN 'not_latest' END,
            CASE WHEN NOT o.is_delete_marker AND (
                o.oci_digest IS DISTINCT FROM sha256(convert_to(artifact_manifest_of(o), 'UTF8'))
                OR (o.segment_count = 1 AND o.blob_offset = 0 AND own.size = o.size AND o.content_digest <> o.digest)
                OR (o.inline_bytes IS NOT NULL AND o.content_digest <> sha256(o.inline_bytes))
            ) THEN 'wrong_manifest_digest' END,
            CASE WHEN NOT o.is_delete_marker AND o.content_digest IS NULL
                AND NOT EXISTS (SELECT FROM undigested_objects AS u WHERE u.object_id = o.id)
                THEN 'undigested' END
        ]::text[], NULL) AS problems
        OFFSET 0
    ) AS wrong
    WHERE o.id > $1 AND o.id <= $2 AND cardinality(wrong.problems) > 0
    ORDER BY o.id";

impl Index {
    /// The last of up to `limit` rows behind `after`, and how many there are; `None` behind the last one.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_object_page(&self, after: i64, limit: u32) -> Result<Option<(i64, u64)>> {
        let (last, rows): (Option<i64>, i64) =
            self.fetch_one(|| sqlx::query_as(BOUND).bind(after).bind(i64::from(limit))).await?;
        Ok(last.map(|last| (last, to_u64(rows))))
    }

    /// The objects with rows behind `after`, up to `last`, that have something wrong.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_bad_objects(&self, after: i64, last: i64) -> Result<Vec<BadObject>> {
        Ok(self.fetch_all(|| sqlx::query_as(BAD).bind(after).bind(last)).await?)
    }
}
