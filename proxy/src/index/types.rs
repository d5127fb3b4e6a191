//! Types that several tables share.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::digest::Digest;

/// Standard headers given back on a read, by lower-case name: `content-type`, `content-encoding`, `content-disposition`,
/// `content-language`, `cache-control`, `expires` (the text as the client sent it).
pub type Headers = BTreeMap<String, String>;

/// User metadata: the name without `x-amz-meta-`, in lower case, and the value as the client sent it.
pub type Metadata = BTreeMap<String, String>;

/// Tags of an object: names and values, as the client sent them.
pub type Tags = BTreeMap<String, String>;

/// Checksums by lower-case algorithm (`crc32`, `crc32c`, `crc64nvme`, `sha1`, `sha256`), base64 as S3 writes them;
/// a composite one carries its `-N` suffix.
pub type Checksums = BTreeMap<String, String>;

/// What a checksum of a multipart object covers (AWS: `ChecksumType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumType {
    /// All bytes.
    FullObject,
    /// The checksums of the parts.
    Composite,
}

impl ChecksumType {
    /// The name in the index and in S3.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "FULL_OBJECT" => Some(Self::FullObject),
            "COMPOSITE" => Some(Self::Composite),
            _ => None,
        }
    }
}

/// Where a bucket puts its bytes: a store, and a number of repositories there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The row.
    pub id: i64,
    /// The store's name, as in the configuration.
    pub store: String,
    /// Number of shards, a power of two.
    pub shards: u16,
}

/// One repository at a store; its row never changes, so that it may be cached by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The row.
    pub id: i64,
    /// The store's name, as in the configuration.
    pub store: String,
    /// The name at the store: `s3/<placement>/<shard as two hex digits>`.
    pub name: String,
}

/// A blob by place and digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobRef {
    /// [`Repository::id`].
    pub repository_id: i64,
    /// The digest of the whole blob.
    pub digest: Digest,
}

/// A run of an object's bytes: `size` bytes from `blob_offset` of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The blob.
    pub blob: BlobRef,
    /// The size of the whole blob: a read of all of it needs no range, and can be checked against the digest.
    pub blob_size: u64,
    /// First byte within the blob.
    pub blob_offset: u64,
    /// Number of bytes, at least 1.
    pub size: u64,
    /// Part of a multipart upload that it belongs to; 1 for an object put in one piece.
    pub part_number: i32,
}

/// The segments of an object, or of a range of it, in order. Empty for no bytes.
pub type Segments = Vec<Segment>;

/// Cuts `range` (of the bytes that `segments` hold together) out of `segments`.
#[must_use]
pub fn slice(segments: &[Segment], range: &Range<u64>) -> Segments {
    let mut at = 0_u64;
    let mut out = Vec::new();
    for segment in segments {
        let end = at.saturating_add(segment.size);
        let from = range.start.max(at);
        let to = range.end.min(end);
        if from < to {
            out.push(Segment { blob_offset: segment.blob_offset + (from - at), size: to - from, ..segment.clone() });
        }
        at = end;
    }
    out
}
