//! An upload session at the store that never stays behind: unless it is finished, it is cancelled there and closed in the
//! index when it is dropped, also when that is because the client has left. The task that does it is tracked, so that the
//! end of the process can wait for it. What a crash leaves, the sweeper finds.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::store::{ByteStream, SessionEnd, Store, UploadSession};

/// How long cancelling and closing may take; after that it is the sweeper's.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(30);

/// A session that is open at the store.
#[derive(Debug)]
pub(super) struct OpenSession {
    index: Index,
    store: Store,
    clean_ups: TaskTracker,
    upload: Option<UploadSession>,
    /// Where it was last seen.
    location: String,
    row: Option<i64>,
    finished: bool,
}

impl OpenSession {
    pub(super) fn new(index: Index, store: Store, clean_ups: TaskTracker, upload: UploadSession) -> Self {
        let location = upload.location().to_owned();
        Self { index, store, clean_ups, upload: Some(upload), location, row: None, finished: false }
    }

    /// Writes the session down, before its first byte.
    pub(super) async fn write_down(&mut self, ttl: Duration) -> Result<()> {
        self.row = Some(self.index.open_session(self.store.name(), &self.location, ttl).await?);
        Ok(())
    }

    /// Sends bytes; how many it was.
    pub(super) async fn append(&mut self, bytes: ByteStream) -> Result<u64> {
        let Some(upload) = &mut self.upload else { return Err(used_up()) };
        let sent = upload.append(bytes).await?;
        self.location = upload.location().to_owned();
        Ok(sent)
    }

    /// Makes the bytes a blob.
    pub(super) async fn finish(mut self, digest: &Digest, size: u64) -> Result<()> {
        let Some(upload) = self.upload.take() else { return Err(used_up()) };
        self.finished = upload.finish(digest, size).await? == SessionEnd::Over;
        Ok(())
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (index, store, row, finished) = (self.index.clone(), self.store.clone(), self.row, self.finished);
        let location = std::mem::take(&mut self.location);
        let clean_up = async move {
            let end = timeout(CLEAN_UP_LIMIT, end(&index, &store, &location, row, finished)).await;
            let end = end.unwrap_or_else(|_| Err(Error::internal("not done in time")));
            if let Err(error) = end {
                tracing::debug!(location, "an upload session is left to the sweeper: {}", error.for_log());
            }
        };
        self.clean_ups.spawn_on(clean_up, &runtime);
    }
}

/// Cancels the session unless it was finished, and only then forgets it.
async fn end(index: &Index, store: &Store, location: &str, row: Option<i64>, finished: bool) -> Result<()> {
    if !finished {
        store.cancel_upload(location).await?;
    }
    match row {
        Some(row) => index.close_session(row).await,
        None => Ok(()),
    }
}

fn used_up() -> Error {
    Error::internal("an upload session was used after its end")
}
