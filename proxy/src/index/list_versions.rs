//! Listings of versions: keys in byte order, each one's versions the newest first. They walk the same indexes as reads.

use super::list::{Bounds, behind_every_key, cut};
use super::object::{HeadRow, head_columns};
use super::{Index, ObjectHead};
use crate::error::{Code, Result};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ListVersionsRequest<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// Only keys that start with it; may be empty.
    pub prefix: &'a str,
    /// As in [`ListRequest::delimiter`](super::ListRequest::delimiter).
    pub delimiter: Option<&'a str>,
    /// Only entries behind this one: a key or a common prefix; may be empty.
    pub after: &'a str,
    /// And of the key `after` the versions behind this one; without it none.
    pub after_version: Option<VersionPlace>,
    /// At most so many entries; 0 gives none.
    pub limit: u32,
}

/// Where a version stands among those of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionPlace(i64);

/// Digits of a row's id within a version id.
const ROW_DIGITS: usize = 16;

impl VersionPlace {
    /// Of a version id that this service gives, also where the version is gone; `None` for any other text.
    #[must_use]
    pub fn parse(version_id: &str) -> Option<Self> {
        let row = version_id.get(..ROW_DIGITS).filter(|_| is_version_id(version_id))?;
        u64::from_str_radix(row, 16).ok().and_then(|row| i64::try_from(row).ok()).map(Self)
    }

    /// As text, which [`Self::parse`] reads: null versions have no place in their version id.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{:0ROW_DIGITS$x}{:0ROW_DIGITS$x}", self.0, 0)
    }
}

/// Whether a text has the form of the version ids that this service gives (`version_name` of the index); `null` is none of them.
#[must_use]
pub(crate) fn is_version_id(text: &str) -> bool {
    text.len() == 2 * ROW_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One entry.
#[derive(Debug, Clone)]
pub enum VersionEntry {
    /// A version, or a delete marker.
    Version(Box<ObjectHead>),
    /// A common prefix, delimiter included.
    Prefix(String),
}

impl VersionEntry {
    /// The key or the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Version(version) => &version.key,
            Self::Prefix(prefix) => prefix,
        }
    }

    /// Its place among its key's versions.
    #[must_use]
    pub fn place(&self) -> Option<VersionPlace> {
        match self {
            Self::Version(version) => Some(VersionPlace(version.id)),
            Self::Prefix(_) => None,
        }
    }
}

/// A page.
#[derive(Debug, Clone)]
pub struct VersionPage {
    /// The entries in order.
    pub entries: Vec<VersionEntry>,
    /// Whether there are more behind the last entry.
    pub truncated: bool,
}

/// Each of the scans gives as many as are asked for; the first of all together are the first of the page. $5 is the key and $6 the
/// row that the page comes behind: older versions of that key have a scan of their own, which begins there, so that a page costs the
/// same however many versions of one key came before it.
pub(super) const FLAT: &str = concat!(
    "SELECT NULL::text AS prefix, ",
    head_columns!(),
    "
    FROM buckets b
    LEFT JOIN LATERAL (
        SELECT * FROM (
            (SELECT * FROM objects
             WHERE bucket_id = b.id AND is_latest AND key >= $2 AND key < $3 AND (key > $5 OR id < $6)
             ORDER BY key LIMIT $4)
            UNION ALL
            (SELECT * FROM objects
             WHERE bucket_id = b.id AND NOT is_latest AND key = $5 AND key >= $2 AND key < $3 AND id < $6
             ORDER BY id DESC LIMIT $4)
            UNION ALL
            (SELECT * FROM objects
             WHERE bucket_id = b.id AND NOT is_latest AND key >= $2 AND key < $3 AND key > $5
             ORDER BY key, id DESC LIMIT $4)
        ) AS every_kind
        ORDER BY key, id DESC LIMIT $4
    ) o ON true
    WHERE b.name = $1
    ORDER BY o.key, o.id DESC"
);

