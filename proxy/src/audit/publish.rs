//! Checkpoints in the upstream registry, out of reach of whoever owns the database.
//!
//! One repository, `zas/audit/<prefix>`, which the OCI door keeps from clients; one OCI artifact an hour, tagged
//! `YYYYMMDDTHH`, with a layer a checkpoint; the tag `latest` is the last hour's. Layers are only ever added, and each
//! artifact names the tag of the one before it.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::checkpoint::Head;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::{AuditCheckpoint, Index};
use crate::store::Store;

/// The tag of the last hour.
const LATEST: &str = "latest";

/// Checkpoints that are published at a time.
const BATCH: u32 = 500;

/// Longest layer that is read; a checkpoint has some hundred bytes a head.
const LAYER_BYTES: u64 = 16 << 20;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT: &str = "application/vnd.zot-artifact-store.audit.checkpoints.v1";
const LAYER: &str = "application/vnd.zot-artifact-store.audit.checkpoint.v1+json";
const NUMBER: &str = "zot-artifact-store.audit.checkpoint";
const PREVIOUS: &str = "zot-artifact-store.audit.previous";

/// Empty configuration (OCI image-spec, "Guidance for an empty descriptor").
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

/// The repository of a deployment.
#[must_use]
pub fn repository(prefix: &str) -> String {
    format!("zas/audit/{prefix}")
}

/// A checkpoint as the registry holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Published {
    pub(super) number: i64,
    pub(super) note: String,
    pub(super) heads: Vec<Head>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: String,
    artifact_type: String,
    config: Layer,
    layers: Vec<Layer>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Layer {
    fn number(&self) -> Option<i64> {
        self.annotations.get(NUMBER)?.parse().ok()
    }
}

/// Publishes what the registry does not hold yet; how many it was.
/// # Errors
/// `IndexUnavailable`, or what the registry says; the rest comes again.
pub async fn publish(index: &Index, store: &Store, prefix: &str) -> Result<usize> {
    let repository = repository(prefix);
    let from = index.published_audit_checkpoint().await?;
    let all = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::now_utc() + time::Duration::days(366));
    let fresh = index.audit_checkpoints(from + 1, all, BATCH).await?;
    for hour in fresh.chunk_by(|a, b| tag(a).ok() == tag(b).ok()) {
        let Some(last) = hour.last() else { continue };
        publish_hour(store, &repository, hour, &tag(last)?).await?;
        index.set_published_audit_checkpoint(last.number).await?;
    }
    Ok(fresh.len())
}

fn tag(checkpoint: &AuditCheckpoint) -> Result<String> {
    let hour = format_description!("[year][month][day]T[hour]");
    checkpoint.made_at.to_offset(UtcOffset::UTC).format(hour).map_err(Error::internal)
}

async fn publish_hour(store: &Store, repository: &str, hour: &[AuditCheckpoint], tag: &str) -> Result<()> {
    let mut manifest = match read_manifest(store, repository, tag).await? {
        Some(manifest) => manifest,
        None => begin(store, repository).await?,
    };
    for checkpoint in hour {
        // What is there stays as it is: nobody who owns the database rewrites it by publishing again.
        if !manifest.layers.iter().any(|layer| layer.number() == Some(checkpoint.number)) {
            manifest.layers.push(put_layer(store, repository, checkpoint).await?);
        }
    }
    manifest.annotations.insert(NUMBER.to_owned(), tag.to_owned());
    let bytes = Bytes::from(serde_json::to_vec(&manifest).map_err(Error::internal)?);
    store.put_manifest(repository, tag, MANIFEST, bytes.clone()).await?;
    store.put_manifest(repository, LATEST, MANIFEST, bytes).await.map(drop)
}

/// An hour's manifest without a checkpoint yet; it names the hour before.
async fn begin(store: &Store, repository: &str) -> Result<Manifest> {
    let before = read_manifest(store, repository, LATEST).await?;
    let previous = before.and_then(|before| before.annotations.get(NUMBER).cloned());
    let digest = Digest::of(EMPTY.1);
    store.put_blob(repository, &digest, Bytes::from_static(EMPTY.1)).await?;
    let config = Layer {
        media_type: EMPTY.0.to_owned(),
        digest: digest.to_string(),
        size: EMPTY.1.len() as u64,
        annotations: BTreeMap::new(),
    };
    Ok(Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        artifact_type: ARTIFACT.to_owned(),
        config,
        layers: Vec::new(),
        annotations: previous.into_iter().map(|tag| (PREVIOUS.to_owned(), tag)).collect(),
    })
}

async fn put_layer(store: &Store, repository: &str, checkpoint: &AuditCheckpoint) -> Result<Layer> {
    let published = Published {
        number: checkpoint.number,
        note: checkpoint.note.clone(),
        heads: serde_json::from_str(&checkpoint.heads).map_err(Error::internal)?,
    };
    let bytes = Bytes::from(serde_json::to_vec(&published).map_err(Error::internal)?);
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    store.put_blob(repository, &digest, bytes).await?;
    let annotations = BTreeMap::from([(NUMBER.to_owned(), checkpoint.number.to_string())]);
    Ok(Layer { media_type: LAYER.to_owned(), digest: digest.to_string(), size, annotations })
}

async fn read_manifest(store: &Store, repository: &str, tag: &str) -> Result<Option<Manifest>> {
    let Some(manifest) = store.get_manifest(repository, tag).await? else { return Ok(None) };
    serde_json::from_slice(&manifest.bytes)
        .map(Some)
        .map_err(|error| Error::internal(format!("{repository}:{tag} holds no checkpoints")).source(error))
}

/// What the registry holds, from the last hour back to that of `from`; the last checkpoint comes first.
/// # Errors
/// What the registry says; `InternalError` where an hour is missing that a later one names.
pub(super) async fn published(store: &Store, prefix: &str, from: OffsetDateTime) -> Result<Vec<Published>> {
    let repository = repository(prefix);
    let oldest = tag(&AuditCheckpoint { number: 0, made_at: from, note: String::new(), heads: String::new() })?;
    let mut found = Vec::new();
    let mut next = Some(LATEST.to_owned());
    while let Some(tag) = next {
        let manifest = match read_manifest(store, &repository, &tag).await? {
            Some(manifest) => manifest,
            None if tag == LATEST => return Ok(found),
            None => return Err(Error::internal(format!("{repository}:{tag} is missing: a later hour names it"))),
        };
        for layer in manifest.layers.iter().rev() {
            found.push(read_layer(store, &repository, layer).await?);
        }
        // Tags sort as their hours do.
        let previous = manifest.annotations.get(PREVIOUS).cloned();
        next = previous.filter(|previous| *previous >= oldest && (tag == LATEST || *previous < tag));
    }
    Ok(found)
}

async fn read_layer(store: &Store, repository: &str, layer: &Layer) -> Result<Published> {
    let digest: Digest = layer.digest.parse().map_err(Error::internal)?;
    if layer.size > LAYER_BYTES {
        return Err(Error::internal(format!("a checkpoint of {} bytes", layer.size)));
    }
    let stream = store.get_blob(repository, &digest, layer.size, 0..layer.size).await?;
    let bytes: Vec<Bytes> = stream.try_collect().await?;
    let bytes = bytes.concat();
    if Digest::of(&bytes) != digest {
        return Err(Error::internal(format!("the registry holds other bytes than {digest} says")));
    }
    serde_json::from_slice(&bytes).map_err(|error| Error::internal("a layer is no checkpoint").source(error))
}
