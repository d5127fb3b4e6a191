//! What refers to a manifest of the registry: pushed beside it, as a client would. Its intent is on record before anything is sent, and
//! what became of it afterwards, as of every push that is forwarded.

use bytes::Bytes;

use super::on_record::OnRecord;
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::Result;
use crate::supply_chain::manifest::MANIFEST;

/// The status of what was attached.
const CREATED: u16 = 201;

/// A manifest that was read and is permitted.
pub(super) struct RepositoryReferrer<'a> {
    /// The repository.
    pub(super) name: &'a str,
    /// The manifest's digest.
    pub(super) digest: Digest,
    /// The tag of older clients; unset: it is put by its digest.
    pub(super) tag: Option<&'a str>,
    /// Blobs that are still to be pushed.
    pub(super) blobs: &'a [Vec<u8>],
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// A word for the audit record.
    pub(super) note: Option<&'a str>,
}

/// Stores it.
pub(super) async fn store(app: &App, permit: &Permit, new: &RepositoryReferrer<'_>) -> Result<()> {
    let on_record = OnRecord::begin(app, permit, &new.digest, new.bytes.len() as u64, new.note).await?;
    match push(app, new).await {
        Ok(()) => {
            if let Some(done) = on_record.outcome(CREATED, None)
                && let Err(error) = app.journal.outcome(done).await
            {
                // It is done; the loss is on record, and the intent shown as of unknown outcome.
                tracing::warn!("the outcome of an attachment is not on record: {}", error.for_log());
            }
            Ok(())
        }
        Err(error) => {
            on_record.failed(&error);
            Err(error)
        }
    }
}

async fn push(app: &App, new: &RepositoryReferrer<'_>) -> Result<()> {
    for blob in new.blobs {
        app.store.put_blob(new.name, &Digest::of(blob), Bytes::copy_from_slice(blob)).await?;
    }
    let by_digest = new.digest.to_string();
    let reference = new.tag.unwrap_or(&by_digest);
    app.store.put_manifest(new.name, reference, MANIFEST, new.bytes.clone()).await.map(drop)
}
