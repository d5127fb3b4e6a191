//! Objects: one row a version.

use std::ops::Range;
use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zas_policy::AccessControlList;

use super::audited::audited;
use super::convert::{SegmentRow, check, seconds, to_digest, to_i64, to_u64};
use super::{
    BlobRef, ChecksumType, Checksums, Headers, Index, Metadata, NewLock, PinnedBlob, Retention, RetentionMode, Segment,
    Segments, Tags, slice,
};
use crate::audit::Record;
use crate::bucket_configuration::acl;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Everything about an object but where its bytes are.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// The row.
    pub id: i64,
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Without quotes: MD5 in hex, or `md5-of-md5s-N`.
    pub etag: String,
    /// 0 for an object put in one piece, else the number of parts.
    pub part_count: i32,
    /// Checksums by algorithm.
    pub checksums: Checksums,
    /// What the checksums cover.
    pub checksum_type: Option<ChecksumType>,
    /// Standard headers.
    pub headers: Headers,
    /// User metadata.
    pub metadata: Metadata,
    /// Tags.
    pub tags: Tags,
    /// Storage class.
    pub storage_class: String,
    /// Who wrote it.
    pub owner: String,
    /// When; whole milliseconds.
    pub last_modified: OffsetDateTime,
    /// Its version id; `null` for what was written while the bucket kept no versions.
    pub version_id: String,
    /// Whether it is the current version.
    pub is_latest: bool,
    /// Whether it is a delete marker: there is nothing to read.
    pub is_delete_marker: bool,
    /// Until when nobody may remove it.
    pub retention: Option<Retention>,
    /// Whether nobody may remove it until somebody says otherwise.
    pub legal_hold: bool,
}

/// An object as a read needs it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Everything else.
    pub head: ObjectHead,
    /// Number of segments; where it is above 1 they are asked for by [`Index::segments`].
    pub segment_count: i32,
    /// The one segment, where there is just one.
    pub segment: Option<super::Segment>,
    /// SHA-256 of all its bytes; unknown until somebody has read them in one go.
    pub content_digest: Option<Digest>,
    /// The digest of its OCI manifest; unknown while the content's is.
    pub oci_digest: Option<Digest>,
    /// Whether its bucket keeps versions, or did: then clients are told which one it is.
    pub keeps_versions: bool,
}

impl Object {
    /// The version that clients are told of.
    #[must_use]
    pub fn version_id(&self) -> Option<&str> {
        self.keeps_versions.then_some(self.head.version_id.as_str())
    }
}

/// A new version, its bytes already pinned and stored.
#[derive(Debug, Clone)]
pub struct NewObject<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The stored bytes; `None` for an object of no bytes.
    pub blob: Option<&'a PinnedBlob>,
    /// Without quotes.
    pub etag: &'a str,
    /// Checksums by algorithm.
    pub checksums: &'a Checksums,
    /// Standard headers.
    pub headers: &'a Headers,
    /// User metadata.
    pub metadata: &'a Metadata,
    /// Tags.
    pub tags: &'a Tags,
    /// Storage class.
    pub storage_class: &'a str,
    /// Who writes it.
    pub owner: &'a str,
    /// What must hold of the version that is replaced.
    pub conditions: WriteConditions<'a>,
    /// How it is locked, where its writer says so.
    pub lock: NewLock,
    /// By which kind of request.
    pub by: CreatedBy,
    /// How long the bytes of the replaced version stay readable.
    pub grace: Duration,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

/// The kind of request that writes an object in one piece; events tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CreatedBy {
    /// PutObject.
    #[default]
    Put,
    /// A form.
    Post,
}

impl CreatedBy {
    const fn event(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
        }
    }
}

/// What must hold of the current version when a write commits; checked in the write's transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteConditions<'a> {
    /// `If-None-Match: *`: there is none.
    pub absent: bool,
    /// `If-Match`: its ETag, without quotes; `*` for any.
    pub etag: Option<&'a str>,
}

/// What a commit did.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The version's row.
    pub id: i64,
    /// When it was written.
    pub last_modified: OffsetDateTime,
    /// As in [`Object::oci_digest`].
    pub oci_digest: Option<Digest>,
    /// As in [`Object::version_id`].
    pub version_id: Option<String>,
}

/// The If-* headers of a read, or of a copy's source.
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    /// `If-Match`, raw: `*` or ETags.
    pub if_match: Option<String>,
    /// `If-None-Match`, raw.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<OffsetDateTime>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<OffsetDateTime>,
}