/// The walk of listings of objects, over the latest version of each key, hidden or not; then the versions of each key that it
/// comes by. A key whose latest version is behind the page's place has no other before it: the key $8 is looked at as a whole.
pub(super) const ROLLED_UP: &str = concat!(
    "WITH RECURSIVE walk (n, key, prefix, next) AS (
        SELECT 0::bigint, NULL::text COLLATE \"C\", NULL::text COLLATE \"C\", $2::text COLLATE \"C\" FROM buckets WHERE name = $1
        UNION ALL
        SELECT walk.n + 1, o.key, rolled.prefix,
               CASE WHEN rolled.prefix IS NULL THEN o.key || E'\\x01' ELSE rolled.prefix || $7 END
        FROM walk
        CROSS JOIN LATERAL (
            SELECT key FROM objects
            WHERE bucket_id = (SELECT id FROM buckets WHERE name = $1) AND is_latest AND key >= walk.next AND key < $3
            ORDER BY key LIMIT 1
        ) o
        CROSS JOIN LATERAL (SELECT strpos(substr(o.key, $5 + 1), $6) AS at) found
        CROSS JOIN LATERAL (
            SELECT CASE WHEN found.at > 0 THEN left(o.key, $5 + found.at - 1 + length($6)) END AS prefix
        ) rolled
        WHERE walk.n <= $4
    )
    SELECT walk.prefix, ",
    head_columns!(),
    "
    FROM walk
    LEFT JOIN LATERAL (
        SELECT * FROM (
            (SELECT * FROM objects
             WHERE bucket_id = (SELECT id FROM buckets WHERE name = $1) AND key = walk.key AND is_latest
               AND (key <> $8 OR id < $9))
            UNION ALL
            (SELECT * FROM objects
             WHERE bucket_id = (SELECT id FROM buckets WHERE name = $1) AND key = walk.key AND NOT is_latest
               AND id < CASE WHEN walk.key = $8 THEN $9 ELSE 9223372036854775807 END
             ORDER BY id DESC LIMIT $4)
        ) AS both_kinds
        WHERE walk.prefix IS NULL
    ) o ON true
    WHERE walk.n = 0 OR walk.prefix IS NOT NULL OR o.id IS NOT NULL
    ORDER BY walk.n, o.id DESC
    LIMIT $4 + 1"
);

#[derive(sqlx::FromRow)]
struct EntryRow {
    prefix: Option<String>,
    #[sqlx(flatten)]
    head: HeadRow,
}

impl EntryRow {
    fn into_entry(self) -> Option<VersionEntry> {
        match self.prefix {
            Some(prefix) => Some(VersionEntry::Prefix(prefix)),
            None => self.head.into_head().map(|head| VersionEntry::Version(Box::new(head))),
        }
    }
}

const PLACE: &str = "
    SELECT o.id FROM buckets b JOIN LATERAL (
        SELECT id FROM objects WHERE bucket_id = b.id AND key = $2 AND is_latest AND version_id = $3
        UNION ALL
        SELECT id FROM objects WHERE bucket_id = b.id AND key = $2 AND NOT is_latest AND version_id = $3
    ) o ON true
    WHERE b.name = $1";

impl Index {
    /// Where a version stands whose id does not say so.
    /// # Errors
    /// `NoSuchVersion`.
    pub async fn version_place(&self, bucket: &str, key: &str, version: &str) -> Result<VersionPlace> {
        let row: Option<(i64,)> =
            self.fetch_optional(|| sqlx::query_as(PLACE).bind(bucket).bind(key).bind(version)).await?;
        row.map(|(id,)| VersionPlace(id)).ok_or_else(|| Code::NoSuchVersion.into())
    }

    /// A page of a bucket's versions, delete markers among them.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn list_versions(&self, request: ListVersionsRequest<'_>) -> Result<VersionPage> {
        let delimiter = request.delimiter.filter(|delimiter| !delimiter.is_empty());
        let mut bounds = Bounds::new(request.prefix, delimiter, request.after);
        // Within a key: from the key itself on, and of it what comes behind the place.
        let within = request.after_version.filter(|_| {
            let rest = request.after.strip_prefix(request.prefix);
            rest.is_some_and(|rest| delimiter.is_none_or(|delimiter| !rest.contains(delimiter)))
        });
        if within.is_some() {
            bounds.lower = request.after.to_owned();
        }
        let (key, row) = within.map_or(("", i64::MAX), |place| (request.after, place.0));
        // One more than asked for says whether there are more.
        let fetch = i64::from(request.limit) + i64::from(request.limit > 0);
        let rows: Vec<EntryRow> = match delimiter {
            None => {
                self.fetch_all(|| {
                    sqlx::query_as(FLAT)
                        .bind(request.bucket)
                        .bind(&bounds.lower)
                        .bind(&bounds.upper)
                        .bind(fetch)
                        .bind(key)
                        .bind(row)
                })
                .await?
            }
            Some(delimiter) => {
                let length = i32::try_from(request.prefix.chars().count()).unwrap_or(i32::MAX - 1);
                let behind = behind_every_key();
                self.fetch_all(|| {
                    sqlx::query_as(ROLLED_UP)
                        .bind(request.bucket)
                        .bind(&bounds.lower)
                        .bind(&bounds.upper)
                        .bind(fetch)
                        .bind(length)
                        .bind(delimiter)
                        .bind(&behind)
                        .bind(key)
                        .bind(row)
                })
                .await?
            }
        };
        if rows.is_empty() {
            return Err(Code::NoSuchBucket.into());
        }
        let (entries, truncated) = cut(rows.into_iter().filter_map(EntryRow::into_entry).collect(), request.limit);
        Ok(VersionPage { entries, truncated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_id_says_where_its_version_stands() {
        let place = VersionPlace::parse("000000000000002a0123456789abcdef").unwrap();
        assert_eq!(place, VersionPlace(42));
        assert_eq!(VersionPlace::parse(&place.to_text()), Some(place));
        for other in
            ["null", "", "000000000000002a", "000000000000002A0123456789abcdef", "ffffffffffffffff0123456789abcdef"]
        {
            assert_eq!(VersionPlace::parse(other), None, "{other:?}");
        }
    }
}
