//! Listings: index scans that cost the same at any depth, and a skip scan for delimiters.

use super::object::{HeadRow, head_columns};
use super::{Index, ObjectHead};
use crate::error::{Code, Result};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ListRequest<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// Only keys that start with it; may be empty.
    pub prefix: &'a str,
    /// Keys that hold it behind the prefix are rolled up into one common prefix; `None` or not empty.
    pub delimiter: Option<&'a str>,
    /// Only entries behind it (a key, or a common prefix that the last page ended with); may be empty.
    pub after: &'a str,
    /// At most so many entries, objects and common prefixes together; 0 gives none.
    pub limit: u32,
}

/// One entry.
#[derive(Debug, Clone)]
pub enum ListEntry {
    /// An object.
    Object(Box<ObjectHead>),
    /// A common prefix, delimiter included.
    Prefix(String),
}

impl ListEntry {
    /// The key or the prefix: entries are in byte order of it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => &object.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A page.
#[derive(Debug, Clone)]
pub struct ListPage {
    /// The entries in byte order.
    pub entries: Vec<ListEntry>,
    /// Whether there are more behind the last entry; the next page's `after` is the last entry's name.
    pub truncated: bool,
}

/// Sorts behind every key there is: a key has at most 1,024 bytes, and this has more of the greatest character. A prefix
/// followed by it sorts behind every key that starts with that prefix, and before every other key behind those.
/// Unlike "the last character plus one" it has no gaps to jump (surrogates) and no end to run into (U+10FFFF).
pub(super) fn behind_every_key() -> String {
    "\u{10FFFF}".repeat(257)
}

/// The least text that sorts behind `text` itself: Postgres holds no NUL, so that U+0001 is the least character.
const NEXT: &str = "\u{1}";

/// Where a scan begins (inclusive) and ends (exclusive).
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) lower: String,
    pub(super) upper: String,
}

impl Bounds {
    /// Keys that start with `prefix` and come behind `after`; where `after` is a common prefix, behind all under it.
    pub(super) fn new(prefix: &str, delimiter: Option<&str>, after: &str) -> Self {
        let lower = if after < prefix {
            prefix.to_owned()
        } else if after.is_empty() {
            String::new()
        } else if is_common_prefix(prefix, delimiter, after) {
            after.to_owned() + &behind_every_key()
        } else {
            after.to_owned() + NEXT
        };
        Self { lower, upper: prefix.to_owned() + &behind_every_key() }
    }
}

/// Whether `name` is what keys under it are rolled up to: it ends with the first delimiter behind the prefix.
fn is_common_prefix(prefix: &str, delimiter: Option<&str>, name: &str) -> bool {
    let (Some(delimiter), Some(rest)) = (delimiter.filter(|d| !d.is_empty()), name.strip_prefix(prefix)) else {
        return false;
    };
    rest.find(delimiter).is_some_and(|at| at + delimiter.len() == rest.len())
}

/// Cuts a page to `limit`; whatever was fetched beyond it only says that there is more.
pub(crate) fn cut<T>(mut entries: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = limit > 0 && entries.len() > limit;
    entries.truncate(limit);
    (entries, truncated)
}

/// One scan. The bucket stands on the left, so that an empty bucket gives one row of nothing and a missing one gives none.
pub(super) const FLAT: &str = concat!(
    "SELECT NULL::text AS prefix, ",
    head_columns!(),
    "
    FROM buckets b
    LEFT JOIN LATERAL (
        SELECT * FROM objects
        WHERE bucket_id = b.id AND is_latest AND NOT is_delete_marker AND key >= $2 AND key < $3
        ORDER BY key LIMIT $4
    ) o ON true
    WHERE b.name = $1
    ORDER BY o.key"
);

/// A walk from entry to entry: each step takes the first key at or behind `next`; a key that rolls up is answered by its
/// common prefix, and the next step begins behind everything under that. $5 is the prefix's length in characters, $6 the
/// delimiter, $7 what sorts behind every key. Row 0 says that the bucket is there.
pub(super) const ROLLED_UP: &str = concat!(
    "WITH RECURSIVE walk (n, object_id, prefix, next) AS (
        SELECT 0::bigint, NULL::bigint, NULL::text COLLATE \"C\", $2::text COLLATE \"C\" FROM buckets WHERE name = $1
        UNION ALL
        SELECT walk.n + 1, o.id, rolled.prefix,
               CASE WHEN rolled.prefix IS NULL THEN o.key || E'\\x01' ELSE rolled.prefix || $7 END
        FROM walk
        CROSS JOIN LATERAL (
            SELECT id, key FROM objects
            WHERE bucket_id = (SELECT id FROM buckets WHERE name = $1)
              AND is_latest AND NOT is_delete_marker AND key >= walk.next AND key < $3
            ORDER BY key LIMIT 1
        ) o
        CROSS JOIN LATERAL (SELECT strpos(substr(o.key, $5 + 1), $6) AS at) found
        CROSS JOIN LATERAL (
            SELECT CASE WHEN found.at > 0 THEN left(o.key, $5 + found.at - 1 + length($6)) END AS prefix
        ) rolled
        WHERE walk.n < $4
    )
    SELECT walk.prefix, ",
    head_columns!(),
    "
    FROM walk
    LEFT JOIN LATERAL (SELECT * FROM objects WHERE id = walk.object_id AND walk.prefix IS NULL LIMIT 1) o ON true
    ORDER BY walk.n"
);

#[derive(sqlx::FromRow)]
struct EntryRow {
    prefix: Option<String>,
    #[sqlx(flatten)]
    head: HeadRow,
}

impl EntryRow {
    fn into_entry(self) -> Option<ListEntry> {
        match self.prefix {
            Some(prefix) => Some(ListEntry::Prefix(prefix)),
            None => self.head.into_head().map(|head| ListEntry::Object(Box::new(head))),
        }
    }
}

impl Index {
    /// A page of a bucket's current objects.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn list_objects(&self, request: ListRequest<'_>) -> Result<ListPage> {
        let delimiter = request.delimiter.filter(|delimiter| !delimiter.is_empty());
        let bounds = Bounds::new(request.prefix, delimiter, request.after);
        // One more than asked for says whether there are more.
        let fetch = i64::from(request.limit) + i64::from(request.limit > 0);
        let rows: Vec<EntryRow> = match delimiter {
            None => {
                self.fetch_all(|| {
                    sqlx::query_as(FLAT).bind(request.bucket).bind(&bounds.lower).bind(&bounds.upper).bind(fetch)
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
                })
                .await?
            }
        };
        if rows.is_empty() {
            return Err(Code::NoSuchBucket.into());
        }
        let (entries, truncated) = cut(rows.into_iter().filter_map(EntryRow::into_entry).collect(), request.limit);
        Ok(ListPage { entries, truncated })
    }
}
