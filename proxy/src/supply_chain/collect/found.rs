//! Finding what refers to an artifact.

use bytes::Bytes;
use futures::future::try_join_all;

use super::buildkit;
use super::{LeftOut, Listed, WhyLeftOut};
use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::{self, ReferrerRef};
use crate::store::{Descriptor, Manifest};
use crate::supply_chain::artifact::{Artifact, Home};
use crate::supply_chain::manifest::{MANIFEST, legacy_tag};
use crate::supply_chain::referrer::{Kind, Referrer, listed_kinds};

/// Referrers that are listed of one artifact.
const LISTED: usize = 1000;

/// Referrers that are asked for at once.
const PAGE: u32 = 500;

/// Referrers that are looked into because the list does not say what they are.
const LOOKED_INTO: usize = 64;

/// Manifests that are asked for at once.
const AT_ONCE: usize = 8;

/// The ends of the tags of older clients (cosign, "Signature", "Attestation" and "SBOM Specification").
const TAGS: [(&str, Kind); 3] = [("sig", Kind::Signature), ("att", Kind::Attestation), ("sbom", Kind::Sbom)];

/// Something that refers to an artifact, with its manifest where that is at hand.
pub(super) struct Found {
    pub(super) listed: Listed,
    pub(super) manifest: Option<Bytes>,
}

/// All of it, within bounds.
pub(super) async fn find(app: &App, artifact: &Artifact) -> Result<(Vec<Found>, Vec<LeftOut>)> {
    let mut left_out = Vec::new();
    let mut found = match &artifact.home {
        Home::Bucket { bucket, .. } => in_bucket(app, bucket, &artifact.digest, &mut left_out).await?,
        Home::Repository(name) => in_repository(app, name, &artifact.digest, &mut left_out).await?,
    };
    found.extend(by_tags(app, artifact).await?);
    if artifact.is_index()
        && let Home::Repository(name) = &artifact.home
    {
        let (listed, rest) = buildkit::find(app, name, &artifact.digest).await?;
        found.extend(listed.into_iter().map(|listed| Found { listed, manifest: None }));
        left_out.extend(rest);
    }
    Ok((found, left_out))
}

/// One of them.
pub(super) async fn find_one(app: &App, artifact: &Artifact, digest: &Digest) -> Result<Option<Listed>> {
    let referrer = match &artifact.home {
        Home::Bucket { bucket, .. } => {
            let row = app.index.referrer(bucket, ReferrerRef::Digest(digest)).await?;
            row.filter(|row| row.root == artifact.digest).map(|row| of_row(row, artifact.digest, None))
        }
        Home::Repository(name) => match app.store.get_manifest(name, &digest.to_string()).await? {
            Some(manifest) => of_manifest(&manifest, None).filter(|listed| listed.subject == artifact.digest),
            None => None,
        },
    };
    if referrer.is_some() {
        return Ok(referrer);
    }
    let (all, _) = find(app, artifact).await?;
    Ok(all.into_iter().map(|found| found.listed).find(|listed| listed.digest == *digest))
}

async fn in_bucket(app: &App, bucket: &str, digest: &Digest, left_out: &mut Vec<LeftOut>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = app.index.list_referrers(bucket, digest, &[], after, PAGE).await?;
        after = page.referrers.last().map_or(after, |last| last.id);
        let listed = page.referrers.into_iter().map(|row| of_row(row, *digest, None));
        found.extend(listed.map(|listed| Found { listed, manifest: None }));
        if !page.truncated {
            return Ok(found);
        }
        if found.len() >= LISTED {
            left_out.push(LeftOut { what: None, why: WhyLeftOut::TooMuch });
            return Ok(found);
        }
    }
}

async fn in_repository(app: &App, name: &str, digest: &Digest, left_out: &mut Vec<LeftOut>) -> Result<Vec<Found>> {
    let mut listed = Vec::new();
    for descriptor in app.store.referrers(name, digest, None).await? {
        match of_descriptor(&descriptor, digest) {
            _ if listed.len() >= LISTED => {
                left_out.push(LeftOut { what: None, why: WhyLeftOut::TooMuch });
                break;
            }
            Some(found) => listed.push(Found { listed: found, manifest: None }),
            None => left_out.push(LeftOut { what: Some(descriptor.digest), why: WhyLeftOut::Unreadable }),
        }
    }
    look_into(app, name, &mut listed).await?;
    Ok(listed)
}

