//! Files that appear whole and stay: temporary file, sync, rename, sync of the folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use uuid::Uuid;

/// Marks files that no upload session owns; they are garbage after a crash.
const TEMPORARY: &str = "tmp-";

/// A new name for an unfinished file.
pub(crate) fn temporary_path(folder: &Path) -> PathBuf {
    folder.join(format!("{TEMPORARY}{}", Uuid::new_v4()))
}

/// Removes what a crash left behind.
pub(crate) fn remove_temporary_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_dir(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and its parents, durably.
pub(crate) fn create_dir_all(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir_all(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_dir(parent)
}

/// A new file that is removed unless it is put in its place.
pub(crate) struct Unfinished {
    path: PathBuf,
    file: File,
    placed: bool,
}

impl Unfinished {
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let path = temporary_path(folder);
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file, placed: false })
    }

    /// The whole content goes to its place in one step, durably.
    pub(crate) fn write_to(mut self, parts: &[Bytes], place: &Path) -> io::Result<()> {
        for part in parts {
            self.file.write_all(part)?;
        }
        publish(&self.file, &self.path, place)?;
        self.placed = true;
        sync_parent(place)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.placed {
            // It is in nobody's way, and the next start tries again.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Syncs a file and renames it to its place. The folder is not synced yet.
pub(crate) fn publish(file: &File, from: &Path, place: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, place)
}

/// Makes a file's entry in its folder durable.
pub(crate) fn sync_parent(place: &Path) -> io::Result<()> {
    sync_dir(place.parent().unwrap_or(Path::new(".")))
}

/// Removes a file durably; `false` when there was none.
pub(crate) fn remove(place: &Path) -> io::Result<bool> {
    match fs::remove_file(place) {
        Ok(()) => sync_parent(place).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The size of a regular file; `None` when there is none.
pub(crate) fn size(place: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(place) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        drop(Unfinished::create(folder.path()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Unfinished::create(folder.path())
            .unwrap()
            .write_to(&[Bytes::from_static(b"who"), Bytes::from_static(b"le")], &place)
            .unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("missing/place");
        assert!(Unfinished::create(folder.path()).unwrap().write_to(&[Bytes::from_static(b"x")], &nowhere).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn removing_what_is_not_there_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        assert!(!remove(&place).unwrap());
        fs::write(&place, "x").unwrap();
        assert_eq!(size(&place).unwrap(), Some(1));
        assert!(remove(&place).unwrap());
        assert_eq!(size(&place).unwrap(), None);
    }
}
