//! Between Rust's types and Postgres's: sizes, durations, digests, and the status that our SQL functions answer with.

use std::time::Duration;

use super::{BlobRef, Segment};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// A size for Postgres, whose integers have a sign.
pub(super) fn to_i64(size: u64) -> Result<i64> {
    i64::try_from(size).map_err(|_| Error::from(Code::EntityTooLarge).detail(format!("{size} bytes")))
}

/// A size out of Postgres; the schema refuses negative ones.
pub(super) fn to_u64(size: i64) -> u64 {
    size.try_into().unwrap_or_default()
}

/// A limit for Postgres; unset stays unset.
pub(super) fn limit(limit: Option<u64>) -> Result<Option<i64>> {
    let too_high = |_| Error::new(Code::InvalidArgument, format!("A limit must not be above {}.", i64::MAX));
    limit.map(i64::try_from).transpose().map_err(too_high)
}

/// Seconds for `make_interval`; a hundred years are for ever.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().min(100.0 * 365.0 * 86_400.0)
}

/// A digest out of Postgres; the schema refuses other lengths.
pub(super) fn to_digest(bytes: &[u8]) -> Result<Digest> {
    Digest::try_from(bytes).map_err(|_| Error::internal("a digest in the index has not 32 bytes"))
}

/// A segment's columns as Postgres has them.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct SegmentRow {
    pub(super) object_offset: i64,
    part_number: i32,
    size: i64,
    repository_id: i64,
    digest: Vec<u8>,
    blob_offset: i64,
    blob_size: i64,
}

impl SegmentRow {
    pub(super) fn into_segment(self) -> Result<Segment> {
        Ok(Segment {
            blob: BlobRef { repository_id: self.repository_id, digest: to_digest(&self.digest)? },
            blob_size: to_u64(self.blob_size),
            blob_offset: to_u64(self.blob_offset),
            size: to_u64(self.size),
            part_number: self.part_number,
        })
    }
}

/// Turns the status of one of our SQL functions into a result.
pub(super) fn check(status: &str) -> Result<()> {
    Err(match status {
        "ok" => return Ok(()),
        "NoSuchBucket" => Code::NoSuchBucket,
        "NoSuchKey" => Code::NoSuchKey,
        "NoSuchVersion" => Code::NoSuchVersion,
        "MethodNotAllowed" => Code::MethodNotAllowed,
        "AccessDenied" => return Err(super::delete::locked()),
        "Replaced" => Code::OperationAborted,
        "ObjectLockMissing" => Code::ObjectLockMissing,
        "InvalidBucketState" => Code::InvalidBucketState,
        "NoSuchUpload" => Code::NoSuchUpload,
        "InvalidPart" => Code::InvalidPart,
        "PreconditionFailed" => Code::PreconditionFailed,
        "BucketNotEmpty" => Code::BucketNotEmpty,
        "BucketAlreadyOwnedByYou" => Code::BucketAlreadyOwnedByYou,
        "ManifestUnknown" => Code::ManifestUnknown,
        "OperationAborted" => Code::OperationAborted,
        "LimitExceeded" => Code::LimitExceeded,
        "SlowDown" => Code::SlowDown,
        other => return Err(Error::internal(format!("the index answered with the unknown status {other:?}"))),
    }
    .into())
}