/// What is nothing that is known by its type and its annotations may be so by its layers, as `oras attach --artifact-type` with a type of one's
/// own makes it: the list of a registry does not say, and the index of objects does.
async fn look_into(app: &App, name: &str, listed: &mut [Found]) -> Result<()> {
    let is_unknown = |found: &&mut Found| found.listed.kinds == [Kind::Other];
    let mut unknown: Vec<&mut Found> = listed.iter_mut().filter(is_unknown).take(LOOKED_INTO).collect();
    for some in unknown.chunks_mut(AT_ONCE) {
        try_join_all(some.iter_mut().map(|found| look_into_one(app, name, &mut found.listed))).await?;
    }
    Ok(())
}

async fn look_into_one(app: &App, name: &str, listed: &mut Listed) -> Result<()> {
    let Some(manifest) = app.store.get_manifest(name, &listed.digest.to_string()).await? else { return Ok(()) };
    if let Ok(referrer) = Referrer::parse(Some(&manifest.media_type), &manifest.bytes, None) {
        listed.kinds = referrer.kinds;
    }
    Ok(())
}

/// What older clients find by tags.
async fn by_tags(app: &App, artifact: &Artifact) -> Result<Vec<Found>> {
    let each = TAGS.iter().map(|(end, kind)| async move {
        let tag = legacy_tag(&artifact.digest, end);
        match &artifact.home {
            Home::Bucket { bucket, .. } => {
                let row = app.index.referrer(bucket, ReferrerRef::Tag(&tag)).await?;
                Ok(row.map(|row| Found { listed: of_row(row, artifact.digest, Some(tag)), manifest: None }))
            }
            Home::Repository(name) => {
                let manifest = app.store.get_manifest(name, &tag).await?;
                Ok::<_, crate::error::Error>(manifest.map(|manifest| tagged(manifest, artifact.digest, tag, *kind)))
            }
        }
    });
    Ok(try_join_all(each).await?.into_iter().flatten().collect())
}

fn of_row(row: index::Referrer, subject: Digest, tag: Option<String>) -> Listed {
    let mut kinds: Vec<Kind> = row.kinds.iter().map(|kind| Kind::parse(kind)).collect();
    kinds.sort_unstable();
    Listed {
        digest: row.digest,
        size: row.size,
        artifact_type: row.artifact_type,
        kinds,
        annotations: row.annotations,
        subject,
        tag,
    }
}

fn of_descriptor(descriptor: &Descriptor, subject: &Digest) -> Option<Listed> {
    let digest = descriptor.digest.parse().ok().filter(|_| descriptor.media_type == MANIFEST)?;
    let annotations = descriptor.annotations.clone().unwrap_or_default();
    let artifact_type = descriptor.artifact_type.clone();
    let kinds = listed_kinds(artifact_type.as_deref(), &annotations);
    Some(Listed { digest, size: descriptor.size, artifact_type, kinds, annotations, subject: *subject, tag: None })
}

/// A manifest that says itself what it refers to.
fn of_manifest(manifest: &Manifest, by_tag: Option<Kind>) -> Option<Listed> {
    let referrer = Referrer::parse(None, &manifest.bytes, by_tag).ok()?;
    Some(Listed {
        digest: manifest.digest,
        size: manifest.bytes.len() as u64,
        artifact_type: referrer.artifact_type,
        kinds: referrer.kinds,
        annotations: referrer.annotations,
        subject: referrer.subject?,
        tag: None,
    })
}

fn tagged(manifest: Manifest, subject: Digest, tag: String, kind: Kind) -> Found {
    let referrer = Referrer::parse(None, &manifest.bytes, Some(kind)).ok();
    let listed = Listed {
        digest: manifest.digest,
        size: manifest.bytes.len() as u64,
        artifact_type: referrer.as_ref().and_then(|referrer| referrer.artifact_type.clone()),
        kinds: referrer.as_ref().map_or_else(|| vec![kind], |referrer| referrer.kinds.clone()),
        annotations: referrer.map(|referrer| referrer.annotations).unwrap_or_default(),
        subject,
        tag: Some(tag),
    };
    Found { listed, manifest: Some(manifest.bytes) }
}
