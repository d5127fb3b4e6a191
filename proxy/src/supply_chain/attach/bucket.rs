//! What refers to an S3 object: its row is there before the registry has the manifest, and it is seen, and on record as done, when the
//! registry has it. What is cut off in between is never seen, and goes after a while.

use bytes::Bytes;

use super::on_record::{Change, OnRecord};
use super::replaced::Replaced;
use crate::app::App;
use crate::audit::{ATTACH_REFERRER, Record};
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{NewReferrer, Tagging, held_bytes};
use crate::supply_chain::manifest::MANIFEST;
use crate::supply_chain::referrer::Referrer;

/// The status of what was attached.
const CREATED: u16 = 201;

/// A manifest that was read and is permitted.
pub(crate) struct BucketReferrer<'a> {
    /// The bucket.
    pub(crate) bucket: &'a str,
    /// The repository of what refers to its objects.
    pub(crate) home: &'a str,
    /// The manifest's digest.
    pub(crate) digest: Digest,
    /// What it refers to: an object's manifest, or what refers to one.
    pub(crate) subject: Digest,
    /// The object's manifest at the end of the chain.
    pub(crate) root: Digest,
    /// The tag of older clients.
    pub(crate) tag: Option<&'a str>,
    /// What the tag names already, and may be taken from.
    pub(crate) replaced: Option<Replaced>,
    /// That something of it was removed, as it is put on record.
    pub(crate) removal: Option<Record>,
    /// What it says.
    pub(crate) referrer: &'a Referrer,
    /// Blobs that are still to be pushed.
    pub(crate) blobs: &'a [Vec<u8>],
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// A word for the audit record.
    pub(crate) note: Option<&'a str>,
}

/// Refuses what is too large, or has no room as things are now, before anything is looked for at the registry.
///
/// # Errors
/// `BlobTooLarge`, `QuotaExceeded`, `IndexUnavailable`.
pub(crate) async fn expect_room(app: &App, new: &BucketReferrer<'_>) -> Result<()> {
    let held = held_bytes(new.bytes.len() as u64, &new.referrer.blobs);
    let most = app.config.artifacts.referrer_bytes.as_u64();
    if held > most {
        let text = "What refers to an object may not be so large, its blobs included.";
        return Err(Error::new(Code::BlobTooLarge, text).with("limit_bytes", most));
    }
    app.index.expect_room_for_referrer(new.bucket, Some((&new.digest, &new.subject)), held).await
}

/// Stores it.
///
/// # Errors
/// `QuotaExceeded`, `LimitExceeded`; `SlowDown` where the intent cannot be put on record; `OperationAborted` where the same manifest is just being deleted, or the
/// tag names something else by now;
/// `UpstreamUnavailable`, `IndexUnavailable`.
pub(crate) async fn store_in_bucket(app: &App, permit: &Permit, new: &BucketReferrer<'_>) -> Result<()> {
    let change = Change {
        operation: ATTACH_REFERRER,
        home: new.home,
        reference: None,
        digest: new.digest,
        size: new.bytes.len() as u64,
        note: new.note,
    };
    let on_record = OnRecord::begin(app, permit, change).await?;
    let result = store(app, permit, new, &on_record).await;
    match &result {
        Ok(()) => on_record.done(),
        // That it was done is committed with it: whether it was is not known.
        Err(error) if error.code() == Code::IndexUnavailable => {}
        Err(error) => on_record.failed(error),
    }
    result
}

async fn store(app: &App, permit: &Permit, new: &BucketReferrer<'_>, on_record: &OnRecord<'_>) -> Result<()> {
    for blob in new.blobs {
        app.store.put_blob(new.home, &Digest::of(blob), Bytes::copy_from_slice(blob)).await?;
    }
    let kinds: Vec<&'static str> = new.referrer.kinds.iter().map(|kind| kind.as_str()).collect();
    let row = NewReferrer {
        bucket: new.bucket,
        digest: new.digest,
        subject: new.subject,
        root: new.root,
        is_listed: new.referrer.subject.is_some(),
        kinds: &kinds,
        media_type: MANIFEST,
        artifact_type: new.referrer.artifact_type.as_deref(),
        size: new.bytes.len() as u64,
        annotations: &new.referrer.annotations,
        blobs: &new.referrer.blobs,
        owner: &permit.principal().to_string(),
        most: app.config.artifacts.referrers_per_object,
    };
    let id = app.index.begin_referrer(&row).await?;
    app.store.put_manifest(new.home, &tag_at_home(&new.digest), MANIFEST, new.bytes.clone()).await?;
    let records: Vec<Record> = on_record.outcome(CREATED, None).into_iter().chain(new.removal.clone()).collect();
    let replaces = new.replaced.as_ref().map(|replaced| replaced.id);
    let tagging = new.tag.map(|tag| Tagging { tag, replaces });
    app.index.store_referrer(id, tagging, &records, on_record.intent()).await
}

/// The tag of a manifest at the registry: garbage collection takes what has none for garbage where it does not look at subjects.
/// It is no tag of cosign's, for Zot may remove those whose subject it does not have.
fn tag_at_home(digest: &Digest) -> String {
    format!("referrer-{}", digest.hex())
}
