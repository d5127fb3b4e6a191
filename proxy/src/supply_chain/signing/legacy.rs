//! The older form: one manifest under a tag, which is read, added to and put back.
//!
//! Registries know no conditional push: two who add at the same time may undo one another. Within this process they take turns; whoever
//! finds its layer gone afterwards adds it again. Two processes at the very same time may still lose one in a repository; signing again
//! adds it. The tags of objects are moved by the index, and only from what was read.

use std::collections::BTreeMap;

use tokio::sync::{Mutex, MutexGuard};

use super::{Form, Made};
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::ReferrerRef;
use crate::supply_chain::artifact::{Artifact, Home};
use crate::supply_chain::attach::{NewReferrerDocument, attach};
use crate::supply_chain::dsse::{self, Envelope};
use crate::supply_chain::encoding;
use crate::supply_chain::keys::ActiveKey;
use crate::supply_chain::legacy::{Layer, Payload, SIGNATURE};
use crate::supply_chain::manifest::{append_legacy, layers, legacy_tag};

/// How often a layer is added that somebody has undone.
const ATTEMPTS: u32 = 5;

/// The annotation that says what a statement's predicate is (cosign, "Attestation Specification").
const PREDICATE_TYPE: &str = "predicateType";

/// How many artifacts can be added to at the same time.
const STRIPES: usize = 64;

/// Turns at adding to what the tags of artifacts name: those of one artifact are taken one after the other.
#[derive(Debug)]
pub struct LegacyTags([Mutex<()>; STRIPES]);

impl LegacyTags {
    /// With every turn free.
    #[must_use]
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }

    /// Waits for the turn of an artifact. None is ever waited for by one who holds another.
    async fn turn(&self, artifact: &Digest) -> Option<MutexGuard<'_, ()>> {
        let stripe = artifact.as_bytes().first().map_or(0, |first| usize::from(*first) % STRIPES);
        Some(self.0.get(stripe)?.lock().await)
    }
}

impl Default for LegacyTags {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds an envelope to what the tag `.att` names.
pub(super) async fn append_envelope(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    envelope: &Envelope,
    predicate_type: &str,
    note: &str,
) -> Result<Made> {
    let annotations = BTreeMap::from([
        // The signature stands in the envelope; cosign wants the annotation all the same.
        (SIGNATURE.to_owned(), String::new()),
        (PREDICATE_TYPE.to_owned(), predicate_type.to_owned()),
    ]);
    let layer = Layer { media_type: dsse::MEDIA_TYPE.to_owned(), bytes: envelope.to_json()?, annotations };
    append(app, permit, artifact, "att", &layer, note).await
}

/// Adds a layer to what a tag names.
pub(super) async fn append(
    app: &App,
    permit: &Permit,
    artifact: &Artifact,
    end: &str,
    layer: &Layer,
    note: &str,
) -> Result<Made> {
    let tag = legacy_tag(&artifact.digest, end);
    let _turn = app.legacy_tags.turn(&artifact.digest).await;
    for _ in 0..ATTEMPTS {
        let existing = manifest_of(app, artifact, &tag).await?;
        let added = append_legacy(existing.as_deref(), layer)?;
        let document = NewReferrerDocument::tagged(added, tag.clone()).noted(note);
        let attached = match attach(app, permit, artifact, document).await {
            // Somebody else has added to it meanwhile.
            Err(error) if error.code() == Code::OperationAborted => continue,
            attached => attached?,
        };
        let now = manifest_of(app, artifact, &tag).await?.unwrap_or_default();
        if has(&now, layer) {
            return Ok(Made { digest: attached.digest, form: Form::Legacy, tag: Some(tag) });
        }
    }
    Err(Error::from(Code::OperationAborted).detail(format!("{tag} was moved by others each time it was added to")))
}

/// Whether a key has signed this payload under the tag `.sig` already.
pub(super) async fn is_signed(app: &App, artifact: &Artifact, key: &ActiveKey, payload: &Payload) -> Result<bool> {
    let tag = legacy_tag(&artifact.digest, "sig");
    let Some(manifest) = manifest_of(app, artifact, &tag).await? else { return Ok(false) };
    let bytes = payload.to_bytes()?;
    let digest = Digest::of(&bytes);
    let is_by_key = |annotations: &BTreeMap<String, String>| {
        let signature = annotations.get(SIGNATURE).and_then(|text| encoding::decode(text));
        signature.is_some_and(|signature| key.public_key().has_signed(&bytes, &signature))
    };
    let layers = layers(&manifest);
    Ok(layers.is_ok_and(|layers| layers.iter().any(|one| one.digest == digest && is_by_key(&one.annotations))))
}

/// The manifest that a tag names now.
async fn manifest_of(app: &App, artifact: &Artifact, tag: &str) -> Result<Option<Vec<u8>>> {
    let manifest = match &artifact.home {
        Home::Repository(name) => app.store.get_manifest(name, tag).await?,
        Home::Bucket { bucket, repository } => match app.index.referrer(bucket, ReferrerRef::Tag(tag)).await? {
            Some(row) => app.store.get_manifest(repository, &row.digest.to_string()).await?,
            None => None,
        },
    };
    Ok(manifest.map(|manifest| manifest.bytes.to_vec()))
}

/// Whether a manifest has the layer.
fn has(manifest: &[u8], layer: &Layer) -> bool {
    let digest = Digest::of(&layer.bytes);
    let is_it = |annotations: &BTreeMap<String, String>| annotations.get(SIGNATURE) == layer.annotations.get(SIGNATURE);
    layers(manifest).is_ok_and(|layers| layers.iter().any(|one| one.digest == digest && is_it(&one.annotations)))
}
