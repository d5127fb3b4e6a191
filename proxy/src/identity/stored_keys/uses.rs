//! When keys were last used: noted in memory, written in the background, once a minute a key at the most.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use moka::sync::Cache;
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::index::Index;

/// Keys whose use waits to be written; beyond that a use is not noted, and the next one is.
const WAITING: usize = 1024;

/// How long a use is not noted again.
const ONCE_IN: Duration = Duration::from_secs(60);

/// How long uses are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(500);

/// Uses on their way to the index.
#[derive(Debug)]
pub(super) struct Uses {
    noted: Cache<String, ()>,
    waiting: Mutex<Vec<(String, OffsetDateTime)>>,
    some: Notify,
}

impl Default for Uses {
    fn default() -> Self {
        let noted = Cache::builder().max_capacity(super::REMEMBERED).time_to_live(ONCE_IN).build();
        Self { noted, waiting: Mutex::default(), some: Notify::new() }
    }
}

impl Uses {
    /// Notes that a key was used. Waits for nobody.
    pub(super) fn note(&self, id: &str, at: OffsetDateTime) {
        if self.noted.contains_key(id) {
            return;
        }
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= WAITING || waiting.iter().any(|(waiting, _)| waiting == id) {
                return;
            }
            waiting.push((id.to_owned(), at));
        }
        self.noted.insert(id.to_owned(), ());
        self.some.notify_one();
    }

    /// Writes for ever. What cannot be written is forgotten: it is worth a look, not a queue.
    pub(super) async fn write(&self, index: &Index) {
        loop {
            self.some.notified().await;
            tokio::time::sleep(GATHER).await;
            let batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let (ids, at): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            if let Err(error) = index.touch_access_keys(&ids, &at).await {
                tracing::warn!("the last use of {} access keys was not noted: {}", ids.len(), error.for_log());
            }
        }
    }
}
