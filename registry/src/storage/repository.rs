//! One repository: an OCI image layout. Blobs are immutable files, so they need no lock; the manifests have one, per
//! repository.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;

use super::{
    disk::{self, Unfinished},
    index::{Entry, Index},
};
use crate::{
    digest::{Algorithm, Digest},
    manifest,
    name::{RepositoryName, Tag},
};

pub(crate) struct Repository {
    name: RepositoryName,
    folder: PathBuf,
    uploads: PathBuf,
    /// What `index.json` holds, once it has been read. The registry is its only writer.
    index: RwLock<Option<Arc<Index>>>,
    /// Held for writing while manifests change; for reading while a blob is deleted, which must not be a manifest.
    pub(crate) changes: Arc<tokio::sync::RwLock<()>>,
}

/// A manifest to be stored; its digest has been verified.
pub(crate) struct NewManifest {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
    pub(crate) entry: Entry,
    pub(crate) subject: Option<Digest>,
    pub(crate) tags: Vec<Tag>,
}

impl Repository {
    pub(crate) fn new(name: RepositoryName, folder: PathBuf, uploads: PathBuf) -> Self {
        Self { name, folder, uploads, index: RwLock::default(), changes: Arc::default() }
    }

    pub(crate) fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Makes the layout; `oci-layout` comes last, for the repository exists when that file does.
    pub(super) fn make(&self) -> io::Result<()> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            disk::create_dir_all(&self.folder.join("blobs").join(algorithm.as_str()))?;
        }
        let index = self.index_path();
        if !index.try_exists()? {
            let empty = Index::default().to_json().map_err(io::Error::other)?;
            self.write(&[empty.into()], &index)?;
        }
        self.write(&[Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#)], &self.folder.join("oci-layout"))
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// The size of a blob; `None` when it is not there.
    pub(crate) fn blob_size(&self, digest: &Digest) -> io::Result<Option<u64>> {
        disk::size(&self.blob_path(digest))
    }

    /// A blob and its size; `None` when it is not there.
    pub(crate) fn open_blob(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        match File::open(self.blob_path(digest)) {
            Ok(file) => {
                let size = file.metadata()?.len();
                Ok(Some((file, size)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a small blob whose digest has been verified.
    pub(crate) fn put_blob(&self, digest: &Digest, parts: &[Bytes]) -> io::Result<()> {
        let length = parts.iter().map(|part| part.len() as u64).sum();
        if self.keep_existing(digest, length)? {
            return Ok(());
        }
        self.write(parts, &self.blob_path(digest))
    }

    /// Stores a finished file as a blob; it is gone from where it was in any case.
    pub(crate) fn put_file(&self, digest: &Digest, file: &File, path: &Path, length: u64) -> io::Result<()> {
        if self.keep_existing(digest, length)? {
            return fs::remove_file(path);
        }
        let place = self.blob_path(digest);
        disk::publish(file, path, &place)?;
        disk::sync_parent(&place)
    }

    /// Whether the blob is there already. If so it is durable when this returns: another request may have put it there
    /// without having synced the folder yet.
    fn keep_existing(&self, digest: &Digest, length: u64) -> io::Result<bool> {
        let place = self.blob_path(digest);
        if disk::size(&place)? == Some(length) {
            disk::sync_parent(&place)?;
            return Ok(true);
        }
        // A layout that another tool made may lack the folder of an algorithm.
        if let Some(parent) = place.parent() {
            disk::create_dir_all(parent)?;
        }
        Ok(false)
    }

    /// Gives this repository another one's blob by a hard link; `false` when that cannot be done.
    pub(crate) fn link_blob(&self, digest: &Digest, from: &Self) -> io::Result<bool> {
        let Some(length) = from.blob_size(digest)? else { return Ok(false) };
        if self.keep_existing(digest, length)? {
            return Ok(true);
        }
        let place = self.blob_path(digest);
        match fs::hard_link(from.blob_path(digest), &place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                tracing::debug!(%error, "a blob could not be linked; the client uploads it");
                Ok(false)
            }
            _ => disk::sync_parent(&place).map(|()| true),
        }
    }

    /// `false` when there was no such blob.
    pub(crate) fn delete_blob(&self, digest: &Digest) -> io::Result<bool> {
        disk::remove(&self.blob_path(digest))
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.json")
    }

    fn write(&self, parts: &[Bytes], place: &Path) -> io::Result<()> {
        Unfinished::create(&self.uploads)?.write_to(parts, place)
    }

    /// The index, if it need not be read from the disk.
    pub(crate) fn cached_index(&self) -> Option<Arc<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The index as it is now.
    pub(crate) fn index(&self) -> io::Result<Arc<Index>> {
        if let Some(index) = self.cached_index() {
            return Ok(index);
        }
        // Locked while it is read, so that no older state comes after a newer one.
        let mut cached = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*cached {
            return Ok(index.clone());
        }
        let bytes = fs::read(self.index_path())?;
        let index = Arc::new(Index::parse(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?);
        *cached = Some(index.clone());
        Ok(index)
    }

    fn save(&self, index: Index) -> io::Result<()> {
        let json = index.to_json().map_err(io::Error::other)?;
        let written = self.write(&[json.into()], &self.index_path());
        // After a failure the disk is asked what there is.
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = written.is_ok().then(|| Arc::new(index));
        written
    }

    /// Stores a manifest under its tags. The caller holds [`Self::changes`].
    pub(crate) fn put_manifest(&self, manifest: NewManifest) -> io::Result<()> {
        let NewManifest { digest, bytes, entry, subject, tags } = manifest;
        self.put_blob(&digest, &[bytes])?;
        let index = self.index()?;
        if index.holds(&digest, &entry, &tags) {
            return Ok(());
        }
        let mut index = Index::clone(&index);
        index.insert(&digest, entry, subject.as_ref(), &tags);
        self.save(index)
    }

    /// `false` when there was no such tag. The caller holds [`Self::changes`].
    pub(crate) fn delete_tag(&self, tag: &Tag) -> io::Result<bool> {
        let mut index = Index::clone(&*self.index()?);
        if !index.remove_tag(tag) {
            return Ok(false);
        }
        self.save(index).map(|()| true)
    }

    /// `false` when there was no such manifest. The caller holds [`Self::changes`].
    pub(crate) fn delete_manifest(&self, digest: &Digest) -> io::Result<bool> {
        let mut index = Index::clone(&*self.index()?);
        if !index.remove_manifest(digest) {
            return Ok(false);
        }
        self.save(index)?;
        self.delete_blob(digest)?;
        Ok(true)
    }

    /// The index with its subjects, which are read from every manifest the first time.
    pub(crate) fn index_with_subjects(&self) -> io::Result<Arc<Index>> {
        loop {
            let index = self.index()?;
            if index.knows_subjects() {
                return Ok(index);
            }
            let mut with_subjects = Index::clone(&index);
            with_subjects.set_subjects(self.read_subjects(&index)?);
            let with_subjects = Arc::new(with_subjects);
            let mut cached = self.index.write().unwrap_or_else(PoisonError::into_inner);
            // A manifest may have come meanwhile; then this is not the truth any more.
            if cached.as_ref().is_some_and(|now| Arc::ptr_eq(now, &index)) {
                *cached = Some(with_subjects.clone());
                return Ok(with_subjects);
            }
        }
    }

    fn read_subjects(&self, index: &Index) -> io::Result<BTreeMap<Digest, BTreeSet<Digest>>> {
        let mut subjects: BTreeMap<Digest, BTreeSet<Digest>> = BTreeMap::new();
        for (digest, _) in index.manifests() {
            if let Some(bytes) = self.read_manifest(digest)?
                && let Some(subject) = manifest::subject(&bytes)
            {
                subjects.entry(subject).or_default().insert(digest.clone());
            }
        }
        Ok(subjects)
    }

    /// The bytes of a manifest; `None` when it is not there.
    pub(crate) fn read_manifest(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.blob_path(digest)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
