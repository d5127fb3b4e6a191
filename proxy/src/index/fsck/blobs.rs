//! Blobs, what names them, and where else their bytes are.

use time::OffsetDateTime;

use crate::digest::Digest;
use crate::error::Result;
use crate::index::convert::{to_digest, to_i64, to_u64};
use crate::index::pin::PlaceRow;
use crate::index::{BlobRef, Index, Repository};

/// A blob as the index knows it at one moment.
#[derive(Debug, Clone)]
pub struct CheckedBlob {
    /// The blob.
    pub blob: BlobRef,
    /// Where it is.
    pub repository: Repository,
    /// Its size.
    pub size: u64,
    /// When its row was made: another one after it was forgotten and pinned anew.
    pub created_at: OffsetDateTime,
    /// Since when it is to be deleted.
    pub condemned_at: Option<OffsetDateTime>,
    /// Whether an object or a part names it.
    pub is_named: bool,
    /// Whether it has a pin, due or not.
    pub is_pinned: bool,
}

impl CheckedBlob {
    /// Whether its bytes must be at the store: whoever names a blob has stored it, and it stays until it was condemned.
    #[must_use]
    pub const fn must_be_stored(&self) -> bool {
        self.is_named && self.condemned_at.is_none()
    }
}

/// An object's version, or a part of an upload, that names a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobName {
    /// The object's row; 0 for a part.
    pub object_id: i64,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version; unset for a part.
    pub version_id: Option<String>,
    /// The upload; unset for an object.
    pub upload_id: Option<String>,
    /// The part of the upload.
    pub part_number: Option<i32>,
}

macro_rules! checked {
    ($blobs:literal) => {
        concat!(
            "SELECT b.repository_id, b.digest, b.size, b.created_at, b.condemned_at,
                    is_named(b.repository_id, b.digest) AS is_named,
                    EXISTS (SELECT FROM blob_pins AS p WHERE p.repository_id = b.repository_id AND p.digest = b.digest) AS is_pinned,
                    stores.name AS store, placements.prefix, placements.id AS placement_id, repositories.shard
             FROM ",
            $blobs,
            " AS b
             JOIN repositories ON repositories.id = b.repository_id
             JOIN placements ON placements.id = repositories.placement_id
             JOIN stores ON stores.id = placements.store_id
             ORDER BY b.repository_id, b.digest"
        )
    };
}

const PAGE: &str =
    checked!("(SELECT * FROM blobs WHERE (repository_id, digest) > ($1, $2) ORDER BY repository_id, digest LIMIT $3)");

const ONE: &str = checked!("(SELECT * FROM blobs WHERE repository_id = $1 AND digest = $2)");

/// One look a repository: the primary key begins with it.
const ELSEWHERE: &str = checked!(
    "(SELECT other.* FROM repositories AS r
      CROSS JOIN LATERAL (SELECT * FROM blobs WHERE repository_id = r.id AND digest = $2 OFFSET 0) AS other
      WHERE r.id <> $1 AND other.size = $3 AND other.condemned_at IS NULL LIMIT $4)"
);

const OBJECTS: &str = "
    SELECT o.id AS object_id, b.name AS bucket, o.key, o.version_id, NULL::text AS upload_id, NULL::integer AS part_number
    FROM (
        SELECT id FROM objects WHERE repository_id = $1 AND digest = $2 AND id > $3
        UNION
        SELECT object_id FROM object_segments WHERE repository_id = $1 AND digest = $2 AND object_id > $3
        ORDER BY 1 LIMIT $4
    ) AS named
    JOIN objects AS o ON o.id = named.id
    JOIN buckets AS b ON b.id = o.bucket_id
    ORDER BY o.id";

const PARTS: &str = "
    SELECT 0::bigint AS object_id, b.name AS bucket, u.key, NULL::text AS version_id, named.upload_id, named.part_number
    FROM (
        SELECT DISTINCT upload_id, part_number FROM upload_segments
        WHERE repository_id = $1 AND digest = $2 AND (upload_id, part_number) > ($3, $4)
        ORDER BY upload_id, part_number LIMIT $5
    ) AS named
    JOIN uploads AS u ON u.id = named.upload_id
    JOIN buckets AS b ON b.id = u.bucket_id
    ORDER BY named.upload_id, named.part_number";

#[derive(sqlx::FromRow)]
struct BlobRow {
    repository_id: i64,
    digest: Vec<u8>,
    size: i64,
    created_at: OffsetDateTime,
    condemned_at: Option<OffsetDateTime>,
    is_named: bool,
    is_pinned: bool,
    #[sqlx(flatten)]
    place: PlaceRow,
}

