//! The folder where installed tools are kept, and the lock over it. What an entry holds is its installer's business.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest;

/// Longest wait for another process that is installing: it may build all tools one after the other.
const LOCK_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Written last into a finished entry: an entry without it is half an installation.
const FINISHED: &str = ".finished";

/// A name for an entry that is made of these texts: of others there is another entry.
pub(super) fn content_name(kind: &str, texts: &[&str]) -> String {
    let digest = hex::encode(digest::digest(&digest::SHA256, texts.concat().as_bytes()));
    format!("{kind}-{}", digest.get(..12).unwrap_or(&digest))
}

/// A folder of finished entries.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in the target folder that this executable was built into.
    pub(super) fn locate() -> Result<Self> {
        Self::at(target_folder()?.join("zas-tools"))
    }

    fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder of the entry `name`, made by `install` where it is not there yet. `install` gets an empty folder, and
    /// runs in one process at a time.
    pub(super) fn entry(&self, name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let folder = self.root.join(name);
        if folder.join(FINISHED).exists() {
            return Ok(folder);
        }
        let _lock = self.lock()?;
        if folder.join(FINISHED).exists() {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove the unfinished {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        install(&folder)?;
        fs::write(folder.join(FINISHED), "")?;
        Ok(folder)
    }

    /// Held until the file is dropped; the system lets go of it when the process dies.
    fn lock(&self) -> Result<File> {
        let path = self.root.join("lock");
        let file = File::options().create(true).write(true).truncate(false).open(&path)?;
        let until = Instant::now() + LOCK_DEADLINE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(200));
                }
                Err(TryLockError::WouldBlock) => bail!("another process held {} for {LOCK_DEADLINE:?}", path.display()),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }
}

/// Cargo's target folder: the one above this executable that has cargo's marks, else `CARGO_TARGET_DIR`.
fn target_folder() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("this executable has no path")?;
    let marked = |folder: &&Path| folder.join(".rustc_info.json").exists() || folder.join("CACHEDIR.TAG").exists();
    if let Some(folder) = executable.ancestors().skip(1).find(marked) {
        return Ok(folder.to_owned());
    }
    match std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => Ok(folder),
        _ => bail!("no target folder above {}: set CARGO_TARGET_DIR to an absolute path", executable.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_installed_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let first = cache.entry("tool-1", |folder| Ok(fs::write(folder.join("tool"), "x")?)).unwrap();
        let second = cache.entry("tool-1", |_| bail!("must not run again")).unwrap();
        assert_eq!(first, second);
        assert_eq!(fs::read_to_string(second.join("tool")).unwrap(), "x");
    }

    #[test]
    fn a_failed_installation_leaves_no_entry_and_is_tried_again_from_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let failed = cache.entry("tool-1", |folder| {
            fs::write(folder.join("half"), "x")?;
            bail!("no network")
        });
        assert!(failed.is_err());
        let entry = cache.entry("tool-1", |folder| Ok(fs::write(folder.join("tool"), "x")?)).unwrap();
        assert!(!entry.join("half").exists() && entry.join("tool").exists());
    }

    #[test]
    fn installers_that_start_together_run_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let runs = std::sync::atomic::AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache.entry("tool-1", |_| {
                        runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(())
                    })
                });
            }
        });
        assert_eq!(runs.into_inner(), 1);
    }

    #[test]
    fn a_name_is_that_of_its_content() {
        let name = content_name("python", &["a==1\n"]);
        assert!(name.starts_with("python-") && name.len() == "python-".len() + 12, "{name}");
        assert_ne!(name, content_name("python", &["a==2\n"]));
    }

    #[test]
    fn the_target_folder_of_this_test_is_found() {
        assert!(std::env::current_exe().unwrap().starts_with(target_folder().unwrap()));
    }
}
