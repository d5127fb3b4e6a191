//! [`Unnamed`]: bytes that were sent ahead for what will refer to a bucket's objects, and that no manifest has named so far.
//!
//! The registry keeps them until its garbage collection takes them for what they are. Until then they count where a bucket with a
//! quota is asked for room for more of them: otherwise its limit would hold for what is named alone. Each replica knows what went
//! through itself, and forgets it after a day.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, header};
use moka::sync::Cache;

use crate::app::App;
use crate::error::Result;
use crate::listener::Summary;

/// From the first byte on: longer than a registry leaves garbage lying around, unless it is told to.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Buckets that are remembered.
const REMEMBERED: u64 = 10_000;

/// Bytes by bucket. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Unnamed(Cache<String, Arc<AtomicU64>>);

impl Unnamed {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build())
    }

    /// Takes note of bytes that a manifest names now.
    pub(super) fn named(&self, bucket: &str, bytes: u64) {
        if let Some(sent) = self.0.get(bucket) {
            // What was named twice, or was there before, was not sent here.
            let _ = sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| Some(sent.saturating_sub(bytes)));
        }
    }

    fn sent(&self, bucket: &str, bytes: u64) {
        let sent = self.0.get_with_by_ref(bucket, Arc::default);
        let _ = sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| Some(sent.saturating_add(bytes)));
    }

    fn of(&self, bucket: &str) -> u64 {
        self.0.get(bucket).map_or(0, |sent| sent.load(Ordering::Relaxed))
    }
}

impl Default for Unnamed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unnamed").field(&self.0.entry_count()).finish()
    }
}

/// Bytes on their way for a bucket.
#[derive(Debug)]
pub(in super::super) struct Ahead {
    bucket: String,
    unnamed: Unnamed,
    /// What the head of the request announces, until it has come.
    announced: u64,
}

impl Ahead {
    pub(super) const fn new(bucket: String, unnamed: Unnamed) -> Self {
        Self { bucket, unnamed, announced: 0 }
    }

    /// Asks whether the bucket has room for a body of this head, beside what was sent before it.
    ///
    /// # Errors
    /// `QuotaExceeded`, `IndexUnavailable`.
    pub(super) async fn expect_room(&mut self, app: &App, headers: &HeaderMap) -> Result<()> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // How long a body without a length is, its end tells; it has one byte at least.
        self.announced = length.unwrap_or(1);
        self.unnamed.sent(&self.bucket, self.announced);
        app.index.expect_room_for_referrer(&self.bucket, None, self.unnamed.of(&self.bucket)).await
    }

    /// Counts what came, also where it was cut off: an upload may go on from there.
    pub(in super::super) fn ended(&self, summary: &Summary) {
        if summary.bytes_in > 0 {
            self.unnamed.sent(&self.bucket, summary.bytes_in);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.unnamed.named(&self.bucket, self.announced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_counts_until_it_is_named_and_each_bucket_for_itself() {
        let unnamed = Unnamed::new();
        unnamed.named("a", 5);
        unnamed.sent("a", 7);
        unnamed.sent("a", 3);
        unnamed.sent("b", 1);
        unnamed.named("a", 4);
        assert_eq!((unnamed.of("a"), unnamed.of("b"), unnamed.of("c")), (6, 1, 0));
        unnamed.named("a", 100);
        assert_eq!(unnamed.of("a"), 0);
    }

    #[test]
    fn what_is_announced_counts_until_it_has_come_or_has_not() {
        let unnamed = Unnamed::new();
        let mut ahead = Ahead::new("a".to_owned(), unnamed.clone());
        (ahead.announced, _) = (10, unnamed.sent("a", 10));
        assert_eq!(unnamed.of("a"), 10);
        unnamed.sent("a", 4);
        drop(ahead);
        assert_eq!(unnamed.of("a"), 4);
    }
}
