//! Whether a bucket has room for a body, asked before its first byte is read.
//!
//! Only the commit decides (`migrations/0011`). What is asked here spares the client, us and the registry a body that would be
//! refused. For a body that streams the question is cheap; a small one would wait for it longer than for its bytes, so that it
//! is asked for where the bucket has refused something lately.
//! What does not live here: parts, which ask together with the look at their upload.

use std::fmt;
use std::time::Duration;

use moka::sync::Cache;

use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::index::PinnedBlob;

/// How long a refusal is remembered. One body for each such time is stored in vain.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Buckets that are remembered.
const REMEMBERED: u64 = 10_000;

/// Buckets that have refused something lately for want of room. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct FullBuckets(Cache<String, ()>);

impl FullBuckets {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build())
    }

    /// Whether the bucket has refused something lately.
    fn holds(&self, bucket: &str) -> bool {
        self.0.contains_key(bucket)
    }

    /// Takes note of a refusal; whether it was for want of room.
    fn note(&self, bucket: &str, error: &Error) -> bool {
        let is_full = error.code() == Code::QuotaExceeded;
        if is_full {
            self.0.insert(bucket.to_owned(), ());
        }
        is_full
    }
}

impl Default for FullBuckets {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FullBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FullBuckets").field(&self.0.entry_count()).finish()
    }
}

/// Asks whether an object of `size` bytes would be taken, where that is worth asking.
///
/// # Errors
/// `QuotaExceeded`, `IndexUnavailable`.
pub(super) async fn expect(app: &App, bucket: &str, key: &str, size: u64) -> Result<()> {
    if size <= app.config.store.buffer.as_u64() && !app.full_buckets.holds(bucket) {
        return Ok(());
    }
    app.index.expect_room(bucket, key, size).await.inspect_err(|error| {
        app.full_buckets.note(bucket, error);
    })
}

/// Takes note of a commit that was refused, and gives up the bytes that it had no room for.
pub(super) async fn refused(app: &App, bucket: &str, blob: Option<&PinnedBlob>, error: &Error) {
    if app.full_buckets.note(bucket, error)
        && let Some(blob) = blob
    {
        app.blobs.give_up(blob).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_remembered_for_want_of_room_alone() {
        let full = FullBuckets::new();
        assert!(!full.note("a", &Code::NoSuchBucket.into()));
        assert!(full.note("b", &Code::QuotaExceeded.into()));
        assert_eq!((full.holds("a"), full.holds("b")), (false, true));
    }
}
