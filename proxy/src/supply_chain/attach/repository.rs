//! What refers to a manifest of the registry: pushed beside it, as a client would. Its intent is on record before anything is sent, and
//! what became of it afterwards, as of every push that is forwarded.

use bytes::Bytes;

use super::on_record::{Change, OnRecord};
use crate::app::App;
use crate::audit::PUSH_MANIFEST;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Result};
use crate::index::{SbomScope, ScopeKind};
use crate::supply_chain::manifest::MANIFEST;

/// The status of what was attached.
const CREATED: u16 = 201;

/// A manifest that was read and is permitted.
pub(super) struct RepositoryReferrer<'a> {
    /// The repository.
    pub(super) name: &'a str,
    /// The manifest's digest.
    pub(super) digest: Digest,
    /// The artifact that it refers to.
    pub(super) subject: Digest,
    /// The tag of older clients; unset: it is put by its digest.
    pub(super) tag: Option<&'a str>,
    /// Blobs that are still to be pushed.
    pub(super) blobs: &'a [Vec<u8>],
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// A word for the audit record.
    pub(super) note: Option<&'a str>,
}

/// Stores it, and has the artifact looked at.
pub(super) async fn store(app: &App, permit: &Permit, new: &RepositoryReferrer<'_>) -> Result<()> {
    let references: Vec<String> = std::iter::once(new.digest.to_string()).chain(new.tag.map(str::to_owned)).collect();
    let pushing = app.evidence.expect_push(app, new.name, &references).await?;
    let result = store_on_record(app, permit, new).await;
    if result.is_ok() {
        let scope = SbomScope { kind: ScopeKind::Repository, name: new.name.to_owned() };
        // It is attached; whoever follows the push has the artifact looked at.
        if let Err(error) = app.index.expect_evidence(&scope, &new.subject).await {
            tracing::warn!(subject = %new.subject, "an artifact is looked at later: {}", error.for_log());
        }
    }
    if let Some(pushing) = pushing {
        pushing.ended();
    }
    result
}

async fn store_on_record(app: &App, permit: &Permit, new: &RepositoryReferrer<'_>) -> Result<()> {
    let by_digest = new.digest.to_string();
    let reference = new.tag.unwrap_or(&by_digest);
    let change = Change {
        operation: PUSH_MANIFEST,
        home: new.name,
        reference: Some(reference),
        digest: new.digest,
        size: new.bytes.len() as u64,
        note: new.note,
    };
    let on_record = OnRecord::begin(app, permit, change).await?;
    let result = push(app, new, reference).await;
    match &result {
        Ok(()) => {
            if let Some(done) = on_record.outcome(CREATED, None)
                && let Err(error) = app.journal.outcome(done).await
            {
                // It is done; the loss is on record, and the reconciler asks what became of the intent.
                tracing::warn!("the outcome of an attachment is not on record: {}", error.for_log());
                return Ok(());
            }
            on_record.done();
        }
        // It may have been done all the same.
        Err(error) if error.code() == Code::UpstreamUnavailable => {}
        Err(error) => on_record.failed(error),
    }
    result
}

async fn push(app: &App, new: &RepositoryReferrer<'_>, reference: &str) -> Result<()> {
    for blob in new.blobs {
        app.store.put_blob(new.name, &Digest::of(blob), Bytes::copy_from_slice(blob)).await?;
    }
    app.store.put_manifest(new.name, reference, MANIFEST, new.bytes.clone()).await.map(drop)
}