/// The columns of [`HeadRow`], of a table that is called `o`.
macro_rules! head_columns {
    () => {
        "o.id, o.key, o.size, o.etag, o.part_count, o.checksums, o.checksum_type, o.headers, o.metadata, \
         o.tags, o.storage_class, o.owner, o.last_modified, o.version_id, o.is_latest, o.is_delete_marker, \
         o.retention_mode, o.retain_until, o.legal_hold"
    };
}
pub(super) use head_columns;

/// The columns of [`ObjectRow`], of a table `o` joined with its blobs `l` and its bucket `b`.
macro_rules! object_columns {
    () => {
        concat!(
            head_columns!(),
            ", o.segment_count, o.repository_id, o.digest, o.blob_offset, o.part_number, o.content_digest, o.oci_digest, \
             l.size AS blob_size, b.versioning <> 'off' AS keeps_versions"
        )
    };
}

/// The left join gives a row of nothing where the bucket has no such key, and no row where there is no bucket.
const ONE: &str = concat!(
    "SELECT ",
    object_columns!(),
    "
    FROM buckets b
    LEFT JOIN objects o ON o.bucket_id = b.id AND o.key = $2 AND o.is_latest
    LEFT JOIN blobs l ON l.repository_id = o.repository_id AND l.digest = o.digest
    WHERE b.name = $1"
);

/// As [`ONE`]. The latest version and the older ones have an index each.
const NAMED: &str = concat!(
    "SELECT ",
    object_columns!(),
    "
    FROM buckets b
    LEFT JOIN LATERAL (
        SELECT * FROM objects WHERE bucket_id = b.id AND key = $2 AND is_latest AND version_id = $3
        UNION ALL
        SELECT * FROM objects WHERE bucket_id = b.id AND key = $2 AND NOT is_latest AND version_id = $3
    ) o ON true
    LEFT JOIN blobs l ON l.repository_id = o.repository_id AND l.digest = o.digest
    WHERE b.name = $1"
);

const VERSION: &str = concat!(
    "SELECT ",
    object_columns!(),
    "
    FROM objects o
    JOIN buckets b ON b.id = o.bucket_id
    LEFT JOIN blobs l ON l.repository_id = o.repository_id AND l.digest = o.digest
    WHERE o.id = $1 AND NOT o.is_delete_marker"
);

/// The first segment is the last one that begins at or before the range.
const SEGMENTS: &str = "
    SELECT s.object_offset, s.part_number, s.size, s.repository_id, s.digest, s.blob_offset, l.size AS blob_size
    FROM object_segments s JOIN blobs l USING (repository_id, digest)
    WHERE object_id = $1 AND object_offset < $3 AND object_offset >= (
        SELECT object_offset FROM object_segments
        WHERE object_id = $1 AND object_offset <= $2
        ORDER BY object_offset DESC LIMIT 1
    )
    ORDER BY object_offset";

const COMMIT: &str = audited!(
    16,
    "SELECT status, object_id, modified_at, version, artifact_settle(object_id, NULL) AS oci_digest,
            tag_object(object_id, $17) AS tagged, lock_object(object_id, $19, $20, $21) AS locked,
            CASE WHEN $22 IS NOT NULL THEN grant_object(object_id, $22) END AS granted
     FROM commit_object($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $18)"
);

/// An object's columns, all of them nothing where there is none.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct HeadRow {
    id: Option<i64>,
    key: Option<String>,
    size: Option<i64>,
    etag: Option<String>,
    part_count: Option<i32>,
    checksums: Option<Json<Checksums>>,
    checksum_type: Option<String>,
    headers: Option<Json<Headers>>,
    metadata: Option<Json<Metadata>>,
    tags: Option<Json<Tags>>,
    storage_class: Option<String>,
    owner: Option<String>,
    last_modified: Option<OffsetDateTime>,
    version_id: Option<String>,
    is_latest: Option<bool>,
    is_delete_marker: Option<bool>,
    retention_mode: Option<String>,
    retain_until: Option<OffsetDateTime>,
    legal_hold: Option<bool>,
}

