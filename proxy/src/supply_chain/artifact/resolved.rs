//! [`Artifact`]: what a name stood for when it was looked up.

use crate::digest::Digest;
use crate::index::{SbomScope, ScopeKind};
use crate::supply_chain::manifest::{Descriptor, MANIFEST};
use crate::supply_chain::statement::Subject;
use zas_policy::Resource;

/// An artifact: a manifest, and for an S3 object the bytes that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The manifest's digest: what signatures are about, and what refers to the artifact names.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's size in bytes.
    pub size: u64,
    /// The object, where it is one.
    pub object: Option<ObjectContent>,
    /// Where it is, and with it what refers to it.
    pub home: Home,
}

/// The bytes of an S3 object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectContent {
    /// The key.
    pub key: String,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// Where an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In a bucket. What refers to it is in a repository of the registry that no client reaches, and listed by the index.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The repository of what refers to the bucket's objects.
        repository: String,
    },
    /// In a repository of the registry, beside what refers to it.
    Repository(String),
}

impl Artifact {
    /// What policies call it: the object, or the repository.
    #[must_use]
    pub fn resource(&self) -> Resource {
        match (&self.home, &self.object) {
            (Home::Bucket { bucket, .. }, Some(object)) => Resource::object(bucket, &object.key),
            (Home::Bucket { bucket, .. }, None) => Resource::bucket(bucket),
            (Home::Repository(name), _) => Resource::repository(name),
        }
    }

    /// Its name for good: `s3://bucket/key`, or `oci://repository@sha256:…`.
    #[must_use]
    pub fn uri(&self) -> String {
        match (&self.home, &self.object) {
            (Home::Bucket { bucket, .. }, object) => {
                format!("s3://{bucket}/{}", object.as_ref().map_or("", |object| object.key.as_str()))
            }
            (Home::Repository(name), _) => format!("oci://{name}@{}", self.digest),
        }
    }

    /// The repository under which clients of the registry find it: `team/app`, or `s3/bucket`.
    #[must_use]
    pub fn repository(&self) -> String {
        match &self.home {
            Home::Bucket { bucket, .. } => format!("s3/{bucket}"),
            Home::Repository(name) => name.clone(),
        }
    }

    /// The repository at the registry that has what refers to it.
    #[must_use]
    pub fn referrers_at(&self) -> &str {
        match &self.home {
            Home::Bucket { repository, .. } => repository,
            Home::Repository(name) => name,
        }
    }

    /// Every digest by which a statement may speak of it: the manifest's, then the object's.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        std::iter::once(self.digest).chain(self.object.as_ref().map(|object| object.digest)).collect()
    }

    /// The subjects of a statement about it: the manifest under the repository's name, for clients of the registry; then the object's
    /// bytes under its key, for whoever has the file.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject> {
        let object = self.object.as_ref().map(|object| Subject::new(&object.key, &object.digest));
        std::iter::once(Subject::new(self.repository(), &self.digest)).chain(object).collect()
    }

    /// Its manifest, as what refers to it names it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.size,
            annotations: Default::default(),
        }
    }

    /// What decides in the index who may read what is known of it.
    #[must_use]
    pub fn scope(&self) -> SbomScope {
        match &self.home {
            Home::Bucket { bucket, .. } => SbomScope { kind: ScopeKind::Bucket, name: bucket.clone() },
            Home::Repository(name) => SbomScope { kind: ScopeKind::Repository, name: name.clone() },
        }
    }

    /// Whether its manifest lists other manifests (an index, of one platform each).
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// Whether its manifest is an image's.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.media_type == MANIFEST || self.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    }
}
