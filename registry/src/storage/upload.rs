//! Blob bytes on their way in: a file with its running hash.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{disk, repository::Repository};
use crate::{
    body::{PIECE_BYTES, Piece},
    digest::{Algorithm, Digest, Hasher},
};

/// A file that bytes are appended to, and the hash of what it holds.
pub(crate) struct Upload {
    path: PathBuf,
    /// `None` until the first byte, and after a restart; then the hash is not known either.
    file: Option<File>,
    hasher: Hasher,
    received: Arc<AtomicU64>,
    /// The bytes outlive this value.
    resumable: bool,
    finished: bool,
}

/// A point to go back to.
pub(crate) struct Mark {
    length: u64,
    hasher: Hasher,
}

/// Why an upload did not become a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the content has the digest {0}")]
    OtherDigest(Digest),
}

impl Upload {
    /// An upload that ends with its request.
    pub(crate) fn temporary(folder: &Path, algorithm: Algorithm) -> Self {
        Self::new(disk::temporary_path(folder), algorithm, false)
    }

    pub(super) fn new(path: PathBuf, algorithm: Algorithm, resumable: bool) -> Self {
        Self { path, file: None, hasher: Hasher::new(algorithm), received: Arc::default(), resumable, finished: false }
    }

    /// The count of bytes, to be read while somebody else has the upload.
    pub(super) fn received(&self) -> Arc<AtomicU64> {
        self.received.clone()
    }

    /// Takes no more bytes. What there is on the disk is the caller's.
    pub(super) fn close(&mut self) {
        self.finished = true;
        self.file = None;
    }

    /// Whether it has become a blob or was closed.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn length(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }

    /// Opens the file; after a restart what it holds is hashed again.
    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&self.path)?;
            let (hasher, length) = hash(&mut file, self.hasher.algorithm())?;
            self.hasher = hasher;
            self.received.store(length, Ordering::SeqCst);
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn mark(&mut self) -> io::Result<Mark> {
        self.open()?;
        Ok(Mark { length: self.length(), hasher: self.hasher.clone() })
    }

    /// Forgets what came after the mark.
    pub(crate) fn rollback(&mut self, mark: Mark) -> io::Result<()> {
        self.hasher = mark.hasher;
        self.cut(mark.length)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.received.store(length, Ordering::SeqCst);
        let file = self.open()?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length)).map(drop)
    }

    /// Writes all of a piece or nothing.
    pub(crate) fn append(&mut self, piece: &Piece) -> io::Result<()> {
        let file = self.open()?;
        if let Err(error) = piece.parts.iter().try_for_each(|part| file.write_all(part)) {
            let length = self.length();
            // The hash is still that of the bytes before; if even this fails, the next request hashes anew.
            if self.cut(length).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        for part in &piece.parts {
            self.hasher.update(part);
        }
        self.received.fetch_add(piece.length, Ordering::SeqCst);
        Ok(())
    }

    /// Appends the last piece and makes the whole a blob, which is durable when this returns.
    pub(crate) fn commit(&mut self, last: &Piece, digest: &Digest, repository: &Repository) -> Result<(), CommitError> {
        self.open()?;
        if self.length() == 0 {
            self.hasher = Hasher::new(digest.algorithm());
        }
        self.append(last)?;
        let actual = if self.hasher.algorithm() == digest.algorithm() {
            self.hasher.clone().finish()
        } else {
            hash(self.open()?, digest.algorithm())?.0.finish()
        };
        if actual != *digest {
            return Err(CommitError::OtherDigest(actual));
        }
        let (length, path) = (self.length(), self.path.clone());
        repository.put_file(digest, self.open()?, &path, length)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.resumable && !self.finished && self.file.is_some() {
            // It is in nobody's way, and the next start tries again.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Hashes a file from its start; it stands at its end then.
fn hash(file: &mut File, algorithm: Algorithm) -> io::Result<(Hasher, u64)> {
    let mut hasher = Hasher::new(algorithm);
    let mut length = 0;
    let mut buffer = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    loop {
        buffer.clear();
        file.take(PIECE_BYTES).read_to_end(&mut buffer)?;
        if buffer.is_empty() {
            return Ok((hasher, length));
        }
        hasher.update(&buffer);
        length += buffer.len() as u64;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::storage::Storage;

    pub(crate) fn piece(text: &'static str) -> Piece {
        Piece { parts: vec![text.into()], length: text.len() as u64 }
    }

    pub(crate) fn digest(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    pub(crate) struct Fixture {
        _root: tempfile::TempDir,
        pub(crate) storage: Storage,
        pub(crate) repository: Arc<Repository>,
    }

    pub(crate) fn fixture() -> Fixture {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::open(root.path()).unwrap();
        let repository = storage.ensure_repository(&"a".parse().unwrap()).unwrap();
        Fixture { _root: root, storage, repository }
    }

    pub(crate) fn files(fixture: &Fixture) -> usize {
        fs::read_dir(fixture.storage.uploads()).unwrap().count()
    }

    #[test]
    fn a_committed_upload_is_a_blob_and_leaves_nothing_else() {
        let fixture = fixture();
        let mut upload = Upload::temporary(fixture.storage.uploads(), Algorithm::Sha256);
        upload.append(&piece("hello ")).unwrap();
        upload.commit(&piece("world"), &digest("hello world"), &fixture.repository).unwrap();
        assert_eq!(fs::read(fixture.repository.blob_path(&digest("hello world"))).unwrap(), b"hello world");
        drop(upload);
        assert_eq!(files(&fixture), 0);
    }

    #[test]
    fn another_digest_is_refused_and_leaves_nothing() {
        let fixture = fixture();
        let mut upload = Upload::temporary(fixture.storage.uploads(), Algorithm::Sha256);
        let refused = upload.commit(&piece("x"), &digest("y"), &fixture.repository);
        assert!(matches!(refused, Err(CommitError::OtherDigest(actual)) if actual == digest("x")));
        drop(upload);
        assert_eq!(files(&fixture), 0);
        assert_eq!(fixture.repository.blob_size(&digest("y")).unwrap(), None);
    }

    #[test]
    fn a_digest_of_another_algorithm_than_announced_is_verified_too() {
        let fixture = fixture();
        let sha512 = Digest::of(Algorithm::Sha512, b"ab");
        let mut upload = Upload::temporary(fixture.storage.uploads(), Algorithm::Sha256);
        upload.append(&piece("a")).unwrap();
        upload.commit(&piece("b"), &sha512, &fixture.repository).unwrap();
        assert_eq!(fixture.repository.blob_size(&sha512).unwrap(), Some(2));
    }

    #[test]
    fn a_rollback_takes_bytes_and_hash_back() {
        let fixture = fixture();
        let mut upload = Upload::temporary(fixture.storage.uploads(), Algorithm::Sha256);
        upload.append(&piece("a")).unwrap();
        let mark = upload.mark().unwrap();
        upload.append(&piece("wrong")).unwrap();
        upload.rollback(mark).unwrap();
        assert_eq!(upload.length(), 1);
        upload.commit(&piece("b"), &digest("ab"), &fixture.repository).unwrap();
    }
}
