//! What the unit tests of this folder share.

use time::OffsetDateTime;

use crate::index::ObjectHead;

/// An object with this ETag, modified at this moment (milliseconds since 1970).
pub(super) fn head(etag: &str, modified_millis: i64) -> ObjectHead {
    ObjectHead {
        id: 1,
        key: "key".into(),
        size: 10,
        etag: etag.into(),
        part_count: 0,
        checksums: Default::default(),
        checksum_type: None,
        headers: Default::default(),
        metadata: Default::default(),
        tags: Default::default(),
        storage_class: "STANDARD".into(),
        owner: "root/AKIA".into(),
        last_modified: OffsetDateTime::from_unix_timestamp_nanos(i128::from(modified_millis) * 1_000_000).unwrap(),
        version_id: "null".into(),
        is_latest: true,
        is_delete_marker: false,
        retention: None,
        legal_hold: false,
    }
}
