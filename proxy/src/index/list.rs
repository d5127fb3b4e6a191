//! Listings: index scans that cost the same at any depth, and a skip scan for delimiters.

use super::{Index, ObjectHead};
use crate::error::{Error, Result};

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

impl Index {
    /// A page of a bucket's current objects.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn list_objects(&self, request: ListRequest<'_>) -> Result<ListPage> {
        Err(Error::internal(request.bucket))
    }
}
