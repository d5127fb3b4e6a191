//! The data folder: one `dev` at a time, one place for every file.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The data folder, locked for as long as this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing and locks it. The lock is the kernel's, so that a killed run leaves none behind.
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("making the data folder {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("finding the data folder {}", root.display()))?;
        let lock = File::create(root.join("lock")).with_context(|| format!("writing to {}", root.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another `zas-proxy dev` uses {}; stop it, or choose another folder with --data-dir",
                    root.display()
                )
            }
            Err(TryLockError::Error(error)) => bail!("locking {}: {error}", root.display()),
        }
    }

    /// A path within the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file that only its owner may read.
    pub(super) fn write_private(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        self.write(name, text, 0o600)
    }

    /// Writes a file that everybody may read.
    pub(super) fn write_public(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        self.write(name, text, 0o644)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> anyhow::Result<PathBuf> {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(&path).with_context(|| format!("writing {}", path.display()))?;
        // A file that was there keeps its mode otherwise.
        file.set_permissions(fs::Permissions::from_mode(mode))
            .with_context(|| format!("writing {}", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// With a database of the user's own, holds on to the kind of registry that it was begun with.
    pub(super) fn remember_upstream(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path("upstream");
        match fs::read_to_string(&path) {
            Ok(known) if known.trim() != name => bail!(
                "this data folder and its database were begun with the {} registry, not with {name}: \
                 start with --zot accordingly, or use another --data-dir and database",
                known.trim()
            ),
            Ok(_) => Ok(()),
            Err(_) => self.write_private("upstream", name).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_in_the_same_folder_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(dir.path()).unwrap();
        let message = Folder::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains("--data-dir"), "{message}");
        drop(first);
        Folder::open(dir.path()).unwrap();
    }

    #[test]
    fn a_database_is_not_used_with_another_registry() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.remember_upstream("zot").unwrap();
        folder.remember_upstream("zot").unwrap();
        assert!(folder.remember_upstream("embedded").is_err());
    }

    #[test]
    fn private_files_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write_public("credentials", "x").unwrap();
        let path = folder.write_private("credentials", "x").unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
