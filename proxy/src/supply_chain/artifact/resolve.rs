//! Looking an artifact up: an object in the index, a manifest at the registry.

use super::{Artifact, ArtifactRef, Home, ManifestRef, ObjectContent};
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::oci::Name;
use crate::supply_chain::manifest::{MANIFEST, layers};

/// How often an object is looked at whose digest has to be found first: it may be replaced meanwhile.
const ATTEMPTS: u32 = 3;

/// What a name stands for now. The permit must be for what it names ([`ArtifactRef::resource`]); which right it is, is the caller's
/// concern. An object that came in parts is read to its end first, and waited for as long as a client of the registry waits.
///
/// # Errors
/// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `NameUnknown`, `ManifestUnknown`; `DigestPending` where an object is being read.
pub async fn resolve(app: &App, permit: &Permit, reference: &ArtifactRef) -> Result<Artifact> {
    let resource = reference.resource();
    if *permit.resource() != resource {
        return Err(Error::internal(format!("{} is permitted, and {resource} is asked for", permit.resource())));
    }
    match reference {
        ArtifactRef::Object { bucket, key, version } => object(app, bucket, key, version.as_deref()).await,
        ArtifactRef::Manifest { repository, reference } => manifest(app, repository, reference).await,
    }
}

async fn object(app: &App, bucket: &str, key: &str, version: Option<&str>) -> Result<Artifact> {
    let repository = app.index.referrer_repository(bucket).await?;
    for _ in 0..ATTEMPTS {
        let found = match version {
            Some(version) => app.index.artifact_version(bucket, key, version).await?,
            None => app.index.artifact(bucket, key).await?,
        };
        let Some(manifest) = found.manifest else {
            app.digester.find(found.object_id).await?;
            continue;
        };
        let layer = layers(manifest.as_bytes()).ok().and_then(|layers| layers.into_iter().next());
        let layer =
            layer.ok_or_else(|| Error::internal(format!("the manifest of s3://{bucket}/{key} has no layer")))?;
        return Ok(Artifact {
            digest: Digest::of(manifest.as_bytes()),
            media_type: MANIFEST.to_owned(),
            size: manifest.len() as u64,
            object: Some(ObjectContent { key: key.to_owned(), digest: layer.digest, size: layer.size }),
            home: Home::Bucket { bucket: bucket.to_owned(), repository },
        });
    }
    Err(Error::from(Code::DigestPending).detail("the object was replaced each time its digest was found"))
}

async fn manifest(app: &App, repository: &Name, reference: &ManifestRef) -> Result<Artifact> {
    if repository.is_reserved(&app.config.store.prefix) {
        return Err(Code::NameUnknown.into());
    }
    let name = repository.as_str();
    let found = match reference {
        ManifestRef::Tag(tag) => app.store.get_manifest(name, tag).await?,
        ManifestRef::Digest(digest) => app.store.get_manifest(name, &digest.to_string()).await?,
    };
    let found = found.ok_or(Code::ManifestUnknown)?;
    let media_type = found.media_type.split(';').next().unwrap_or_default().trim().to_owned();
    Ok(Artifact {
        digest: found.digest,
        media_type,
        size: found.bytes.len() as u64,
        object: None,
        home: Home::Repository(name.to_owned()),
    })
}