impl BlobRow {
    fn into_checked(self) -> Result<CheckedBlob> {
        Ok(CheckedBlob {
            blob: BlobRef { repository_id: self.repository_id, digest: to_digest(&self.digest)? },
            repository: self.place.into_repository(self.repository_id),
            size: to_u64(self.size),
            created_at: self.created_at,
            condemned_at: self.condemned_at,
            is_named: self.is_named,
            is_pinned: self.is_pinned,
        })
    }
}

#[derive(sqlx::FromRow)]
struct NameRow {
    object_id: i64,
    bucket: String,
    key: String,
    version_id: Option<String>,
    upload_id: Option<String>,
    part_number: Option<i32>,
}

impl From<NameRow> for BlobName {
    fn from(row: NameRow) -> Self {
        let NameRow { object_id, bucket, key, version_id, upload_id, part_number } = row;
        Self { object_id, bucket, key, version_id, upload_id, part_number }
    }
}

impl Index {
    /// Blobs behind `after`, in the order of repository and digest.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_blobs(&self, after: Option<BlobRef>, limit: u32) -> Result<Vec<CheckedBlob>> {
        let repository = after.map_or(0, |blob| blob.repository_id);
        let digest = after.map(|blob| blob.digest.as_bytes().to_vec()).unwrap_or_default();
        let rows: Vec<BlobRow> =
            self.fetch_all(|| sqlx::query_as(PAGE).bind(repository).bind(&digest).bind(i64::from(limit))).await?;
        rows.into_iter().map(BlobRow::into_checked).collect()
    }

    /// One blob, as it is now.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_blob(&self, blob: BlobRef) -> Result<Option<CheckedBlob>> {
        let row: Option<BlobRow> = self
            .fetch_optional(|| sqlx::query_as(ONE).bind(blob.repository_id).bind(blob.digest.as_bytes().as_slice()))
            .await?;
        row.map(BlobRow::into_checked).transpose()
    }

    /// Blobs of the same bytes in other repositories, which are not condemned; at most `limit`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_blob_elsewhere(&self, blob: BlobRef, size: u64, limit: u32) -> Result<Vec<CheckedBlob>> {
        let size = to_i64(size)?;
        let rows: Vec<BlobRow> = self
            .fetch_all(|| {
                sqlx::query_as(ELSEWHERE)
                    .bind(blob.repository_id)
                    .bind(blob.digest.as_bytes().as_slice())
                    .bind(size)
                    .bind(i64::from(limit))
            })
            .await?;
        rows.into_iter().map(BlobRow::into_checked).collect()
    }

    /// Objects that name a blob, all versions, in the order of their rows behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_objects_of(&self, blob: BlobRef, after: i64, limit: u32) -> Result<Vec<BlobName>> {
        let rows: Vec<NameRow> = self
            .fetch_all(|| {
                sqlx::query_as(OBJECTS)
                    .bind(blob.repository_id)
                    .bind(blob.digest.as_bytes().as_slice())
                    .bind(after)
                    .bind(i64::from(limit))
            })
            .await?;
        Ok(rows.into_iter().map(BlobName::from).collect())
    }

    /// Parts of open uploads that name a blob, behind an upload and a part of it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_parts_of(&self, blob: BlobRef, after: (&str, i32), limit: u32) -> Result<Vec<BlobName>> {
        let rows: Vec<NameRow> = self
            .fetch_all(|| {
                sqlx::query_as(PARTS)
                    .bind(blob.repository_id)
                    .bind(blob.digest.as_bytes().as_slice())
                    .bind(after.0)
                    .bind(after.1)
                    .bind(i64::from(limit))
            })
            .await?;
        Ok(rows.into_iter().map(BlobName::from).collect())
    }

    /// Those of `digests` that the index knows in a repository.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn fsck_known_blobs(&self, repository_id: i64, digests: &[Digest]) -> Result<Vec<Digest>> {
        const KNOWN: &str = "SELECT digest FROM blobs WHERE repository_id = $1 AND digest = ANY ($2)";
        let digests: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes().as_slice()).collect();
        let rows: Vec<(Vec<u8>,)> = self.fetch_all(|| sqlx::query_as(KNOWN).bind(repository_id).bind(&digests)).await?;
        rows.iter().map(|(digest,)| to_digest(digest)).collect()
    }
}
