//! The folder: which repositories there are, and the lock that keeps a second registry out. Everything here blocks
//! and is called on blocking threads.
//!
//! ```text
//! <root>/_lock                       held while the registry is open
//! <root>/_uploads/                   unfinished bytes; nothing in it is visible
//! <root>/<repository>/oci-layout     the repository exists when this file does
//! <root>/<repository>/index.json     manifests and tags
//! <root>/<repository>/blobs/<algorithm>/<hex>
//! ```

pub(crate) mod disk;
pub(crate) mod index;
pub(crate) mod repository;
pub(crate) mod session;
pub(crate) mod upload;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use self::repository::Repository;
use crate::{
    error::Error,
    name::{RepositoryName, component_of_folder},
};

pub(crate) struct Storage {
    root: PathBuf,
    uploads: PathBuf,
    repositories: RwLock<BTreeMap<RepositoryName, Arc<Repository>>>,
    /// Repositories are made one at a time: it is rare, and two may share parent folders.
    making: Mutex<()>,
    _lock: File,
}

impl Storage {
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        disk::create_dir_all(root).map_err(failed(root))?;
        let lock = root.join("_lock");
        let lock = take_lock(&lock).map_err(failed(&lock))?.ok_or_else(|| Error::InUse(root.to_owned()))?;
        let uploads = root.join("_uploads");
        disk::create_dir_all(&uploads).map_err(failed(&uploads))?;
        disk::remove_temporary_files(&uploads).map_err(failed(&uploads))?;
        let mut found = BTreeMap::new();
        find_repositories(root, "", &uploads, &mut found).map_err(failed(root))?;
        Ok(Self {
            root: root.to_owned(),
            uploads,
            repositories: RwLock::new(found),
            making: Mutex::new(()),
            _lock: lock,
        })
    }

    /// The folder of unfinished bytes.
    pub(crate) fn uploads(&self) -> &Path {
        &self.uploads
    }

    pub(crate) fn repository(&self, name: &RepositoryName) -> Option<Arc<Repository>> {
        self.repositories.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The repositories after a name, in the order of their names.
    pub(crate) fn repositories(&self) -> Vec<Arc<Repository>> {
        self.repositories.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The repository, made when it is missing.
    pub(crate) fn ensure_repository(&self, name: &RepositoryName) -> io::Result<Arc<Repository>> {
        if let Some(repository) = self.repository(name) {
            return Ok(repository);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repository) = self.repository(name) {
            return Ok(repository);
        }
        let repository = Arc::new(Repository::new(name.clone(), self.root.join(name.folder()), self.uploads.clone()));
        repository.make()?;
        let mut repositories = self.repositories.write().unwrap_or_else(PoisonError::into_inner);
        repositories.insert(name.clone(), repository.clone());
        Ok(repository)
    }
}

/// `None` when somebody else holds it.
fn take_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn find_repositories(
    folder: &Path,
    name: &str,
    uploads: &Path,
    found: &mut BTreeMap<RepositoryName, Arc<Repository>>,
) -> io::Result<()> {
    if let Ok(name) = name.parse::<RepositoryName>()
        && folder.join("oci-layout").try_exists()?
    {
        let repository = Repository::new(name.clone(), folder.to_owned(), uploads.to_owned());
        found.insert(name, Arc::new(repository));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        // A symbolic link is not a folder here, so the walk cannot leave the root or run in circles.
        if let Some(component) = file_name.to_str().and_then(component_of_folder)
            && entry.file_type()?.is_dir()
        {
            let name = if name.is_empty() { component.to_owned() } else { format!("{name}/{component}") };
            find_repositories(&entry.path(), &name, uploads, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(storage: &Storage) -> Vec<String> {
        storage.repositories().iter().map(|r| r.name().to_string()).collect()
    }

    #[test]
    fn repositories_are_found_again_also_where_they_nest() {
        let root = tempfile::tempdir().unwrap();
        let expected = ["a", "a-b", "a/b", "a/blobs", "a/index.json", "x/y/z"];
        {
            let storage = Storage::open(root.path()).unwrap();
            for name in expected {
                storage.ensure_repository(&name.parse().unwrap()).unwrap();
            }
            assert_eq!(names(&storage), expected);
        }
        assert_eq!(names(&Storage::open(root.path()).unwrap()), expected);
    }

    #[test]
    fn a_half_made_repository_is_not_visible() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("half/blobs/sha256")).unwrap();
        fs::write(root.path().join("half/index.json"), "{}").unwrap();
        assert!(names(&Storage::open(root.path()).unwrap()).is_empty());
    }

    #[test]
    fn a_folder_is_open_in_one_registry_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = Storage::open(root.path()).unwrap();
        assert!(matches!(Storage::open(root.path()), Err(Error::InUse(_))));
        drop(first);
        assert!(Storage::open(root.path()).is_ok());
    }

    #[test]
    fn bytes_that_a_crash_left_are_removed() {
        let root = tempfile::tempdir().unwrap();
        drop(Storage::open(root.path()).unwrap());
        let left = disk::temporary_path(&root.path().join("_uploads"));
        fs::write(&left, "half").unwrap();
        drop(Storage::open(root.path()).unwrap());
        assert!(!left.exists());
    }
}