impl HeadRow {
    pub(super) fn into_head(self) -> Option<ObjectHead> {
        let mode = self.retention_mode.as_deref().and_then(RetentionMode::parse);
        Some(ObjectHead {
            id: self.id?,
            key: self.key?,
            size: to_u64(self.size?),
            etag: self.etag?,
            part_count: self.part_count?,
            checksums: self.checksums?.0,
            checksum_type: self.checksum_type.as_deref().and_then(ChecksumType::parse),
            headers: self.headers?.0,
            metadata: self.metadata?.0,
            tags: self.tags?.0,
            storage_class: self.storage_class?,
            owner: self.owner?,
            last_modified: self.last_modified?,
            version_id: self.version_id?,
            is_latest: self.is_latest?,
            is_delete_marker: self.is_delete_marker?,
            retention: mode.zip(self.retain_until).map(|(mode, until)| Retention { mode, until }),
            legal_hold: self.legal_hold?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ObjectRow {
    #[sqlx(flatten)]
    head: HeadRow,
    segment_count: Option<i32>,
    repository_id: Option<i64>,
    digest: Option<Vec<u8>>,
    blob_offset: Option<i64>,
    blob_size: Option<i64>,
    part_number: Option<i32>,
    content_digest: Option<Vec<u8>>,
    oci_digest: Option<Vec<u8>>,
    keeps_versions: bool,
}

impl ObjectRow {
    fn into_object(self) -> Result<Option<Object>> {
        let (Some(head), Some(segment_count)) = (self.head.into_head(), self.segment_count) else {
            return Ok(None);
        };
        let segment = match (self.repository_id, self.digest, self.blob_offset, self.blob_size) {
            (Some(repository_id), Some(digest), Some(blob_offset), Some(blob_size)) => Some(Segment {
                blob: BlobRef { repository_id, digest: to_digest(&digest)? },
                blob_size: to_u64(blob_size),
                blob_offset: to_u64(blob_offset),
                size: head.size,
                part_number: self.part_number.unwrap_or(1),
            }),
            _ => None,
        };
        let content_digest = self.content_digest.as_deref().map(to_digest).transpose()?;
        let oci_digest = self.oci_digest.as_deref().map(to_digest).transpose()?;
        let keeps_versions = self.keeps_versions;
        Ok(Some(Object { head, segment_count, segment, content_digest, oci_digest, keeps_versions }))
    }
}

/// The answer of the functions that commit a version.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct CommittedRow {
    status: String,
    object_id: Option<i64>,
    modified_at: Option<OffsetDateTime>,
    version: Option<String>,
    oci_digest: Option<Vec<u8>>,
}

impl CommittedRow {
    pub(super) fn into_committed(self) -> Result<Committed> {
        check(&self.status)?;
        let oci_digest = self.oci_digest.as_deref().map(to_digest).transpose()?;
        match (self.object_id, self.modified_at) {
            (Some(id), Some(last_modified)) => {
                Ok(Committed { id, last_modified, oci_digest, version_id: self.version })
            }
            _ => Err(Error::internal("a commit answered without a row")),
        }
    }
}

impl Index {
    /// The current version of an object; one round trip.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`; where a delete marker hides it, the error says so.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Object> {
        let row: Option<ObjectRow> = self.fetch_optional(|| sqlx::query_as(ONE).bind(bucket).bind(key)).await?;
        let row = row.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        let object = row.into_object()?.ok_or_else(|| Error::from(Code::NoSuchKey))?;
        if object.head.is_delete_marker { Err(hidden(Code::NoSuchKey, &object.head)) } else { Ok(object) }
    }

    /// A version of an object by its id, or the current one; one round trip.
    /// # Errors
    /// As [`Self::object`]; `NoSuchVersion`; `MethodNotAllowed` for a delete marker, for there is nothing to read.
    pub async fn version(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object> {
        let Some(version) = version else { return self.object(bucket, key).await };
        let row: Option<ObjectRow> =
            self.fetch_optional(|| sqlx::query_as(NAMED).bind(bucket).bind(key).bind(version)).await?;
        let row = row.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        let object = row.into_object()?.ok_or_else(|| Error::from(Code::NoSuchVersion).with("VersionId", version))?;
        if object.head.is_delete_marker { Err(hidden(Code::MethodNotAllowed, &object.head)) } else { Ok(object) }
    }

    /// A version by its row; none where it is gone.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn object_version(&self, id: i64) -> Result<Option<Object>> {
        let row: Option<ObjectRow> = self.fetch_optional(|| sqlx::query_as(VERSION).bind(id)).await?;
        row.map_or(Ok(None), ObjectRow::into_object)
    }

    /// The segments that hold a range of an object that was looked up before.
    /// # Errors
    /// `BlobUnknown` where the version is gone since: the caller looks again.
    pub async fn segments_of(&self, object: &Object, range: Range<u64>) -> Result<Segments> {
        if range.is_empty() {
            return Ok(Segments::new());
        }
        let segments = match &object.segment {
            Some(segment) => slice(std::slice::from_ref(segment), &range),
            None => self.segments(object.head.id, range.clone()).await.map_err(|error| match error.code() {
                Code::NoSuchKey => Error::from(Code::BlobUnknown),
                _ => error,
            })?,
        };
        let held: u64 = segments.iter().map(|segment| segment.size).sum();
        if held == range.end - range.start {
            return Ok(segments);
        }
        Err(Error::internal(format!("the segments of object {} hold {held} bytes of {range:?}", object.head.id)))
    }

    /// The segments of a version that hold `range` of its bytes, cut to it. Only needed where `segment_count` is above 1.
    /// # Errors
    /// `NoSuchKey` where the version is gone.
    pub async fn segments(&self, object_id: i64, range: Range<u64>) -> Result<Segments> {
        if range.is_empty() {
            return Ok(Segments::new());
        }
        let (start, end) = (to_i64(range.start)?, to_i64(range.end)?);
        let rows: Vec<SegmentRow> =
            self.fetch_all(|| sqlx::query_as(SEGMENTS).bind(object_id).bind(start).bind(end)).await?;
        let Some(offset) = rows.first().map(|row| to_u64(row.object_offset)) else {
            return Err(Code::NoSuchKey.into());
        };
        let segments = rows.into_iter().map(SegmentRow::into_segment).collect::<Result<Segments>>()?;
        Ok(slice(&segments, &(range.start.saturating_sub(offset)..range.end.saturating_sub(offset))))
    }

    /// Commits a new version and lets go of the one it replaces and of the writer's pin; one round trip, one transaction.
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` for `If-Match` on nothing, `QuotaExceeded`,
    /// `OperationAborted` where the pin had lapsed, `InvalidRequest` where it is to be locked and its bucket locks nothing.
    pub async fn commit_object(&self, object: NewObject<'_>) -> Result<Committed> {
        self.commit_object_with(object, None).await
    }

    /// As [`Self::commit_object`], for an object with a list.
    /// # Errors
    /// As [`Self::commit_object`].
    pub async fn commit_object_with(
        &self,
        object: NewObject<'_>,
        list: Option<&AccessControlList>,
    ) -> Result<Committed> {
        let list = list.and_then(acl::written);
        let size = to_i64(object.blob.map_or(0, |pinned| pinned.size))?;
        let records = self.canonical(object.audit);
        let row: CommittedRow = self
            .fetch_one(|| {
                sqlx::query_as(COMMIT)
                    .bind(object.bucket)
                    .bind(object.key)
                    .bind(size)
                    .bind(object.etag)
                    .bind(object.blob.map(|pinned| pinned.blob.repository_id))
                    .bind(object.blob.map(|pinned| pinned.blob.digest.as_bytes().as_slice()))
                    .bind(object.blob.map(|pinned| pinned.pin_id))
                    .bind(Json(object.checksums))
                    .bind(Json(object.headers))
                    .bind(Json(object.metadata))
                    .bind(object.storage_class)
                    .bind(object.owner)
                    .bind(object.conditions.absent)
                    .bind(object.conditions.etag)
                    .bind(seconds(object.grace))
                    .bind(&records)
                    .bind((!object.tags.is_empty()).then_some(Json(object.tags)))
                    .bind(object.by.event())
                    .bind(object.lock.mode())
                    .bind(object.lock.until())
                    .bind(object.lock.legal_hold)
                    .bind(list.as_ref().map(Json))
            })
            .await
            .map_err(|failure| match failure.is_blob_gone() {
                true => Error::from(Code::OperationAborted).source(failure),
                false => failure.into(),
            })?;
        row.into_committed()
    }
}

/// An error about a delete marker: clients are told that it is one, which, and since when (RFC 3339).
fn hidden(code: Code, marker: &ObjectHead) -> Error {
    let since = marker.last_modified.format(&Rfc3339).unwrap_or_default();
    Error::from(code).with("DeleteMarker", true).with("VersionId", &marker.version_id).with("since", since)
}
