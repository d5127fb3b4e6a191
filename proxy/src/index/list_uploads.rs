//! Listings of multipart uploads: a walk over (key, upload id), rolled up by a delimiter as objects are.

use super::list::{Bounds, behind_every_key, cut};
use super::upload::{UploadRow, upload_columns};
use super::{Index, ListRequest, Upload};
use crate::error::{Code, Result};

/// A page of uploads, by key and then by id, rolled up by a delimiter as objects are.
#[derive(Debug, Clone)]
pub struct UploadPage {
    /// The uploads.
    pub uploads: Vec<Upload>,
    /// Common prefixes.
    pub prefixes: Vec<String>,
    /// Whether there are more.
    pub truncated: bool,
    /// Key marker of the next page.
    pub next_key: String,
    /// Upload id marker of the next page; empty behind a common prefix.
    pub next_id: String,
}

/// As the walk of objects; a step goes behind the pair (`next`, `next_id`). $5 is the prefix's length in characters, $6 the
/// delimiter or nothing, $7 what sorts behind every key, $8 the upload id to begin behind.
pub(super) const WALK: &str = concat!(
    "WITH RECURSIVE walk (n, upload_id, prefix, next, next_id) AS (
        SELECT 0::bigint, NULL::text COLLATE \"C\", NULL::text COLLATE \"C\", $2::text COLLATE \"C\", $8::text COLLATE \"C\"
        FROM buckets WHERE name = $1
        UNION ALL
        SELECT walk.n + 1, o.id, rolled.prefix,
               CASE WHEN rolled.prefix IS NULL THEN o.key ELSE rolled.prefix || $7 END,
               CASE WHEN rolled.prefix IS NULL THEN o.id ELSE '' END
        FROM walk
        CROSS JOIN LATERAL (
            SELECT id, key FROM uploads
            WHERE bucket_id = (SELECT id FROM buckets WHERE name = $1)
              AND (key, id) > (walk.next, walk.next_id) AND key < $3
            ORDER BY key, id LIMIT 1
        ) o
        CROSS JOIN LATERAL (SELECT COALESCE(strpos(substr(o.key, $5 + 1), $6), 0) AS at) found
        CROSS JOIN LATERAL (
            SELECT CASE WHEN found.at > 0 THEN left(o.key, $5 + found.at - 1 + length($6)) END AS prefix
        ) rolled
        WHERE walk.n < $4
    )
    SELECT walk.prefix, ",
    upload_columns!(),
    "
    FROM walk
    LEFT JOIN LATERAL (SELECT * FROM uploads WHERE id = walk.upload_id AND walk.prefix IS NULL LIMIT 1) u ON true
    ORDER BY walk.n"
);

#[derive(sqlx::FromRow)]
struct EntryRow {
    prefix: Option<String>,
    #[sqlx(flatten)]
    upload: UploadRow,
}

enum Entry {
    Upload(Upload),
    Prefix(String),
}

impl EntryRow {
    fn into_entry(self) -> Option<Entry> {
        match self.prefix {
            Some(prefix) => Some(Entry::Prefix(prefix)),
            None => self.upload.into_upload().map(Entry::Upload),
        }
    }
}

impl Index {
    /// Uploads in progress behind (`after`, `after_id`); with an empty `after_id`, of keys behind `after`.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn list_uploads(&self, request: ListRequest<'_>, after_id: &str) -> Result<UploadPage> {
        let delimiter = request.delimiter.filter(|delimiter| !delimiter.is_empty());
        let mut bounds = Bounds::new(request.prefix, delimiter, request.after);
        // An upload id counts only together with its key.
        let resume = !after_id.is_empty() && request.after >= request.prefix;
        if resume {
            request.after.clone_into(&mut bounds.lower);
        }
        let fetch = i64::from(request.limit) + i64::from(request.limit > 0);
        let length = i32::try_from(request.prefix.chars().count()).unwrap_or(i32::MAX - 1);
        let behind = behind_every_key();
        let rows: Vec<EntryRow> = self
            .fetch_all(|| {
                sqlx::query_as(WALK)
                    .bind(request.bucket)
                    .bind(&bounds.lower)
                    .bind(&bounds.upper)
                    .bind(fetch)
                    .bind(length)
                    .bind(delimiter)
                    .bind(&behind)
                    .bind(if resume { after_id } else { "" })
            })
            .await?;
        if rows.is_empty() {
            return Err(Code::NoSuchBucket.into());
        }
        let (entries, truncated) = cut(rows.into_iter().filter_map(EntryRow::into_entry).collect(), request.limit);
        Ok(page(entries, truncated))
    }
}

fn page(entries: Vec<Entry>, truncated: bool) -> UploadPage {
    let (next_key, next_id) = match entries.last() {
        Some(Entry::Upload(upload)) => (upload.key.clone(), upload.id.clone()),
        Some(Entry::Prefix(prefix)) => (prefix.clone(), String::new()),
        None => (String::new(), String::new()),
    };
    let mut page = UploadPage { uploads: Vec::new(), prefixes: Vec::new(), truncated, next_key, next_id };
    for entry in entries {
        match entry {
            Entry::Upload(upload) => page.uploads.push(upload),
            Entry::Prefix(prefix) => page.prefixes.push(prefix),
        }
    }
    page
}
