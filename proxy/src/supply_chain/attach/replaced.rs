//! [`Replaced`]: what a tag of older clients names, when it is to name something else. Only by its tag is it found, so that whoever moves
//! the tag removes it: but for what the new manifest keeps of it.

use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::ReferrerRef;
use crate::supply_chain::manifest::keeps;
use crate::supply_chain::referrer::{Kind, Referrer};

/// What a tag names that is to name something else.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    /// Its row.
    pub(super) id: i64,
    /// The digest of its manifest.
    pub(crate) digest: Digest,
    /// What is removed with it, and takes the rights to remove it ([`Kind::detach`]); nothing where the new manifest has all of it.
    pub(crate) dropped: Vec<Kind>,
}

/// What a tag names in a bucket and the manifest `new` takes the place of; none where it names nothing, or that manifest.
///
/// # Errors
/// `UpstreamUnavailable`, `IndexUnavailable`.
pub(crate) async fn replaced(app: &App, bucket: &str, tag: &str, new: &[u8]) -> Result<Option<Replaced>> {
    let Some(row) = app.index.referrer(bucket, ReferrerRef::Tag(tag)).await? else { return Ok(None) };
    if row.digest == Digest::of(new) {
        return Ok(None);
    }
    let old = app.store.get_manifest(&row.repository, &row.digest.to_string()).await?;
    // One that cannot be read may have held anything.
    let is_kept = old.is_some_and(|old| is_listed(&old.bytes) || keeps(&old.bytes, new));
    let dropped = if is_kept { Vec::new() } else { row.kinds.iter().map(|kind| Kind::parse(kind)).collect() };
    Ok(Some(Replaced { id: row.id, digest: row.digest, dropped }))
}

/// Whether a manifest says itself what it refers to, and is found by that whatever its tag names.
fn is_listed(manifest: &[u8]) -> bool {
    Referrer::parse(None, manifest, None).is_ok_and(|referrer| referrer.subject.is_some())
}
