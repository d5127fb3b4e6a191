//! A blob that the registry has lost, brought back from another repository of ours.

use std::sync::Arc;

use futures::StreamExt as _;

use super::Context;
use super::blobs::repair_record;
use super::finding::Mended;
use crate::error::{Error, Result};
use crate::index::fsck::CheckedBlob;
use crate::store::ByteStream;

/// Repositories that are tried.
const SOURCES: u32 = 8;

impl Context {
    /// Copies a lost blob back from where the same bytes are. They are hashed on their way, and become a blob only where they are
    /// the right ones; and the registry checks once more.
    pub(super) async fn bring_back(&self, blob: &CheckedBlob) -> Result<Mended> {
        let sources = self.index.fsck_blob_elsewhere(blob.blob, blob.size, SOURCES).await?;
        let mut failure = "no other repository of ours has the same bytes".to_owned();
        for source in sources {
            if source.repository.store != self.store.name() {
                continue;
            }
            match self.copy_from(blob, &source).await {
                Ok(()) => return Ok(Mended::Done(format!("copied from {}", source.repository.name))),
                Err(error) => failure = format!("{}: {}", source.repository.name, error.for_log()),
            }
        }
        Ok(Mended::Failed(failure))
    }

    async fn copy_from(&self, blob: &CheckedBlob, source: &CheckedBlob) -> Result<()> {
        self.requests.take(1).await;
        let (from, size) = (source.repository.name.as_str(), blob.size);
        let bytes = self.store.get_blob(from, &blob.blob.digest, size, 0..size).await?;
        let record = repair_record("RestoreBlob").reference(&blob.repository.name).digest(blob.blob.digest);
        let record = record.note(format!("the registry had lost it; copied from {from}"));
        self.blobs.restore(blob.blob, size, self.paced(bytes), &[record]).await?;
        match self.head(&blob.repository.name, &blob.blob.digest).await? {
            Ok(Some(found)) if found == size => Ok(()),
            Ok(found) => Err(Error::internal(format!("the registry answers {found:?} after it was copied"))),
            Err(error) => Err(error),
        }
    }

    fn paced(&self, bytes: ByteStream) -> ByteStream {
        let pace = Arc::clone(&self.bytes);
        Box::pin(bytes.then(move |chunk| {
            let pace = Arc::clone(&pace);
            async move {
                if let Ok(chunk) = &chunk {
                    pace.take(chunk.len() as u64).await;
                }
                chunk
            }
        }))
    }
}
