//! What an artifact is that is to be looked at: found by its digest, for nobody in particular.

use serde::Deserialize;

use super::Subject;
use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::{SbomScope, ScopeKind};
use crate::supply_chain::artifact::{Artifact, Home, ObjectContent};
use crate::supply_chain::facts::About;
use crate::supply_chain::manifest::{MANIFEST, layers};
use crate::supply_chain::referrer::is_evidence;

/// Keys of one manifest that are looked at: those that a bill of materials is indexed for.
const KEYS: u32 = 100;

/// Manifests of an index that are looked at.
const CHILDREN: usize = 1024;

/// An artifact that is there.
pub(super) struct Found {
    /// As those who collect what refers to it know it.
    pub(super) artifact: Artifact,
    /// The keys that it has; none in a repository.
    pub(super) keys: Vec<String>,
    /// The manifests that it lists.
    pub(super) children: Vec<Digest>,
    /// Whether it holds signatures, attestations or bills of materials and nothing else.
    pub(super) is_evidence: bool,
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

impl Subject {
    /// Reads `kind:scope@hex`.
    pub(super) fn read(payload: &str) -> Option<Self> {
        let (scope, hex) = payload.rsplit_once('@')?;
        let (kind, name) = scope.split_once(':')?;
        let kind = match kind {
            "bucket" => ScopeKind::Bucket,
            "repository" => ScopeKind::Repository,
            _ => return None,
        };
        let digest = format!("sha256:{hex}").parse().ok()?;
        Some(Self { scope: SbomScope { kind, name: name.to_owned() }, digest })
    }

    /// The artifact; none where it is gone.
    pub(super) async fn find(&self, app: &App) -> Result<Option<Found>> {
        match self.scope.kind {
            ScopeKind::Bucket => self.object(app).await,
            ScopeKind::Repository => self.manifest(app).await,
        }
    }

    async fn object(&self, app: &App) -> Result<Option<Found>> {
        let bucket = self.scope.name.as_str();
        let found = app.index.artifact_keys(bucket, "", &self.digest, KEYS).await?;
        let (Some(key), Some(manifest)) = (found.keys.first(), &found.manifest) else { return Ok(None) };
        let layer = layers(manifest.as_bytes()).ok().and_then(|layers| layers.into_iter().next());
        let object = layer.map(|layer| ObjectContent { key: key.clone(), digest: layer.digest, size: layer.size });
        let repository = app.index.referrer_repository(bucket).await?;
        let artifact = Artifact {
            digest: self.digest,
            media_type: MANIFEST.to_owned(),
            size: manifest.len() as u64,
            object,
            home: Home::Bucket { bucket: bucket.to_owned(), repository },
        };
        Ok(Some(Found { artifact, keys: found.keys, children: Vec::new(), is_evidence: false }))
    }

    async fn manifest(&self, app: &App) -> Result<Option<Found>> {
        let name = self.scope.name.as_str();
        let Some(manifest) = app.store.get_manifest(name, &self.digest.to_string()).await? else { return Ok(None) };
        let media_type = manifest.media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let artifact = Artifact {
            digest: self.digest,
            media_type,
            size: manifest.bytes.len() as u64,
            object: None,
            home: Home::Repository(name.to_owned()),
        };
        let children = if artifact.is_index() { children(&manifest.bytes) } else { Vec::new() };
        Ok(Some(Found { artifact, keys: Vec::new(), children, is_evidence: is_evidence(&manifest.bytes) }))
    }
}

impl Found {
    /// The artifact as documents speak of it. An object's repository is any folder that one of its keys is in.
    pub(super) fn about(&self, app: &App) -> About {
        let mut repositories = vec![self.artifact.repository()];
        if let Home::Bucket { bucket, .. } = &self.artifact.home {
            let folders = self.keys.iter().flat_map(|key| folders(key)).map(|folder| format!("s3/{bucket}/{folder}"));
            repositories.extend(folders);
            repositories.sort_unstable();
            repositories.dedup();
        }
        let hosts = app.config.listen.external_host().into_iter().collect();
        About { digests: self.artifact.digests(), repositories, hosts }
    }
}

/// Every folder that a key is in.
fn folders(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('/').filter_map(|(at, _)| key.get(..at)).filter(|folder| !folder.is_empty())
}

/// The manifests that an index lists, each once.
fn children(index: &[u8]) -> Vec<Digest> {
    let listed = serde_json::from_slice::<Listing>(index).map(|listing| listing.manifests).unwrap_or_default();
    let mut children: Vec<Digest> =
        listed.iter().take(CHILDREN).filter_map(|entry| entry.digest.parse().ok()).collect();
    children.sort_unstable();
    children.dedup();
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_an_artifact() {
        let digest = Digest::of(b"x");
        let read = Subject::read(&format!("repository:team/app@{}", digest.hex())).unwrap();
        assert_eq!(
            (read.scope.kind, read.scope.name.as_str(), read.digest),
            (ScopeKind::Repository, "team/app", digest)
        );
        for payload in ["", "bucket:b", "bucket:b@", "planet:b@00", "b@00"] {
            assert_eq!(Subject::read(payload), None, "{payload}");
        }
    }

    #[test]
    fn an_object_is_found_in_every_folder_above_it() {
        assert_eq!(folders("a/b/c.tgz").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(folders("c.tgz").count(), 0);
        assert_eq!(folders("/c").count(), 0);
    }

    #[test]
    fn an_index_lists_each_of_its_manifests_once() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let index = format!(
            r#"{{"manifests":[{{"digest":"{a}"}},{{"digest":"{b}"}},{{"digest":"{a}"}},{{"digest":"sha512:x"}}]}}"#
        );
        let mut expected = vec![a, b];
        expected.sort_unstable();
        assert_eq!(children(index.as_bytes()), expected);
        assert!(children(b"[").is_empty());
    }
}
